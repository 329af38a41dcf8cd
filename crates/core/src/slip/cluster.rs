//! Slips in the objects of one identity in a cluster.

use std::collections::BTreeMap;

use super::keys::{AUDIENCE, ROLE};
use super::{At, Given, Holder, Place, Slip, SlipReason, audience, of_account, of_place, of_pod, partition};
use crate::finding::{Finding, Severity};
use crate::injection::Target;
use crate::objects::{Map, PodTemplate, ServiceAccount};
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// All slips that affect an identity, each with its object as `Kind/name`.
pub fn of_snapshot(snapshot: &Snapshot) -> Vec<(String, Slip)> {
    let settings = &snapshot.config.settings;
    let none = Map::new();
    let account = snapshot.service_account.as_deref();
    let holder = Holder {
        annotations: account.map_or(&none, |account| &account.annotations),
        labels: account.map_or(&none, |account| &account.labels),
        bound: !snapshot.bindings.is_empty() || is_listed(snapshot),
    };
    let given = Given::of(holder.has_role(settings));
    let in_object = |object: String| move |slip: Slip| (object.clone(), slip);
    let of_account = of_account(holder, settings);
    let mut slips: Vec<(String, Slip)> =
        of_account.into_iter().map(in_object(format!("ServiceAccount/{}", snapshot.service_account_name))).collect();
    for binding in &snapshot.bindings {
        let name = binding.metadata.name.as_deref().unwrap_or_default();
        if holder.annotations.get(&settings.key(ROLE)) != Some(&binding.spec.role_arn) {
            let slip = partition("spec.roleArn", At::Object, &binding.spec.role_arn);
            slips.extend(slip.map(in_object(format!("PodIdentityBinding/{name}"))));
        }
        let declared = binding.spec.audience.as_deref().unwrap_or_default();
        if holder.annotations.get(&settings.key(AUDIENCE)).is_some_and(|annotated| annotated == declared) {
            continue; // told of the service account
        }
        let slip = audience("spec.audience", At::Object, declared, settings);
        slips.extend(slip.map(in_object(format!("PodIdentityBinding/{name}"))));
    }
    for workload in &snapshot.workloads {
        let found = of_pod(&Target::from(&workload.template), given, settings);
        slips.extend(found.into_iter().map(in_object(workload.id().to_string())));
        let (own, labels) = (map(workload.metadata.annotations.as_ref()), map(workload.metadata.labels.as_ref()));
        let found = of_place(Place::Workload, &own, &labels, given, settings);
        slips.extend(found.into_iter().map(in_object(workload.id().to_string())));
    }
    for pod in snapshot.pods.iter().filter(|pod| pod.is_live() && pod.controller().is_none()) {
        let found = of_pod(&Target::from(&**pod), given, settings);
        slips.extend(found.into_iter().map(in_object(format!("Pod/{}", pod.name()))));
    }
    if let Some(namespace) = &snapshot.namespace_object {
        let (own, labels) = (map(namespace.metadata.annotations.as_ref()), map(namespace.metadata.labels.as_ref()));
        // A namespace's annotations concern all of its service accounts, and may be meant for
        // others than this one.
        let found = of_place(Place::Namespace, &own, &labels, Given::Unknown, settings);
        slips.extend(found.into_iter().map(in_object(format!("Namespace/{}", snapshot.namespace))));
    }
    slips.sort_by_key(|(_, slip)| (slip.severity, slip.reason));
    slips
}

fn map(of: Option<&BTreeMap<String, String>>) -> Map {
    of.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the webhook's ConfigMap gives the service account a role.
fn is_listed(snapshot: &Snapshot) -> bool {
    let entries = snapshot.config.settings.entries.as_ref();
    let entry = entries.and_then(|entries| entries.get(&snapshot.namespace, &snapshot.service_account_name));
    entry.is_some_and(|entry| !entry.role_arn.is_empty())
}

/// The slips of a bound identity as findings, which the operator reports.
pub(crate) fn findings(snapshot: &Snapshot) -> impl Iterator<Item = Finding> {
    of_snapshot(snapshot).into_iter().map(|(object, slip)| slip.finding(&object))
}

/// An object of an unknown kind seems to create pods.
pub fn not_looked_into(object: &str) -> Slip {
    let seen = format!("{object} seems to make pods; its kind is not known here, and they are not looked into.");
    let next = "Once they run: kubectl podidentity explain pod/NAME.".to_owned();
    Slip::new(SlipReason::TemplateNotLookedInto, At::Object, seen, next)
}

/// Whether the service account is meant to give a role, but does not.
pub fn means_role(account: &ServiceAccount, settings: &Settings) -> bool {
    let holder = Holder { annotations: &account.annotations, labels: &account.labels, bound: false };
    of_account(holder, settings).iter().any(|slip| slip.severity == Severity::Error)
}

/// Whether a pod template is meant to give a role, but cannot.
pub fn template_means_role(template: &PodTemplate, settings: &Settings) -> bool {
    let slips = of_pod(&Target::from(template), Given::Nothing, settings);
    slips.iter().any(|slip| slip.severity == Severity::Error)
}
