//! The few writes of the plugin: to bindings only, under a field manager of its own.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource as _};
use podidentity_api::{PodIdentityBinding, names};
use podidentity_core::role::release_value;
use serde_json::{Value, json};

use crate::http::error::{Meaning, message};
use crate::read::ReadError;

/// Who writes. Not `kubectl*`: Flux strips what such managers own, and with it a release or a
/// suspension.
const FIELD_MANAGER: &str = "podidentity-cli";

/// What to write to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Releases the restarts of its present generation, under `rollout.policy: Manual`.
    Release,
    /// Sets `spec.suspend`.
    Suspend(bool),
}

/// Reads a binding.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<PodIdentityBinding>, ReadError> {
    let api = Api::<PodIdentityBinding>::namespaced(client.clone(), namespace);
    api.get_opt(name).await.map_err(|error| ReadError::of(&error, "get", "podidentitybindings", Some(namespace)))
}

/// Whether an edit is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// It is.
    Yes,
    /// The API server checks everything and stores nothing.
    DryRun,
}

/// Writes to a binding as it was observed.
pub async fn edit(client: &Client, binding: &PodIdentityBinding, edit: Edit, store: Store) -> Result<(), EditError> {
    let meta = binding.meta();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let api = Api::<PodIdentityBinding>::namespaced(client.clone(), namespace);
    let dry_run = store == Store::DryRun;
    let params = PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = meta.name.as_deref().unwrap_or_default();
    api.patch(name, &params, &Patch::Merge(patch(binding, edit))).await.map(drop).map_err(|error| EditError::of(&error))
}

/// Why a binding was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The user lacks a right.
    #[error(
        "you may not do that: {0}\nAsk for a Role with {{apiGroups: [podidentity.dev], resources: \
         [podidentitybindings], verbs: [get, patch]}}."
    )]
    Forbidden(String),
    /// It is another one than was looked at.
    #[error("it has changed meanwhile; look at it again, then repeat the command")]
    Changed,
    /// The API server refuses it, or does not answer.
    #[error("{0}")]
    Other(String),
}

impl EditError {
    fn of(error: &kube::Error) -> Self {
        match Meaning::of(error) {
            Meaning::Forbidden => Self::Forbidden(message(error)),
            Meaning::Changed => Self::Changed,
            _ => Self::Other(message(error)),
        }
    }
}

/// The patch; it holds for the generation that was observed and no other.
fn patch(binding: &PodIdentityBinding, edit: Edit) -> Value {
    let meta = binding.meta();
    let mut patch = match edit {
        Edit::Release => {
            json!({"metadata": {"annotations": {names::RELEASE_ANNOTATION: release_value(binding)}}})
        }
        Edit::Suspend(suspend) => json!({"spec": {"suspend": suspend}}),
    };
    patch["metadata"]["resourceVersion"] = json!(meta.resource_version);
    patch["metadata"]["uid"] = json!(meta.uid);
    patch
}
