//! What the counters of a status count.

use crate::assess::Case;
use crate::rollout::{Phase, WorkloadVerdict};

/// Workloads and pods that are subject to restarts, or to nothing but verification, without those that the binding's selector
/// leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) workloads: i32,
    pub(crate) workloads_current: i32,
    pub(crate) pods: i32,
    pub(crate) pods_verified: i32,
    /// Workloads that the selector leaves out.
    pub(crate) excluded: i32,
    /// Their pods.
    pub(crate) pods_excluded: i32,
    /// Those of them that have the identity.
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
}

/// How many there are.
pub(super) fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap_or(i32::MAX)
}
