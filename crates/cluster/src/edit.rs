//! The few writes of the command line: to bindings only, under a field manager of its own.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource as _};
use podidentity_api::{PodIdentityBinding, names};
use serde_json::{Value, json};

use crate::read::ReadError;

/// Who writes.
const FIELD_MANAGER: &str = "kubectl-podidentity";

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
    api.get_opt(name).await.map_err(|error| ReadError::of(error, "podidentitybindings", Some(namespace)))
}

/// Writes to a binding as it was observed; with `dry_run` the API server checks everything and stores nothing.
pub async fn edit(
    client: &Client,
    binding: &PodIdentityBinding,
    edit: Edit,
    dry_run: bool,
) -> Result<PodIdentityBinding, kube::Error> {
    let meta = binding.meta();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let api = Api::<PodIdentityBinding>::namespaced(client.clone(), namespace);
    let params = PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = meta.name.as_deref().unwrap_or_default();
    api.patch(name, &params, &Patch::Merge(patch(binding, edit))).await
}

/// The patch; it holds for the generation that was observed and no other.
fn patch(binding: &PodIdentityBinding, edit: Edit) -> Value {
    let meta = binding.meta();
    let mut patch = match edit {
        Edit::Release => {
            let generation = meta.generation.unwrap_or_default().to_string();
            json!({"metadata": {"annotations": {names::RELEASE_ANNOTATION: generation}}})
        }
        Edit::Suspend(suspend) => json!({"spec": {"suspend": suspend}}),
    };
    patch["metadata"]["resourceVersion"] = json!(meta.resource_version);
    patch["metadata"]["uid"] = json!(meta.uid);
    patch
}
