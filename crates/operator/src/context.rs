//! What all reconciles share, and what is remembered between two of one identity. Losing it costs time, never truth.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use podidentity_cluster::act::Acted;
use podidentity_cluster::clock;
use podidentity_cluster::index::{IdentityKey, Index};
use podidentity_cluster::news::Announcer;
use podidentity_cluster::preflight::Preflights;
use podidentity_cluster::queue::Sender;
use podidentity_core::assess::{Assessment, Case};
use podidentity_core::objects::WorkloadId;
use podidentity_core::outcome::{Outcome, ProblemKind};
use podidentity_core::plan::{Plan, plan};
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::step::Step;
use tokio::time::Instant;
use tracing::info;

use crate::args::{Args, DryRun};
use crate::budget::Budget;
use crate::metrics::Metrics;

/// Counts of coming and going pods are written once they have differed for so long: a pod that comes and goes meanwhile
/// costs nothing.
const COUNTS_AFTER: Duration = Duration::from_secs(2);

pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) index: Index,
    pub(crate) announcer: Announcer,
    pub(crate) metrics: Metrics,
    pub(crate) preflights: Preflights,
    config: Arc<Config>,
    dry_run: DryRun,
    sender: Sender<IdentityKey>,
    budget: Mutex<Budget>,
    memory: Mutex<HashMap<IdentityKey, Memory>>,
}

#[derive(Clone, Debug, Default)]
struct Memory {
    /// Failures in a row.
    failures: u32,
    /// Since when the stored status differs by counts only.
    counts_differ_since: Option<Instant>,
    /// Workloads that were in a restart of ours.
    in_flight: BTreeSet<WorkloadId>,
    /// What a dry run has shown last.
    shown: Vec<Step>,
    /// What had been done to an annotation that was restored, if writing the status failed and may have to be told still.
    /// That it was restored, and whether that was told, is seen from the service account and the status.
    untold: Option<String>,
}

/// What was decided, and on what grounds.
pub(crate) struct Decision {
    pub(crate) snapshot: Snapshot,
    pub(crate) assessment: Assessment,
    pub(crate) plan: Plan,
}

impl Context {
    pub(crate) fn new(
        client: Client,
        index: Index,
        sender: Sender<IdentityKey>,
        metrics: Metrics,
        announcer: Announcer,
        preflights: Preflights,
        args: &Args,
        issuer: Option<String>,
    ) -> Self {
        Self {
            announcer,
            client,
            index,
            metrics,
            preflights,
            config: Arc::new(Config {
                settings: args.injection.settings(),
                issuer,
                require_grants: args.require_grants,
                preflight: args.preflight.policy(),
                proceed_unasked: args.preflight.proceeds(),
            }),
            dry_run: args.dry_run,
            sender,
            budget: Mutex::new(Budget::new(args.max_concurrent_rollouts)),
            memory: Mutex::default(),
        }
    }

    /// Decides what to do about an identity; `None` if no binding names it any more.
    pub(crate) fn decide(&self, key: &IdentityKey) -> Option<Decision> {
        // Judging reads what tenants wrote: no other identity waits for it. Only the slots are everybody's.
        let judged = self.index.snapshot(key, &self.config, clock::now()).map(|snapshot| {
            let assessment = Assessment::of(&snapshot);
            (snapshot, assessment)
        });
        let mut budget = lock(&self.budget);
        let Some((mut snapshot, assessment)) = judged else {
            self.wake(budget.note(key, 0, false));
            self.metrics.rollouts_in_flight(budget.total());
            lock(&self.memory).remove(key);
            return None;
        };
        // While one identity plans, no other can take the same slots.
        snapshot.rollout_slots = budget.allows(key);
        let plan = plan(&snapshot, &assessment);
        self.wake(budget.note(key, plan.places(), plan.wants_slots));
        self.metrics.rollouts_in_flight(budget.total());
        drop(budget);
        if let Some(case) = &assessment.owner {
            self.count_ended_rollouts(key, case);
        }
        Some(Decision { snapshot, assessment, plan })
    }

    /// Notes the restarts that are under way everywhere. Before the first decision: those that another process has begun
    /// count as well.
    pub(crate) async fn survey(&self) {
        for key in self.index.bound() {
            if let Some(snapshot) = self.index.snapshot(&key, &self.config, clock::now()) {
                let in_flight = plan(&snapshot, &Assessment::of(&snapshot)).in_flight;
                self.wake(lock(&self.budget).uses(&key, in_flight));
            }
            // Ten thousand take half a second.
            tokio::task::yield_now().await;
        }
    }

