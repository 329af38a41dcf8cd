//! Conditions, in the form that kstatus reads.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBindingStatus, Reason};

use super::summary::assumable;
use super::{Counts, Progress, Summary};
use crate::account::AccountState;
use crate::assess::Case;
use crate::time::whole_seconds;

/// Maximum number of characters in a message that the API server accepts.
const MESSAGE_LIMIT: usize = 32_768;

struct Fact {
    type_: &'static str,
    status: &'static str,
    reason: Reason,
    message: String,
}

/// `Ready`, and `Reconciling` or `Stalled` if one of them applies.
pub(super) fn bare(summary: &Summary, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    dated(overall(summary), old, generation, now)
}

/// The conditions of a binding that is being deleted. `released`: whether its annotations were
/// released. The settle time before restarts counts from that transition.
pub(super) fn deleting(
    summary: &Summary,
    released: bool,
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut facts = overall(summary);
    if released {
        let message = "the annotations are given up".to_owned();
        let type_ = condition::SERVICE_ACCOUNT_ANNOTATED;
        facts.insert(1, Fact { type_, status: "False", reason: Reason::Released, message });
    }
    dated(facts, old, generation, now)
}

/// The condition `Ready` for a binding whose full status the API server refuses: the status cannot
/// say how the binding is.
pub(super) fn unknown(refusal: &str, generation: Option<i64>, now: Timestamp) -> Condition {
    Condition {
        type_: condition::READY.to_owned(),
        status: "Unknown".to_owned(),
        reason: Reason::WriteRefused.into(),
        message: format!(
            "the API server refuses the status of this binding, so that it cannot be said here how it is: {refusal}; the \
             command kubectl podidentity status tells it, and the operator tries again every few minutes"
        ),
        last_transition_time: Time(whole_seconds(now)),
        observed_generation: generation,
    }
}

/// Whether the old status has the condition of [`unknown`], for the same generation as the new one.
pub(super) fn tells_refused(old: &PodIdentityBindingStatus, new: &PodIdentityBindingStatus) -> bool {
    let tells =
        |it: &Condition| it.type_ == condition::READY && it.status == "Unknown" && Reason::WriteRefused.is(&it.reason);
    old.observed_generation == new.observed_generation && old.conditions.iter().any(tells)
}

/// All conditions.
pub(super) fn of(
    summary: &Summary,
    case: &Case,
    counts: &Counts,
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut facts = overall(summary);
    facts
        .splice(1..1, annotated(summary, case).into_iter().chain([rolled(summary, counts), verified(summary, counts)]));
    if let Some((status, reason, message)) = assumable(case) {
        facts.insert(1, Fact { type_: condition::ROLE_ASSUMABLE, status, reason, message });
    }
    dated(facts, old, generation, now)
}

fn overall(summary: &Summary) -> Vec<Fact> {
    let fact = |type_, status| Fact { type_, status, reason: summary.reason, message: summary.message.to_string() };
    match summary.progress {
        Progress::Done => vec![fact(condition::READY, "True")],
        Progress::Reconciling => vec![fact(condition::READY, "False"), fact(condition::RECONCILING, "True")],
        Progress::Stalled => vec![fact(condition::READY, "False"), fact(condition::STALLED, "True")],
    }
}

/// `None` with EKS Pod Identity: nothing is annotated.
fn annotated(summary: &Summary, case: &Case) -> Option<Fact> {
    let type_ = condition::SERVICE_ACCOUNT_ANNOTATED;
    if case.expected.identity.is_of_association() {
        return None;
    }
    if case.account.state == AccountState::InForce {
        let message = format!("annotated with {}", case.expected.identity.role_arn);
        return Some(Fact { type_, status: "True", reason: Reason::Annotated, message });
    }
    Some(Fact { type_, status: "False", reason: summary.reason, message: summary.message.to_string() })
}

fn rolled(summary: &Summary, counts: &Counts) -> Fact {
    let type_ = condition::WORKLOADS_ROLLED;
    if counts.workloads == counts.workloads_current {
        let message = format!("{} of {} workloads need no restart", counts.workloads_current, counts.workloads);
        return Fact { type_, status: "True", reason: Reason::Rolled, message };
    }
    Fact { type_, status: "False", reason: summary.reason, message: summary.message.to_string() }
}

fn verified(summary: &Summary, counts: &Counts) -> Fact {
    let type_ = condition::IDENTITY_VERIFIED;
    // Pods of no workload come and go, so their verdict stands for none of the others.
    if counts.selects_nothing() && counts.pods_excluded > 0 && counts.pods == counts.pods_verified {
        let (pods, verified) = (counts.pods_excluded, counts.pods_excluded_verified);
        let message =
            format!("rollout.workloadSelector leaves out all {pods} pods; {verified} of them have the identity");
        return Fact { type_, status: "Unknown", reason: Reason::NothingSelected, message };
    }
    if counts.pods == 0 {
        let message = "no pod runs as the service account yet".to_owned();
        return Fact { type_, status: "Unknown", reason: Reason::NoPods, message };
    }
    let message = format!("{} of {} pods have the identity", counts.pods_verified, counts.pods);
    if counts.pods == counts.pods_verified {
        return Fact { type_, status: "True", reason: Reason::Verified, message };
    }
    let stalled = summary.progress == Progress::Stalled;
    let reason = if stalled { Reason::VerificationFailed } else { Reason::Verifying };
    Fact { type_, status: "False", reason, message }
}

/// Gives each condition the time of its last change of status.
fn dated(facts: Vec<Fact>, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let dated = |fact: Fact| {
        let before = old.iter().find(|before| before.type_ == fact.type_ && before.status == fact.status);
        // A revocation counts from the release of the annotations, so `Released` gets a time of its
        // own.
        let before = before.filter(|before| fact.reason != Reason::Released || fact.reason.is(&before.reason));
        let since = before.map_or_else(|| Time(whole_seconds(now)), |before| before.last_transition_time.clone());
        let mut message = fact.message;
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_LIMIT) {
            message.truncate(end);
        }
        Condition {
            type_: fact.type_.to_owned(),
            status: fact.status.to_owned(),
            reason: fact.reason.into(),
            message,
            last_transition_time: since,
            observed_generation: generation,
        }
    };
    facts.into_iter().map(dated).collect()
}
