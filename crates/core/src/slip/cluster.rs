//! Slips in the objects of one identity in a cluster, and service accounts that do not exist.

use std::fmt::Write as _;

use super::keys::{AUDIENCE, ROLE};
use super::{At, Given, Holder, Place, Slip, SlipReason, audience, of_account, of_place, of_pod, partition};
use crate::finding::{Finding, Severity};
use crate::injection::Target;
use crate::likeness::{alike, is_slip};
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
        bound: !snapshot.bindings.is_empty(),
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
        let own: Map = workload.metadata.annotations.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let found = of_place(Place::Workload, &own, given, settings);
        slips.extend(found.into_iter().map(in_object(workload.id().to_string())));
    }
    for pod in snapshot.pods.iter().filter(|pod| pod.is_live() && pod.controller().is_none()) {
        let found = of_pod(&Target::from(&**pod), given, settings);
        slips.extend(found.into_iter().map(in_object(format!("Pod/{}", pod.name()))));
    }
    if let Some(namespace) = &snapshot.namespace_object {
        let own: Map = namespace.metadata.annotations.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        // A namespace's annotations concern all of its service accounts, and may be meant for
        // others than this one.
        let found = of_place(Place::Namespace, &own, Given::Unknown, settings);
        slips.extend(found.into_iter().map(in_object(format!("Namespace/{}", snapshot.namespace))));
    }
    slips.sort_by_key(|(_, slip)| (slip.severity, slip.reason));
    slips
}

/// The slips of a bound identity as findings, which the operator reports.
pub(crate) fn findings(snapshot: &Snapshot) -> impl Iterator<Item = Finding> {
    of_snapshot(snapshot).into_iter().map(|(object, slip)| slip.finding(&object))
}

/// Where a service account that does not exist may be instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameMatches {
    /// Similar names in the same namespace.
    pub alike: Vec<String>,
    /// Other namespaces that have a service account with the name.
    pub namespaces: Vec<String>,
}

impl NameMatches {
    /// Searches known service accounts, each given as namespace and name.
    pub fn among<'a>(namespace: &str, name: &str, known: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let here = known.clone().filter(|(at, other)| *at == namespace && *other != "default").map(|(_, other)| other);
        let mut namespaces: Vec<String> =
            known.filter(|(at, other)| *at != namespace && *other == name).map(|(at, _)| at.to_owned()).collect();
        namespaces.sort();
        namespaces.dedup();
        Self { alike: alike(name, here).into_iter().map(str::to_owned).collect(), namespaces }
    }

    /// The intended name, if a known name differs only by a slip.
    pub fn meant(&self, name: &str) -> Option<&str> {
        self.alike.iter().map(String::as_str).find(|other| is_slip(name, other))
    }
}

/// A service account does not exist. `what`: the object that names it, for example
/// `Deployment/web`. `among`: where it was looked up, for example `in the cluster`.
pub fn not_found(what: &str, namespace: Option<&str>, name: &str, elsewhere: &NameMatches, among: &str) -> Slip {
    let here = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    let mut seen = format!("{what} names the service account {name}, which is not {among}{here}");
    let mut severity = Severity::Info;
    let next = if let Some(meant) = elsewhere.meant(name) {
        severity = Severity::Warning;
        let _ = write!(seen, "; {meant} is");
        format!("Correct the name: did you mean {meant}?")
    } else if let [first, ..] = elsewhere.namespaces.as_slice() {
        severity = Severity::Warning;
        let _ = write!(seen, "; one of that name is in {}", elsewhere.namespaces.join(", "));
        format!(
            "A pod takes the service account of its own namespace: create it{here}, annotation included, or move the \
             workload to {first}."
        )
    } else if elsewhere.alike.is_empty() {
        format!("Create it{here}, or correct the name; until it is there no pod is created.")
    } else {
        format!("Create it{here}, or correct the name: there is {}.", elsewhere.alike.join(", "))
    };
    seen.push('.');
    Slip::new(SlipReason::ServiceAccountNotFound, At::Object, seen, next).severity(severity)
}

/// A service account has a role, but nothing runs as it. `forgot`: the workload that probably
/// should, which names no service account.
pub fn unused(name: &str, forgot: Option<&str>) -> Slip {
    match forgot {
        Some(workload) => {
            let seen = format!("nothing runs as {name}; {workload} names no service account and runs as default.");
            let next = format!("Set serviceAccountName: {name} in the pod template of {workload}.");
            Slip::new(SlipReason::ServiceAccountUnused, At::Object, seen, next).severity(Severity::Warning)
        }
        None => Slip::new(
            SlipReason::ServiceAccountUnused,
            At::Object,
            format!("no workload among the files runs as {name}."),
            "If one is to, set serviceAccountName in its pod template.".to_owned(),
        ),
    }
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
