//! What the operator remembers about one identity between two reconciles. Losing it costs time,
//! never correctness.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use podidentity_cluster::index::IdentityKey;
use podidentity_core::assess::Case;
use podidentity_core::objects::WorkloadId;
use podidentity_core::rollout::{Wait, WorkloadVerdict};
use podidentity_core::step::Step;
use tokio::time::Instant;

use crate::backoff::Backoff;

/// How long only pod counts must differ before the status is written: a pod that comes and goes
/// within this time costs no write.
const COUNTS_AFTER: Duration = Duration::from_secs(2);

/// The memory of one identity. A reconcile takes it out, changes it, and puts it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Consecutive failures.
    pub(crate) backoff: Backoff,
    /// What another manager had done to an annotation that the operator restored, if the status
    /// write failed and may not have reported it. The service account shows the restoration, and
    /// the status shows whether it was reported.
    pub(crate) unreported_restoration: Option<String>,
    /// When the stored status began to differ by counts only.
    counts_differ_since: Option<Instant>,
    /// Workloads whose restart was in flight.
    in_flight: BTreeSet<WorkloadId>,
    /// The steps that a dry run logged last.
    withheld: Vec<Step>,
}

/// How a restart ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RolloutEnd {
    Completed,
    Failed,
}

impl Memory {
    /// Records the restarts in flight, and returns how those ended that are no longer in flight.
    pub(crate) fn ended_rollouts(&mut self, case: &Case) -> Vec<RolloutEnd> {
        let in_flight = case.workloads.iter().filter(|it| it.under_way).map(|it| it.workload.id()).collect();
        let before = std::mem::replace(&mut self.in_flight, in_flight);
        let ended = case.workloads.iter().filter(|it| !it.under_way && before.contains(&it.workload.id()));
        let end = |failed| if failed { RolloutEnd::Failed } else { RolloutEnd::Completed };
        // Old pods of a promoted Rollout go by themselves.
        let is_done = |it: &&WorkloadVerdict| it.failed() || it.is_current() || it.wait() == Some(Wait::Leaving);
        ended.filter(is_done).map(|it| end(it.failed())).collect()
    }

    /// Remembers restarts that were begun.
    pub(crate) fn restarted(&mut self, workloads: impl IntoIterator<Item = WorkloadId>) {
        self.in_flight.extend(workloads);
    }

    /// Remembers the steps that a dry run withholds. Returns whether they have changed.
    pub(crate) fn withholds(&mut self, steps: &[Step]) -> bool {
        let changed = self.withheld != steps;
        if changed {
            self.withheld = steps.to_vec();
        }
        changed
    }

    /// When a status that differs by counts only may be written; `None`: now.
    pub(crate) fn counts_wait_until(&mut self, now: Instant) -> Option<Instant> {
        let at = *self.counts_differ_since.get_or_insert(now) + COUNTS_AFTER;
        (at > now).then_some(at)
    }

    /// Records that the stored status is up to date.
    pub(crate) fn status_is_current(&mut self) {
        self.counts_differ_since = None;
    }
}

/// The memories of all identities.
#[derive(Debug, Default)]
pub(crate) struct Memories(Mutex<HashMap<IdentityKey, Memory>>);

impl Memories {
    /// Takes out the memory of an identity. The queue runs at most one reconcile per identity, so
    /// no other task looks for it.
    pub(crate) fn take(&self, key: &IdentityKey) -> Memory {
        self.lock().remove(key).unwrap_or_default()
    }

    /// Puts the memory back, unless it is empty.
    pub(crate) fn put(&self, key: IdentityKey, memory: Memory) {
        if memory != Memory::default() {
            self.lock().insert(key, memory);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityKey, Memory>> {
        // No code panics while it holds the lock, and a panic would still leave a valid map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use podidentity_core::objects::WorkloadKind;
    use podidentity_core::outcome::ProblemKind;

    use super::*;

    fn step(name: &str) -> Step {
        let target = podidentity_core::step::Target {
            name: name.to_owned(),
            uid: String::new(),
            resource_version: String::new(),
        };
        Step::SetFinalizer { binding: target, present: true }
    }

    #[test]
    fn what_is_taken_out_is_gone_until_it_is_put_back_and_nothing_is_kept_for_nothing() {
        let memories = Memories::default();
        let key = IdentityKey { namespace: "shop".to_owned(), service_account: "app".to_owned() };
        let mut memory = memories.take(&key);
        memory.backoff.failed(ProblemKind::Failed);
        memories.put(key.clone(), memory.clone());
        assert_eq!(memories.take(&key), memory);
        assert_eq!(memories.take(&key), Memory::default());
        memories.put(key, Memory::default());
        assert!(memories.lock().is_empty());
    }

    #[test]
    fn a_dry_run_logs_steps_when_they_change() {
        let mut memory = Memory::default();
        assert!(!memory.withholds(&[]));
        assert!(memory.withholds(&[step("a")]));
        assert!(!memory.withholds(&[step("a")]));
        assert!(memory.withholds(&[step("b")]));
        assert!(memory.withholds(&[]));
    }

    #[test]
    fn counts_wait_a_moment_after_they_have_begun_to_differ() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        assert_eq!(memory.counts_wait_until(now), Some(now + COUNTS_AFTER));
        assert_eq!(memory.counts_wait_until(now + COUNTS_AFTER / 2), Some(now + COUNTS_AFTER));
        assert_eq!(memory.counts_wait_until(now + COUNTS_AFTER), None);
        memory.status_is_current();
        assert_eq!(memory.counts_wait_until(now + COUNTS_AFTER), Some(now + COUNTS_AFTER * 2));
    }

    #[test]
    fn a_restart_that_was_begun_is_in_flight() {
        let mut memory = Memory::default();
        memory.restarted([WorkloadId { kind: WorkloadKind::Deployment, name: "web".to_owned() }]);
        assert_ne!(memory, Memory::default());
    }
}
