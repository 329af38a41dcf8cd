//! The limit on restarts across all bindings, and each namespace's share of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use podidentity_cluster::index::IdentityKey;
use podidentity_cluster::queue::Sender;
use podidentity_core::plan::Plan;

use crate::metrics::Metrics;

/// The limit, shared by all reconciles. It wakes the identities whose turn has come.
pub(crate) struct SharedRolloutLimit {
    limit: Mutex<RolloutLimit>,
    queue: Sender<IdentityKey>,
    metrics: Metrics,
}

impl SharedRolloutLimit {
    pub(crate) fn new(limit: usize, queue: Sender<IdentityKey>, metrics: Metrics) -> Self {
        Self { limit: Mutex::new(RolloutLimit::new(limit)), queue, metrics }
    }

    /// Plans with the slots that the identity may use, and takes those that the plan uses. While
    /// one identity plans, no other can take the same slots.
    pub(crate) fn plan(&self, key: &IdentityKey, plan: impl FnOnce(usize) -> Plan) -> Plan {
        let mut limit = self.lock();
        let plan = plan(limit.allows(key));
        let awakened = limit.note(key, plan.slots(), plan.wants_slots);
        self.changed(&limit, awakened);
        plan
    }

    /// Sets how many slots the identity uses. The identity no longer waits for a slot.
    pub(crate) fn set(&self, key: &IdentityKey, used: usize) {
        let mut limit = self.lock();
        let awakened = limit.note(key, used, false);
        self.changed(&limit, awakened);
    }

    /// Sets how many slots the restarts in flight use. An identity that waits for a slot keeps
    /// waiting.
    pub(crate) fn observe(&self, key: &IdentityKey, in_flight: usize) {
        let awakened = self.lock().uses(key, in_flight);
        self.wake(awakened);
    }

    fn changed(&self, limit: &RolloutLimit, awakened: Vec<IdentityKey>) {
        self.wake(awakened);
        self.metrics.rollouts_in_flight(limit.total());
    }

