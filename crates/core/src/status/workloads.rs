//! The list of workloads in a status.

use jiff::Timestamp;
use podidentity_api::{WorkloadState, WorkloadStatus};

use super::LIST_LIMIT;
use super::counts::count;
use crate::assess::Case;
use crate::message::Message;
use crate::objects::ControllerRef;
use crate::rollout::{Phase, Shortage, WorkloadVerdict};
use crate::schedule::Waits;
use crate::verify::JudgedPod;

/// The workloads that a status lists, failing ones first, and the number of those that it omits.
pub(super) fn listed(case: &Case, now: Timestamp) -> (Vec<WorkloadStatus>, i32) {
    let managed = case.workloads.iter().map(|verdict| {
        let id = verdict.workload.id();
        let message = verdict.message().map(Message::to_string).or_else(|| verdict.shortage.as_ref().and_then(missing));
        entry(id.kind.as_str(), &id.name, state(case, verdict, now), message, &verdict.pods)
    });
    let unmanaged = case.unmanaged.iter().flat_map(|(owner, pods)| unmanaged_entries(owner.as_ref(), pods));
    let mut all: Vec<_> = managed.chain(unmanaged).collect();
    all.sort_by(|a, b| (a.state, &a.kind, &a.name).cmp(&(b.state, &b.kind, &b.name)));
    let truncated = count(all.iter().skip(LIST_LIMIT));
    all.truncate(LIST_LIMIT);
    (all, truncated)
}

/// The state of a workload. A workload whose recorded restart is due counts as rolling if it is
/// among the next ones, and as pending otherwise.
pub(super) fn state(case: &Case, verdict: &WorkloadVerdict, now: Timestamp) -> WorkloadState {
    match verdict.phase {
        Phase::Due { recorded: true, .. } if !next(case, now).any(|it| std::ptr::eq(it, verdict)) => {
            WorkloadState::Pending
        }
        _ => verdict.state(),
    }
}

/// The workloads that are restarted next, whatever the operator-wide limit has left. Other due
/// workloads wait for restarts that are under way, even paused ones, or for injection.
pub(super) fn next(case: &Case, now: Timestamp) -> impl Iterator<Item = &WorkloadVerdict> {
    case.schedule(usize::MAX, now).starts.into_iter().map(|start| start.verdict)
}

/// What the next restart waits for, if it waits for a window or the interval.
pub(super) fn waits(case: &Case, now: Timestamp) -> Option<Waits<'_>> {
    case.schedule(usize::MAX, now).waits
}

/// Why pods are missing, if the controller reports it.
fn missing(shortage: &Shortage) -> Option<String> {
    shortage.failure.as_ref().map(|failure| format!("its pods cannot be created: {failure}"))
}

fn unmanaged_entries(owner: Option<&ControllerRef>, pods: &[JudgedPod]) -> Vec<WorkloadStatus> {
    let unmanaged = WorkloadState::Unmanaged;
    match owner {
        Some(owner) => vec![entry(&owner.kind, &owner.name, unmanaged, None, pods)],
        None => {
            pods.iter().map(|pod| entry("Pod", pod.pod.name(), unmanaged, None, std::slice::from_ref(pod))).collect()
        }
    }
}

fn entry(kind: &str, name: &str, state: WorkloadState, message: Option<String>, pods: &[JudgedPod]) -> WorkloadStatus {
    WorkloadStatus {
        kind: kind.to_owned(),
        name: name.to_owned(),
        state,
        message,
        pods_verified: count(pods.iter().filter(|judged| judged.verdict.is_verified())),
        pods_total: count(pods.iter()),
    }
}
