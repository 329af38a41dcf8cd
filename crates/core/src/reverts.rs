//! Rolls that another manager undoes, as a GitOps tool does that owns the whole pod template: seen, counted, and after a
//! few times in a row left at that for a while.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PodIdentityBinding, RevertedStatus, WorkloadState, names};

use crate::assess::{Case, JudgedPod};
use crate::objects::{Workload, WorkloadId};
use crate::outcome::{Outcome, ProblemKind};
use crate::rollout::WorkloadVerdict;
use crate::status::whole_seconds;
use crate::wanted::RollMark;

/// After so many rolls in a row that another manager undid, it is left at that for a while.
const REVERTS_BEFORE_WAITING: i32 = 3;
/// For this long.
const WAIT_AFTER_REVERTS: SignedDuration = SignedDuration::from_mins(10);

fn is_unmarked(workload: &Workload) -> bool {
    workload.template_annotation(names::IDENTITY_ANNOTATION).is_none()
}

/// Whether pods carry the mark of a roll for the identity that is wanted, and the template has lost it.
pub(crate) fn has_pods_of_undone_roll(verdict: &WorkloadVerdict, hash: &str) -> bool {
    let mark_of = |judged: &JudgedPod| RollMark::parse(judged.pod.annotation(names::IDENTITY_ANNOTATION)?);
    is_unmarked(&verdict.workload) && verdict.pods.iter().filter_map(mark_of).any(|mark| mark.hash == hash)
}

/// Whether a roll of the workload was undone. Who is quick leaves no pods of the roll behind; then the status remembers
/// that the workload was being rolled.
fn is_undone(case: &Case, verdict: &WorkloadVerdict) -> bool {
    is_unmarked(&verdict.workload)
        && (was_rolling(case, verdict) || has_pods_of_undone_roll(verdict, &case.wanted.hash()))
}

fn was_rolling(case: &Case, verdict: &WorkloadVerdict) -> bool {
    let id = verdict.workload.id();
    let listed = case.binding.status.iter().flat_map(|status| &status.workloads);
    listed
        .filter(|listed| listed.state == WorkloadState::Rolling)
        .any(|listed| listed.kind == id.kind.as_str() && listed.name == id.name)
}

/// Whether one of these workloads is rolled once more after its last roll was undone.
pub(crate) fn rolled_again(before: &Case, rolled: &[&WorkloadId]) -> bool {
    before.workloads.iter().any(|verdict| rolled.contains(&&verdict.workload.id()) && is_undone(before, verdict))
}

/// What is remembered of rolls that were undone: the count goes up each time that it is seen to happen again, be it
/// before a roll is repeated or after.
pub(crate) fn counted(case: &Case, outcome: &Outcome, now: Timestamp) -> Option<RevertedStatus> {
    let seen = case.binding.status.as_ref().and_then(|status| status.reverted.clone());
    if outcome.first(ProblemKind::Stale).is_some() {
        // Something has changed since it was looked at. What pods show may be news, and their workload's template not.
        return seen;
    }
    let rolled = outcome.rolled();
    let at_once =
        |verdict: &WorkloadVerdict| is_unmarked(&verdict.workload) && rolled.contains(&&verdict.workload.id());
    let undone_at_once = case.workloads.iter().any(at_once);
    let active = undone_at_once || case.workloads.iter().any(|verdict| is_undone(case, verdict));
    let was_active = seen.as_ref().is_some_and(|seen| seen.active);
    let news = undone_at_once || (!was_active && (active || outcome.rolled_again));
    if !news {
        return seen.map(|seen| RevertedStatus { active, ..seen });
    }
    let recent = seen.filter(|seen| seen.at.as_ref().is_some_and(|at| at.0 + WAIT_AFTER_REVERTS > now));
    let count = recent.map_or(1, |seen| seen.count.saturating_add(1));
    Some(RevertedStatus { count, at: Some(Time(whole_seconds(now))), active })
}

/// Until when a workload without our mark is left alone because rolls of this binding keep being undone.
pub(crate) fn left_alone_until(binding: &PodIdentityBinding, workload: &Workload, now: Timestamp) -> Option<Timestamp> {
    let reverted = binding.status.as_ref()?.reverted.as_ref().filter(|_| is_unmarked(workload))?;
    let until = reverted.at.as_ref()?.0 + WAIT_AFTER_REVERTS;
    (reverted.count >= REVERTS_BEFORE_WAITING && until > now).then_some(until)
}
