//! A service account with annotations but without a binding, seen as if a binding declared them.

use std::borrow::Cow;
use std::sync::Arc;

use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec, names};

use crate::injection::Given;
use crate::objects::ServiceAccount;
use crate::settings::{IdentityAnnotation, Settings};
use crate::snapshot::Snapshot;

/// The role that pods get from the service account's annotation or from the webhook's ConfigMap, if
/// either names one.
pub fn annotated_role<'a>(account: &'a ServiceAccount, settings: &'a Settings) -> Option<Cow<'a, str>> {
    match Given::on(account, settings) {
        Given::Annotations(annotations) => {
            let value = annotations.get(&settings.annotation(IdentityAnnotation::RoleArn))?;
            settings.names_role(value).then(|| settings.role(value))
        }
        Given::Entry(entry) => (!entry.role_arn.is_empty()).then_some(Cow::Borrowed(entry.role_arn.as_str())),
        Given::Association(_) => None,
    }
}

/// The spec of a binding that declares the annotated role and audience; `None` if no role is
/// annotated.
///
/// It does not declare lifetime and STS endpoint: whatever pods have is right, since nobody
/// declared otherwise.
pub fn declared(name: &str, account: &ServiceAccount, settings: &Settings) -> Option<PodIdentityBindingSpec> {
    Some(PodIdentityBindingSpec {
        service_account_name: name.to_owned(),
        role_arn: annotated_role(account, settings)?.into_owned(),
        role: None,
        role_ref: None,
        mechanism: podidentity_api::Mechanism::Irsa,
        audience: match Given::on(account, settings) {
            Given::Annotations(_) => annotation(account, settings, "audience").map(str::to_owned),
            Given::Entry(entry) => Some(entry.audience.clone()).filter(|audience| !audience.is_empty()),
            Given::Association(_) => None,
        },
        token_expiration_seconds: None,
        sts_regional_endpoints: None,
        rollout: podidentity_api::Rollout::default(),
        on_conflict: podidentity_api::ConflictPolicy::default(),
        preflight: None,
        deletion_policy: podidentity_api::DeletionPolicy::default(),
        suspend: false,
        undecodable: None,
        unresolved: None,
    })
}

/// The snapshot as if a suspended binding with the [`declared`] spec existed, and the operator had
/// written its annotations; `None` if there is a binding already, or no role is annotated.
pub fn as_if_bound(snapshot: &Snapshot) -> Option<Snapshot> {
    let account = snapshot.service_account.as_ref().filter(|_| snapshot.bindings.is_empty())?;
    let declared = declared(&snapshot.service_account_name, account, &snapshot.config.settings)?;
    let spec = PodIdentityBindingSpec { suspend: true, ..declared };
    Some(with_binding(snapshot, binding(&snapshot.service_account_name, &snapshot.namespace, spec)))
}

/// The snapshot with this binding alone, as if the operator had written the service account's
/// annotations.
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

/// The service account as if the operator had written the annotations, at the time of the real
/// write.
fn written_by_operator(account: &ServiceAccount) -> ServiceAccount {
    let mut account = account.clone();
    for entry in account.metadata.managed_fields.iter_mut().flatten() {
        entry.manager = Some(names::FIELD_MANAGER.to_owned());
    }
    account
}

/// An identity annotation of the service account. `name`: its key without the domain, for example
/// `audience`. An empty annotation counts as absent.
pub fn annotation<'a>(account: &'a ServiceAccount, settings: &Settings, name: &str) -> Option<&'a str> {
    let value = account.annotations.get(&settings.key(name))?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::assess::Assessment;
    use crate::injection::Entries;
    use crate::snapshot::Config;

    #[test]
    fn an_entry_without_an_audience_is_expected_as_the_webhook_takes_it() {
        for (audience, foreign) in [("", Some("")), ("sts.amazonaws.com", None)] {
            let role = "arn:aws:iam::111122223333:role/web";
            let entry = json!({"shop/web": {"RoleARN": role, "Audience": audience}}).to_string();
            let entries = Some(Arc::new(Entries::parse(&entry).unwrap()));
            let settings = Settings { entries, ..Settings::default() };
            let config = Arc::new(Config { settings, ..Config::default() });
            let account: ServiceAccount =
                serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"}})).unwrap();
            let empty = Snapshot::empty("shop", "web", Timestamp::UNIX_EPOCH, &config);
            let snapshot = Snapshot { service_account: Some(Arc::new(account)), ..empty };
            let case = Assessment::of(&as_if_bound(&snapshot).unwrap()).owner.unwrap();
            let expected = (case.expected.listed, case.expected.foreign_audience.as_deref());
            assert_eq!(expected, (true, foreign));
        }
    }
}
