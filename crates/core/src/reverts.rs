//! Detects and counts restarts that another manager undoes, such as a GitOps tool that owns the
//! whole pod template.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PodIdentityBinding, RevertedStatus, names};

use crate::objects::WorkloadId;
use crate::restart_mark::RestartMark;
use crate::restart_record::{self, Records};
use crate::rollout::{MOST_NAMED, WorkloadVerdict, lacks_mark, wait_after};
use crate::time::whole_seconds;
use crate::verify::JudgedPod;

/// A restart that is undone within this time after the wait belongs to the same series.
const SAME_FIGHT: SignedDuration = SignedDuration::from_mins(10);

/// The parts of a reconcile's outcome that matter for reverts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'a> {
    /// The workloads that were restarted.
    pub(crate) restarted: &'a [&'a WorkloadId],
    /// Whether one of them was restarted once more after its last restart was undone.
    pub(crate) again: bool,
    /// Whether an object had changed since it was read. The pods may then be newer than their
    /// workload's template.
    pub(crate) stale: bool,
}

/// Whether pods carry the mark of a restart for the wanted identity, and the template has lost that
/// mark.
pub(crate) fn has_pods_of_undone_restart(verdict: &WorkloadVerdict, records: &Records<'_>, hash: &str) -> bool {
    let record = records.get(&verdict.workload);
    let of_undone = |judged: &JudgedPod| {
        judged.pod.annotation(names::IDENTITY_ANNOTATION).is_some_and(|mark| RestartMark::is_for(mark, hash))
            && !record.is_some_and(|record| restart_record::is_ahead_of_template(judged, record, &verdict.workload))
    };
    lacks_mark(&verdict.workload, hash) && verdict.pods.iter().any(of_undone)
}

/// Whether a restart of the workload was undone. A manager that undoes it quickly leaves no pods of
/// the restart behind. The workload then lacks the mark, and has changed twice since the restart was
/// decided.
pub(crate) fn is_undone(verdict: &WorkloadVerdict, records: &Records<'_>, hash: &str) -> bool {
    let generation = verdict.workload.metadata.generation.unwrap_or_default();
    let made = records.get(&verdict.workload);
    let made = made.filter(|record| record.refused.is_none() && RestartMark::is_for(&record.mark, hash));
    let twice_changed = made.is_some_and(|record| generation >= record.generation + 2);
    lacks_mark(&verdict.workload, hash) && (twice_changed || has_pods_of_undone_restart(verdict, records, hash))
}

/// The status record of undone restarts. The count increases each time a restart is seen to be
/// undone, before or after the restart is repeated.
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
    let at_once = |verdict: &WorkloadVerdict| {
        lacks_mark(&verdict.workload, hash) && done.restarted.contains(&&verdict.workload.id())
    };
    let undone_at_once = workloads.iter().any(at_once);
    let undone = workloads.iter().filter(|verdict| at_once(verdict) || is_undone(verdict, &records, hash));
    let undone: BTreeSet<String> = undone.map(|verdict| verdict.workload.id().to_string()).collect();
    let active = !undone.is_empty();
    let was_active = seen.as_ref().is_some_and(|seen| seen.active);
    let happened = undone_at_once || (!was_active && (active || done.again));
    if !happened {
        return seen.map(|seen| RevertedStatus { active, workloads: joined(&seen, undone), ..seen });
    }
    let recent = seen.filter(|seen| {
        let window = wait_after(seen.count) + SAME_FIGHT;
        seen.at.as_ref().is_some_and(|at| at.0 + window > now)
    });
    let count = recent.as_ref().map_or(1, |seen| seen.count.saturating_add(1));
    let workloads = joined(&recent.unwrap_or_default(), undone);
    Some(RevertedStatus { count, at: Some(Time(whole_seconds(now))), active, workloads })
}

/// The workloads of the series so far and those that were found now, at most [`MOST_NAMED`].
fn joined(seen: &RevertedStatus, undone: BTreeSet<String>) -> Vec<String> {
    let all: BTreeSet<String> = seen.workloads.iter().cloned().chain(undone).collect();
    all.into_iter().take(MOST_NAMED).collect()
}
