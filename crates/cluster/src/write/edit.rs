//! The few writes of the plugin. It writes only bindings, under its own field manager.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource as _};
use podidentity_api::{PodIdentityBinding, names};
use podidentity_core::role::release_value;
use serde_json::{Value, json};

use crate::http::error::{Meaning, message};
use crate::read::ReadError;

/// The plugin's field manager. It does not start with `kubectl`, because Flux strips the fields of
/// such managers, and would strip a release or a suspension.
const FIELD_MANAGER: &str = "podidentity-cli";

/// What to write to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Releases the restarts of the binding's current generation, under `rollout.policy: Manual`.
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
    /// The edit is stored.
    Yes,
    /// The API server checks everything and stores nothing.
    DryRun,
}

/// Writes to a binding if it is still as observed.
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
    /// The binding has changed since it was read.
    #[error("it has changed meanwhile; look at it again, then repeat the command")]
    Changed,
    /// The API server rejects the write or does not answer.
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

/// The patch. It applies only to the observed version of the binding.
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