    fn wake(&self, keys: Vec<IdentityKey>) {
        for key in keys {
            self.queue.now(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, RolloutLimit> {
        // A panic while the lock was held leaves counters that the next reconcile corrects.
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The restart slots that each identity uses, and the identities that wait for a slot. A new
/// process fills it from observed state before its first restart, so it finds the same
/// values.
///
/// A namespace may use three quarters of the slots that the others leave, so neither one namespace
/// nor several take all of them.
#[derive(Debug)]
pub(crate) struct RolloutLimit {
    limit: usize,
    used: HashMap<IdentityKey, usize>,
    used_by_namespace: HashMap<String, usize>,
    total: usize,
    /// Waiting identities by namespace, in the order of their requests.
    waiting: BTreeMap<String, BTreeMap<u64, IdentityKey>>,
    turns: HashMap<IdentityKey, u64>,
    next_turn: u64,
}

impl RolloutLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: HashMap::new(),
            used_by_namespace: HashMap::new(),
            total: 0,
            waiting: BTreeMap::new(),
            turns: HashMap::new(),
            next_turn: 0,
        }
    }

    /// How many restarts the identity may have in flight in total.
    pub(crate) fn allows(&self, key: &IdentityKey) -> usize {
        self.used.get(key).copied().unwrap_or_default() + self.free_for(key)
    }

    /// How many restarts the identity may start in addition to those in flight. Identities that
    /// have waited longer come first, as far as their namespaces have slots left.
    fn free_for(&self, key: &IdentityKey) -> usize {
        let turn = self.turns.get(key).copied().unwrap_or(self.next_turn);
        let before = |namespace: &String, most: usize| {
            let queue = self.waiting.get(namespace).into_iter().flat_map(|queue| queue.range(..turn));
            queue.take(most).count()
        };
        let of_others = self.waiting.keys().filter(|namespace| **namespace != key.namespace);
        let of_others: usize = of_others.map(|namespace| before(namespace, self.left_for(namespace))).sum();
        let left = self.left_for(&key.namespace);
        let free = self.limit.saturating_sub(self.total).saturating_sub(of_others).min(left);
        free.saturating_sub(before(&key.namespace, free))
    }

    /// How many more slots the namespace may use.
    fn left_for(&self, namespace: &str) -> usize {
        let used = self.used_by_namespace.get(namespace).copied().unwrap_or_default();
        let others = self.total - used;
        let share = (self.limit.saturating_sub(others) * 3).div_ceil(4);
        share.saturating_sub(used).min(self.limit.saturating_sub(self.total))
    }

    /// How many restarts are in flight or about to start.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Notes how many slots the identity uses now and whether it wants more; returns the identities
    /// whose turn has come.
    pub(crate) fn note(&mut self, key: &IdentityKey, used: usize, wants_more: bool) -> Vec<IdentityKey> {
        if !wants_more {
            self.leave(key);
        } else if !self.turns.contains_key(key) {
            self.turns.insert(key.clone(), self.next_turn);
            self.waiting.entry(key.namespace.clone()).or_default().insert(self.next_turn, key.clone());
            self.next_turn += 1;
        }
        self.uses(key, used)
    }

    fn leave(&mut self, key: &IdentityKey) {
        let Some(turn) = self.turns.remove(key) else { return };
        if let Some(queue) = self.waiting.get_mut(&key.namespace) {
            queue.remove(&turn);
            if queue.is_empty() {
                self.waiting.remove(&key.namespace);
            }
        }
    }

    /// Notes how many slots the identity uses now; returns the identities whose turn has come.
    pub(crate) fn uses(&mut self, key: &IdentityKey, used: usize) -> Vec<IdentityKey> {
        let before = if used == 0 { self.used.remove(key) } else { self.used.insert(key.clone(), used) };
        let before = before.unwrap_or(0);
        self.total = self.total + used - before;
        let of_namespace = self.used_by_namespace.entry(key.namespace.clone()).or_default();
        *of_namespace = *of_namespace + used - before;
        if *of_namespace == 0 {
            self.used_by_namespace.remove(&key.namespace);
        }
        self.may_go_on(key)
    }

    /// The waiting identities that have a slot now, by turn.
    fn may_go_on(&self, key: &IdentityKey) -> Vec<IdentityKey> {
        let free = self.limit.saturating_sub(self.total);
        let mut next: Vec<(&u64, &IdentityKey)> = Vec::new();
        for (namespace, queue) in &self.waiting {
            let others = queue.iter().filter(|(_, waiting)| *waiting != key);
            next.extend(others.take(self.left_for(namespace)));
        }
        next.sort_unstable_by_key(|(turn, _)| **turn);
        next.into_iter().take(free).map(|(_, waiting)| waiting.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> IdentityKey {
        IdentityKey { namespace: "default".into(), service_account: name.into() }
    }

    /// Judging reads what tenants wrote. Nothing in the reconcile may do it while it holds the lock
    /// of the limit, on which all others wait.
    #[test]
    fn nothing_is_judged_under_the_lock() {
        let text = include_str!("reconcile.rs");
        let (_, locked) = text.split_once("self.rollout_limit.plan(key, |slots| {").unwrap();
        let (locked, _) = locked.split_once("});").unwrap();
        assert_eq!(text.matches("rollout_limit.plan(").count(), 1);
        assert!(!locked.contains("Assessment::of"), "{locked}");
    }

    #[test]
    fn slots_are_given_in_the_order_of_asking() {
        let mut limit = RolloutLimit::new(2);
        assert_eq!(limit.free_for(&key("a")), 2);
        assert_eq!(limit.note(&key("a"), 2, true), []);
        assert_eq!(limit.free_for(&key("b")), 0);
        assert_eq!(limit.note(&key("b"), 0, true), []);
        // One of a's two restarts has ended. a has waited longer than b, so the slot is a's.
        assert_eq!(limit.note(&key("a"), 1, true), [key("b")]);
        assert_eq!(limit.free_for(&key("a")), 1);
        assert_eq!(limit.free_for(&key("b")), 0);
        // a needs no more: b may go on.
        assert_eq!(limit.note(&key("a"), 0, false), [key("b")]);
        assert_eq!(limit.free_for(&key("b")), 2);
    }

    #[test]
    fn a_slot_whose_restart_was_refused_is_free_and_those_that_are_refused_do_not_wake_each_other() {
        let mut limit = RolloutLimit::new(1);
        assert_eq!(limit.note(&key("a"), 1, true), []);
        assert_eq!(limit.note(&key("b"), 0, true), []);
        // a's restart is refused.
        assert_eq!(limit.note(&key("a"), 0, false), [key("b")]);
        assert_eq!(limit.note(&key("b"), 1, true), []);
        // So is b's.
        assert_eq!(limit.note(&key("b"), 0, false), []);
    }

    #[test]
    fn what_is_found_under_way_counts_before_anybody_has_asked() {
        let mut limit = RolloutLimit::new(2);
        assert_eq!(limit.uses(&key("a"), 2), []);
        assert_eq!(limit.free_for(&key("b")), 0);
        assert_eq!(limit.note(&key("b"), 0, true), []);
        // When this replica leads again, it observes a once more, and b still waits.
        assert_eq!(limit.uses(&key("a"), 0), [key("b")]);
        assert_eq!(limit.free_for(&key("b")), 2);
    }

    /// A namespace with a thousand restarts that never end leaves slots to the other namespaces.
    #[test]
    fn one_namespace_does_not_take_all() {
        let of =
            |namespace: &str, n: usize| IdentityKey { namespace: namespace.into(), service_account: n.to_string() };
        let mut limit = RolloutLimit::new(10);
        for n in 0..1000 {
            let free = limit.allows(&of("mallory", n)).min(1);
            limit.note(&of("mallory", n), free, free == 0);
        }
        assert_eq!(limit.total(), 8);
        assert_eq!(limit.allows(&of("alice", 0)), 2);
        assert_eq!(limit.note(&of("alice", 0), 1, false), []);
        assert_eq!(limit.allows(&of("bob", 0)), 1);
        // When one of mallory's restarts ends, its share is still used up. When alice's ends,
        // mallory gets a slot.
        assert_eq!(limit.note(&of("mallory", 0), 0, false), []);
        assert_eq!(limit.note(&of("alice", 0), 0, false), [of("mallory", 8)]);
    }
}
