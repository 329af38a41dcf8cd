//! Events: changes between two statuses that a person wants to see in `kubectl describe`.
//!
//! A change of the role has two events: `Annotated` when it begins, `Verified` when it is done. The
//! status has the steps in between. `RolloutStarted` and `RolloutCompleted` report restarts that
//! these two do not cover.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus, Reason};

use crate::objects::WorkloadId;
use crate::outcome::Outcome;
use crate::restart_record::Records;
use crate::snapshot::Snapshot;

/// One event about a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whether it is a warning.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: Reason,
    /// What happened.
    pub note: String,
    /// The workload that it happened to.
    pub workload: Option<WorkloadId>,
}

/// Reasons of the condition `Stalled` that deserve an event of their own.
const TROUBLES: &[Reason] = &[
    Reason::AnnotationConflict,
    Reason::Contested,
    Reason::RolloutHalted,
    Reason::RolledBack,
    Reason::RolloutReverted,
    Reason::RoleNotAllowed,
    Reason::ServiceAccountClaimed,
    Reason::VerificationFailed,
    Reason::WriteRefused,
    Reason::InjectionRefused,
    Reason::PodsMissing,
    Reason::NothingSelected,
];

/// Reasons of the condition `RoleAssumable` that report an answer.
const ANSWERS: &[Reason] = &[
    Reason::RoleAssumable,
    Reason::RoleNotAssumable,
    Reason::IdentityProviderRejected,
    Reason::TokenRefused,
    Reason::StsRegionDisabled,
    Reason::PreflightUnavailable,
];

/// The events for restarts that were made or refused, whatever the status says about them.
/// `snapshot`: the snapshot that the plan was made from.
pub fn step_events(snapshot: &Snapshot, outcome: &Outcome) -> Vec<Transition> {
    let begun = snapshot.bindings.iter().any(|binding| has_begun(binding));
    let done = outcome.restarted().into_iter().filter(|_| !begun).map(|workload| Transition {
        warning: false,
        reason: Reason::RolloutStarted,
        note: format!("restarting {workload}"),
        workload: Some(workload.clone()),
    });
    let known: Vec<Records<'_>> = snapshot.bindings.iter().map(|binding| Records::of(binding)).collect();
    let known_to_be_refused = |id: &WorkloadId| {
        let workload = snapshot.workloads.iter().find(|workload| workload.id() == *id);
        let mut records = known.iter().filter_map(|records| records.get(workload?));
        records.any(|record| record.refused.is_some())
    };
    let refused = outcome.problems.iter().filter_map(|problem| {
        let workload = problem.workload.as_ref().filter(|id| !known_to_be_refused(id))?;
        let why = outcome.refused(workload)?;
        Some(Transition {
            warning: true,
            reason: Reason::RestartRefused,
            note: format!("the API server refuses the restart of {workload}: {why}; others go on"),
            workload: Some(workload.clone()),
        })
    });
    done.chain(refused).collect()
}

/// Whether a role is in force that is not verified yet. The event `Annotated` has then announced
/// its restarts. It has not if they wait for a window or keep an interval.
fn has_begun(binding: &PodIdentityBinding) -> bool {
    let rollout = &binding.spec.rollout;
    let at_once = rollout.windows.is_empty() && rollout.interval.is_none();
    let not_verified = |status: &PodIdentityBindingStatus| {
        status.role_arn.is_some() && status.role_arn != status.last_verified_role_arn
    };
    at_once && binding.status.as_ref().is_some_and(not_verified)
}

