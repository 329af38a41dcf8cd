//! Restarts that another manager undoes, as a GitOps tool does that owns the whole pod template: seen and counted.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PodIdentityBinding, RevertedStatus, names};

use crate::mark::RollMark;
use crate::objects::WorkloadId;
use crate::restart_record::{self, Records};
use crate::rollout::{WorkloadVerdict, is_unmarked, wait_after};
use crate::time::whole_seconds;
use crate::verify::JudgedPod;

/// What is undone within this time after the wait counts as the same fight.
const SAME_FIGHT: SignedDuration = SignedDuration::from_mins(10);

/// What was done in a reconcile, as far as it bears on this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'a> {
    /// The workloads that were restarted.
    pub(crate) restarted: &'a [&'a WorkloadId],
    /// Whether one of them was restarted once more after its last restart was undone.
    pub(crate) again: bool,
    /// Whether something had changed since it was looked at. What pods show may be news, and their workload's template not.
    pub(crate) stale: bool,
}

/// Whether pods carry the mark of a restart for the identity that is wanted, and the template has lost it.
pub(crate) fn has_pods_of_undone_restart(verdict: &WorkloadVerdict, records: &Records<'_>, hash: &str) -> bool {
    let record = records.get(&verdict.workload);
    let mark_of = |judged: &JudgedPod| RollMark::parse(judged.pod.annotation(names::IDENTITY_ANNOTATION)?);
    let of_undone = |judged: &JudgedPod| {
        mark_of(judged).is_some_and(|mark| mark.hash == hash)
            && !record.is_some_and(|record| restart_record::is_ahead_of_template(judged, record, &verdict.workload))
    };
    is_unmarked(&verdict.workload) && verdict.pods.iter().any(of_undone)
}

/// Whether a restart of the workload was undone. Who is quick leaves no pods of the restart behind; then the workload has
/// been changed twice since the restart was decided, and has no mark.
pub(crate) fn is_undone(verdict: &WorkloadVerdict, records: &Records<'_>, hash: &str) -> bool {
    let generation = verdict.workload.metadata.generation.unwrap_or_default();
    let twice_changed = records.get(&verdict.workload).is_some_and(|record| generation >= record.generation + 2);
    is_unmarked(&verdict.workload) && (twice_changed || has_pods_of_undone_restart(verdict, records, hash))
}

/// What is remembered of restarts that were undone: the count goes up each time that it is seen to happen again, be it
/// before a restart is repeated or after.
pub(crate) fn counted(
    binding: &PodIdentityBinding,
    workloads: &[WorkloadVerdict],
    hash: &str,
    done: Done<'_>,
    now: Timestamp,
) -> Option<RevertedStatus> {
    let seen = binding.status.as_ref().and_then(|status| status.reverted.clone());
    if done.stale {
        return seen;
    }
    let records = Records::of(binding);
    let at_once =
        |verdict: &WorkloadVerdict| is_unmarked(&verdict.workload) && done.restarted.contains(&&verdict.workload.id());
    let undone_at_once = workloads.iter().any(at_once);
    let active = undone_at_once || workloads.iter().any(|verdict| is_undone(verdict, &records, hash));
    let was_active = seen.as_ref().is_some_and(|seen| seen.active);
    let happened = undone_at_once || (!was_active && (active || done.again));
    if !happened {
        return seen.map(|seen| RevertedStatus { active, ..seen });
    }
    let recent = seen.filter(|seen| {
        let window = wait_after(seen.count) + SAME_FIGHT;
        seen.at.as_ref().is_some_and(|at| at.0 + window > now)
    });
    let count = recent.map_or(1, |seen| seen.count.saturating_add(1));
    Some(RevertedStatus { count, at: Some(Time(whole_seconds(now))), active })
}
