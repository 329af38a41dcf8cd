//! The list of workloads in a status.

use podidentity_api::{WorkloadState, WorkloadStatus};

use super::LIST_LIMIT;
use super::counts::count;
use crate::assess::Case;
use crate::objects::ControllerRef;
use crate::rollout::Shortage;
use crate::verify::JudgedPod;

/// Those that a status lists, failing ones first, and how many it leaves out.
pub(super) fn listed(case: &Case) -> (Vec<WorkloadStatus>, i32) {
    let managed = case.workloads.iter().map(|verdict| {
        let id = verdict.workload.id();
        let message = verdict.message().map(str::to_owned).or_else(|| verdict.shortage.as_ref().and_then(missing));
        entry(id.kind.as_str(), &id.name, verdict.state(), message, &verdict.pods)
    });
    let unmanaged = case.unmanaged.iter().flat_map(|(owner, pods)| unmanaged_entries(owner.as_ref(), pods));
    let mut all: Vec<_> = managed.chain(unmanaged).collect();
    all.sort_by(|a, b| (a.state, &a.kind, &a.name).cmp(&(b.state, &b.kind, &b.name)));
    let truncated = count(all.iter().skip(LIST_LIMIT));
    all.truncate(LIST_LIMIT);
    (all, truncated)
}

/// Why pods are missing, where its controller says so.
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
