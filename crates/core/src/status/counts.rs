//! The counters of a status.

use crate::assess::Case;
use crate::rollout::{Phase, WorkloadVerdict};

/// Numbers of workloads and pods that the operator restarts, or only verifies. The fields
/// `excluded*` and `pods_excluded*` count those that the binding's selector excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) workloads: i32,
    pub(crate) workloads_current: i32,
    pub(crate) pods: i32,
    pub(crate) pods_verified: i32,
    /// Workloads that the selector excludes.
    pub(crate) excluded: i32,
    /// Pods of the excluded workloads.
    pub(crate) pods_excluded: i32,
    /// Pods of the excluded workloads that have the identity.
    pub(crate) pods_excluded_verified: i32,
}

impl Counts {
    pub(super) fn of(case: &Case) -> Self {
        let (excluded, counted): (Vec<&WorkloadVerdict>, Vec<_>) =
            case.workloads.iter().partition(|verdict| verdict.phase == Phase::Excluded);
        let pods = || counted.iter().flat_map(|it| &it.pods).chain(case.unmanaged.values().flatten());
        let left_out = || excluded.iter().flat_map(|it| &it.pods);
        Self {
            workloads: count(counted.iter()),
            workloads_current: count(counted.iter().filter(|it| it.is_current())),
            pods: count(pods()),
            pods_verified: count(pods().filter(|judged| judged.verdict.is_verified())),
            excluded: count(excluded.iter()),
            pods_excluded: count(left_out()),
            pods_excluded_verified: count(left_out().filter(|judged| judged.verdict.is_verified())),
        }
    }

    /// Whether there are workloads, and the selector excludes them all.
    pub(super) fn selects_nothing(&self) -> bool {
        self.workloads == 0 && self.excluded > 0
    }
}

/// The number of items, at most [`i32::MAX`].
pub(super) fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap_or(i32::MAX)
}