/// The events for the change from one status to the next, given the outcome of the steps in
/// between.
pub fn transitions(
    old: Option<&PodIdentityBindingStatus>,
    new: &PodIdentityBindingStatus,
    outcome: &Outcome,
) -> Vec<Transition> {
    let normal = |reason, note| Transition { warning: false, reason, note, workload: None };
    let warning = |reason, note| Transition { warning: true, reason, note, workload: None };
    let mut events = Vec::new();
    if restored(new).is_some() && Some(restored(new)) != old.map(restored) {
        let drift = outcome.restored.as_deref();
        let drift = drift.unwrap_or("what had been done to the annotation is not known any more");
        events.push(warning(Reason::AnnotationRemoved, format!("restored: {drift}")));
    } else if old.and_then(|old| old.role_arn.as_ref()) != new.role_arn.as_ref()
        && let Some(role) = &new.role_arn
    {
        events.push(normal(Reason::Annotated, format!("service account annotated with {role}")));
    }
    let was_rolling = old.is_some_and(|old| find(old, condition::WORKLOADS_ROLLED).is_some());
    let rolled = became_true(old, new, condition::WORKLOADS_ROLLED).filter(|_| was_rolling);
    // Pods have the identity before they have come up with it.
    let both = [condition::IDENTITY_VERIFIED, condition::WORKLOADS_ROLLED];
    let are_true = |status: &PodIdentityBindingStatus| {
        both.iter().all(|type_| find(status, type_).is_some_and(|condition| condition.status == "True"))
    };
    if are_true(new) && !old.is_some_and(are_true) {
        let message = find(new, condition::IDENTITY_VERIFIED).map(|verified| verified.message.clone());
        events.push(normal(Reason::Verified, message.unwrap_or_default()));
    } else if let Some(rolled) = rolled {
        events.push(normal(Reason::RolloutCompleted, rolled.message.clone()));
    }
    events.extend(assumable(old, new));
    if let Some(trouble) = new_trouble(old, new) {
        events.push(warning(trouble.0, trouble.1));
    }
    events
}

/// The event for a new answer from AWS. There is none if AWS has not been asked.
fn assumable(old: Option<&PodIdentityBindingStatus>, new: &PodIdentityBindingStatus) -> Option<Transition> {
    let now = find(new, condition::ROLE_ASSUMABLE)?;
    let before = old.and_then(|old| find(old, condition::ROLE_ASSUMABLE));
    // A pass for another role is news. A repeated pass for the same role is not.
    let same = before.is_some_and(|before| {
        (&before.status, &before.reason) == (&now.status, &now.reason)
            && (now.status != "True" || old.and_then(passed) == passed(new))
    });
    let reason = ANSWERS.iter().copied().find(|reason| reason.is(&now.reason) && !same)?;
    let warning = now.status != "True";
    Some(Transition { warning, reason, note: now.message.clone(), workload: None })
}

/// Role, audience and service account UID of the recorded pass.
fn passed(status: &PodIdentityBindingStatus) -> Option<(&str, &str, Option<&str>)> {
    let passed = status.preflight.as_ref()?.passed.as_ref()?;
    Some((&passed.role_arn, &passed.audience, passed.service_account_uid.as_deref()))
}

/// How often the annotation was restored, and when it was restored last.
fn restored(status: &PodIdentityBindingStatus) -> Option<(i32, Timestamp)> {
    let account = status.service_account.as_ref()?;
    Some((account.restored, account.restored_at.as_ref()?.0))
}

fn find<'a>(status: &'a PodIdentityBindingStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

fn became_true<'a>(
    old: Option<&PodIdentityBindingStatus>,
    new: &'a PodIdentityBindingStatus,
    type_: &str,
) -> Option<&'a Condition> {
    let was_true = old.and_then(|old| find(old, type_)).is_some_and(|old| old.status == "True");
    find(new, type_).filter(|new| new.status == "True" && !was_true)
}

fn new_trouble(old: Option<&PodIdentityBindingStatus>, new: &PodIdentityBindingStatus) -> Option<(Reason, String)> {
    let stalled = find(new, condition::STALLED)?;
    let before = old.and_then(|old| find(old, condition::STALLED));
    if before.is_some_and(|before| before.reason == stalled.reason) {
        return None;
    }
    let reason = TROUBLES.iter().find(|reason| reason.is(&stalled.reason))?;
    Some((*reason, stalled.message.clone()))
}
