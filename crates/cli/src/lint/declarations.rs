//! Findings about bindings and service accounts.

use std::sync::Arc;

use podidentity_core::finding::Severity;
use podidentity_core::settings::Settings;

use crate::accounts::{Account, Accounts, Key};
use crate::findings::{Finding, ManifestReason, Reason};
use crate::manifest::Object;
use crate::read::Place;

/// Reports everything that is wrong with bindings and service accounts.
pub(crate) fn check(accounts: &Accounts<'_>, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (object, violations) in &accounts.refused {
        findings.extend(violations.iter().map(|violation| {
            let place = object.place.with(violation.at);
            finding(ManifestReason::InvalidSpec, object, place, violation.message.clone())
        }));
    }
    for (key, account) in &accounts.by_key {
        claims(key, account, &mut findings);
        suspended(account, &mut findings);
        conflict(account, settings, &mut findings);
    }
    findings
}

pub(super) fn finding(reason: ManifestReason, object: &Object<'_>, place: Place, message: String) -> Finding {
    Finding {
        severity: reason.severity(),
        reason: Reason::Manifest(reason),
        object: object.title(),
        namespace: object.namespace.map(str::to_owned),
        container: None,
        message,
        place,
    }
}

/// The place of a field of a binding's spec.
pub(super) fn field(object: &Object<'_>, name: &str) -> Place {
    let key = object.node.get("spec").and_then(|spec| spec.entry(name));
    key.map_or_else(|| object.place.clone(), |(key, _)| object.place.with(key.at))
}

fn claims(key: &Key, account: &Account<'_>, findings: &mut Vec<Finding>) {
    let Some(owner) = account.owner() else { return };
    let name = &key.1;
    for other in account.bindings.iter().filter(|other| !Arc::ptr_eq(&other.binding, &owner.binding)) {
        let message = format!(
            "service account {name} is bound by {} as well ({}). The oldest binding owns it, and the others wait; of \
             bindings created together it is the first by name. Keep one of them.",
            owner.object.title(),
            owner.object.place,
        );
        let place = field(&other.object, "serviceAccountName");
        findings.push(finding(ManifestReason::ServiceAccountClaimed, &other.object, place, message));
    }
}

fn suspended(account: &Account<'_>, findings: &mut Vec<Finding>) {
    for binding in account.bindings.iter().filter(|binding| binding.binding.spec.suspend) {
        let message = "nothing is annotated or restarted while spec.suspend is true. Its workloads are judged here as \
                       they will be once it is resumed.";
        let place = field(&binding.object, "suspend");
        findings.push(finding(ManifestReason::Suspended, &binding.object, place, message.to_owned()));
    }
}

fn conflict(account: &Account<'_>, settings: &Settings, findings: &mut Vec<Finding>) {
    let (Some(conflict), Some(object)) = (account.conflict(settings), account.objects.last()) else { return };
    let place = account.annotation_place(&conflict.key).unwrap_or_else(|| object.place.clone());
    let binding = &conflict.binding.object;
    let outcome = if conflict.overridden {
        "onConflict is Override: the operator takes the annotation over, and whatever applies this manifest sets it \
         back."
    } else {
        "The operator leaves the annotation alone, so pods get what the annotation says, not the binding."
    };
    let message = format!(
        "annotation {} is {:?}, but {} ({}) wants {:?}. {outcome} Remove the annotation from the manifest.",
        conflict.key,
        conflict.seen,
        binding.title(),
        binding.place,
        conflict.wanted,
    );
    let mut found = finding(ManifestReason::AnnotationConflict, object, place, message);
    if conflict.overridden {
        found.severity = Severity::Warning;
    }
    findings.push(found);
}
