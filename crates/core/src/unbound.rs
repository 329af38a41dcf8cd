//! A service account that is annotated but that no binding names, seen as if a binding declared what it says.

use std::sync::Arc;

use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec, names};

use crate::objects::ServiceAccount;
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// The role that the service account's annotation names, if it names one.
pub fn annotated_role<'a>(account: &'a ServiceAccount, settings: &Settings) -> Option<&'a str> {
    annotation(account, settings, "role-arn")
}

/// The snapshot as it would be if a suspended binding declared the role and the audience of the annotations, and the
/// operator had written these; `None` if a binding is there already or no role is annotated.
///
/// Lifetime and STS endpoint are left undeclared: whatever pods have is right, since nobody declared otherwise.
pub fn as_if_bound(snapshot: &Snapshot) -> Option<Snapshot> {
    let settings = &snapshot.config.settings;
    let account = snapshot.service_account.as_ref().filter(|_| snapshot.bindings.is_empty())?;
    let role = annotated_role(account, settings)?;
    let spec = PodIdentityBindingSpec {
        service_account_name: snapshot.service_account_name.clone(),
        role_arn: role.to_owned(),
        audience: annotation(account, settings, "audience").map(str::to_owned),
        token_expiration_seconds: None,
        sts_regional_endpoints: None,
        rollout: podidentity_api::Rollout::default(),
        on_conflict: podidentity_api::ConflictPolicy::default(),
        deletion_policy: podidentity_api::DeletionPolicy::default(),
        suspend: true,
        undecodable: None,
    };
    Some(with_binding(snapshot, binding(&snapshot.service_account_name, &snapshot.namespace, spec)))
}

/// The snapshot with another binding, whose annotations are in force by the operator's hand as far as they are there.
pub fn with_binding(snapshot: &Snapshot, binding: PodIdentityBinding) -> Snapshot {
    let account = snapshot.service_account.as_deref().map(written_by_operator).map(Arc::new);
    Snapshot { bindings: vec![Arc::new(binding)], service_account: account, ..snapshot.clone() }
}

/// A binding that is in no cluster.
pub fn binding(name: &str, namespace: &str, spec: PodIdentityBindingSpec) -> PodIdentityBinding {
    let mut binding = PodIdentityBinding::new(name, spec);
    binding.metadata.namespace = Some(namespace.to_owned());
    binding.metadata.generation = Some(1);
    binding
}

/// The service account as if the operator had written the annotations, at the time when whoever did it did it.
fn written_by_operator(account: &ServiceAccount) -> ServiceAccount {
    let mut account = account.clone();
    for entry in account.metadata.managed_fields.iter_mut().flatten() {
        entry.manager = Some(names::FIELD_MANAGER.to_owned());
    }
    account
}

fn annotation<'a>(account: &'a ServiceAccount, settings: &Settings, name: &str) -> Option<&'a str> {
    let value = account.metadata.annotations.as_ref()?.get(&settings.key(name))?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}
