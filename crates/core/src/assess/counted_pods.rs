//! The pods that count: live pods, grouped by workload. Pods that have finished or are being
//! deleted do not count ([`Pod::is_live`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::objects::{ControllerRef, Pod, WorkloadId};
use crate::snapshot::Snapshot;

/// Live pods by their workload in the snapshot, and all other live pods by controller.
#[derive(Default)]
pub(super) struct PodsByOwner {
    pub(super) by_workload: BTreeMap<WorkloadId, OwnedPods>,
    pub(super) unmanaged: BTreeMap<Option<ControllerRef>, Vec<Arc<Pod>>>,
}

/// The pods of a workload.
#[derive(Default)]
pub(super) struct OwnedPods {
    pub(super) live: Vec<Arc<Pod>>,
    /// Pods that are being deleted and have not ended.
    pub(super) terminating: usize,
}

impl PodsByOwner {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let ids: BTreeMap<(&str, String), WorkloadId> = snapshot
            .workloads
            .iter()
            .map(|workload| workload.id())
            .map(|id| ((id.kind.as_str(), id.name.clone()), id))
            .collect();
        let mut pods = Self::default();
        for pod in &snapshot.pods {
            let controller = pod.controller();
            let owner = controller.filter(|owner| !owner.direct);
            let id = owner.and_then(|owner| ids.get(&(owner.kind.as_str(), owner.name.clone())));
            match id {
                Some(id) if pod.is_live() => {
                    pods.by_workload.entry(id.clone()).or_default().live.push(Arc::clone(pod));
                }
                Some(id) if pod.is_terminating() => pods.by_workload.entry(id.clone()).or_default().terminating += 1,
                None if pod.is_live() => {
                    pods.unmanaged.entry(controller.cloned()).or_default().push(Arc::clone(pod));
                }
                Some(_) | None => {}
            }
        }
        pods
    }
}