    fn count_ended_rollouts(&self, key: &IdentityKey, case: &Case) {
        let in_flight = case.workloads.iter().filter(|it| it.under_way).map(|it| it.workload.id()).collect();
        let mut memory = lock(&self.memory);
        let before = match memory.get_mut(key) {
            Some(memory) => std::mem::replace(&mut memory.in_flight, in_flight),
            None if in_flight.is_empty() => return,
            None => {
                memory.entry(key.clone()).or_default().in_flight = in_flight;
                return;
            }
        };
        drop(memory);
        for workload in case.workloads.iter().filter(|it| !it.under_way && before.contains(&it.workload.id())) {
            if workload.failed() || workload.is_current() {
                self.metrics.rollout_ended(!workload.failed());
            }
        }
    }

    /// In a dry run, what becomes of a plan: it is logged, each time that it has changed, and withheld.
    pub(crate) fn only_shown(&self, key: &IdentityKey, plan: &Plan) -> Option<Acted> {
        if self.dry_run == DryRun::Off {
            return None;
        }
        let shown: Vec<Step> = plan.shown().cloned().collect();
        let before = match lock(&self.memory).entry(key.clone()).or_default() {
            memory if memory.shown == shown => None,
            memory => Some(std::mem::replace(&mut memory.shown, shown.clone())),
        };
        if before.is_some() {
            for step in &shown {
                info!(namespace = key.namespace, %step, "would be done");
            }
        }
        Some(Acted { withheld: shown, ..Acted::default() })
    }

    /// Whether statuses and events are written.
    pub(crate) fn reports(&self) -> bool {
        self.dry_run != DryRun::Silent
    }

    /// Counts what was done of a plan.
    pub(crate) fn acted(&self, key: &IdentityKey, plan: &Plan, outcome: &Outcome) {
        self.metrics.acted(outcome);
        let rolled = outcome.rolled();
        let only_shown = !outcome.withheld.is_empty();
        if rolled.len() < plan.rolls() || only_shown {
            // What was refused or only shown takes no slot from others. It does not wait for one either: two that are refused
            // would wake each other without end. It is tried again in a while.
            let mut budget = lock(&self.budget);
            let intents = if only_shown { 0 } else { plan.intents.len() };
            self.wake(budget.note(key, plan.in_flight + rolled.len() + intents, false));
            self.metrics.rollouts_in_flight(budget.total());
        }
        if !rolled.is_empty() {
            lock(&self.memory).entry(key.clone()).or_default().in_flight.extend(rolled.into_iter().cloned());
        }
    }

    /// What is still to be told about a restoration, once.
    pub(crate) fn untold_restoration(&self, key: &IdentityKey) -> Option<String> {
        lock(&self.memory).get_mut(key)?.untold.take()
    }

    /// Remembers what was to be told about a restoration in a status that could not be written.
    pub(crate) fn keep_untold(&self, key: &IdentityKey, restored: Option<String>) {
        if restored.is_some() {
            lock(&self.memory).entry(key.clone()).or_default().untold = restored;
        }
    }

    /// Counts a failure and says how long to wait before the next try.
    pub(crate) fn failed(&self, key: &IdentityKey, kind: ProblemKind) -> Duration {
        self.metrics.failed(kind);
        let mut memory = lock(&self.memory);
        let memory = memory.entry(key.clone()).or_default();
        memory.failures = memory.failures.saturating_add(1);
        let (first, most) = match kind {
            ProblemKind::Stale => (200, 10_000),
            ProblemKind::Failed => (500, 60_000),
            ProblemKind::Refused | ProblemKind::Conflict | ProblemKind::Rewritten => (5_000, 300_000),
        };
        let doublings = (memory.failures - 1).min(16);
        Duration::from_millis((first << doublings).min(most))
    }

    pub(crate) fn failures(&self, key: &IdentityKey) -> u32 {
        lock(&self.memory).get(key).map_or(0, |memory| memory.failures)
    }

    pub(crate) fn succeeded(&self, key: &IdentityKey) {
        if let Some(memory) = lock(&self.memory).get_mut(key) {
            memory.failures = 0;
        }
    }

    /// Until when a status that differs by counts only has to wait.
    pub(crate) fn may_report_counts_at(&self, key: &IdentityKey) -> Option<Instant> {
        let now = Instant::now();
        let mut memory = lock(&self.memory);
        let since = memory.entry(key.clone()).or_default().counts_differ_since.get_or_insert(now);
        let at = *since + COUNTS_AFTER;
        (at > now).then_some(at)
    }

    /// The stored status is as it should be.
    pub(crate) fn reported(&self, key: &IdentityKey) {
        if let Some(memory) = lock(&self.memory).get_mut(key) {
            memory.counts_differ_since = None;
        }
    }

    fn wake(&self, keys: Vec<IdentityKey>) {
        for key in keys {
            self.sender.now(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held leaves counters that the next reconcile sets right.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
