//! The limit on rollouts across all bindings.

use std::collections::{BTreeMap, HashMap};

use podidentity_cluster::index::IdentityKey;

/// Who uses how many of the operator-wide rollout slots, and who waits for one. Filled from what is observed, before the
/// first restart: so a fresh process finds the same.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: HashMap<IdentityKey, usize>,
    total: usize,
    /// In the order of asking.
    waiting: BTreeMap<u64, IdentityKey>,
    turns: HashMap<IdentityKey, u64>,
    next_turn: u64,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        let (used, turns) = (HashMap::new(), HashMap::new());
        Self { limit, used, total: 0, waiting: BTreeMap::new(), turns, next_turn: 0 }
    }

    /// How many rollouts the identity may have under way in all.
    pub(crate) fn allows(&self, key: &IdentityKey) -> usize {
        self.used.get(key).copied().unwrap_or_default() + self.free_for(key)
    }

    /// How many rollouts the identity may start beside those that it has under way. Those who wait come first.
    fn free_for(&self, key: &IdentityKey) -> usize {
        let free = self.limit.saturating_sub(self.total);
        // Ten thousand may wait: only as many are looked at as there are slots.
        let before = match self.turns.get(key) {
            Some(turn) => self.waiting.range(..turn).take(free).count(),
            None => self.waiting.len(),
        };
        free.saturating_sub(before)
    }

    /// How many rollouts are under way or about to be started.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Notes what the identity uses now and whether it wants more; returns who may go on because of it.
    pub(crate) fn note(&mut self, key: &IdentityKey, used: usize, wants_more: bool) -> Vec<IdentityKey> {
        if !wants_more {
            if let Some(turn) = self.turns.remove(key) {
                self.waiting.remove(&turn);
            }
        } else if !self.turns.contains_key(key) {
            self.turns.insert(key.clone(), self.next_turn);
            self.waiting.insert(self.next_turn, key.clone());
            self.next_turn += 1;
        }
        self.uses(key, used)
    }

    /// Notes what the identity uses now; returns who may go on because of it.
    pub(crate) fn uses(&mut self, key: &IdentityKey, used: usize) -> Vec<IdentityKey> {
        let before = if used == 0 { self.used.remove(key) } else { self.used.insert(key.clone(), used) };
        self.total = self.total + used - before.unwrap_or(0);
        let free = self.limit.saturating_sub(self.total);
        self.waiting.values().filter(|waiting| *waiting != key).take(free).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> IdentityKey {
        IdentityKey { namespace: "default".into(), service_account: name.into() }
    }

    #[test]
    fn slots_are_given_in_the_order_of_asking() {
        let mut budget = Budget::new(2);
        assert_eq!(budget.free_for(&key("a")), 2);
        assert_eq!(budget.note(&key("a"), 2, true), []);
        assert_eq!(budget.free_for(&key("b")), 0);
        assert_eq!(budget.note(&key("b"), 0, true), []);
        // One of a's two is done: a waits since before b, so the slot is a's.
        assert_eq!(budget.note(&key("a"), 1, true), [key("b")]);
        assert_eq!(budget.free_for(&key("a")), 1);
        assert_eq!(budget.free_for(&key("b")), 0);
        // a needs no more: b may go on.
        assert_eq!(budget.note(&key("a"), 0, false), [key("b")]);
        assert_eq!(budget.free_for(&key("b")), 2);
    }

    #[test]
    fn a_slot_whose_restart_was_refused_is_free_and_those_that_are_refused_do_not_wake_each_other() {
        let mut budget = Budget::new(1);
        assert_eq!(budget.note(&key("a"), 1, true), []);
        assert_eq!(budget.note(&key("b"), 0, true), []);
        // a's restart is refused.
        assert_eq!(budget.note(&key("a"), 0, false), [key("b")]);
        assert_eq!(budget.note(&key("b"), 1, true), []);
        // So is b's.
        assert_eq!(budget.note(&key("b"), 0, false), []);
    }

    #[test]
    fn what_is_found_under_way_counts_before_anybody_has_asked() {
        let mut budget = Budget::new(2);
        assert_eq!(budget.uses(&key("a"), 2), []);
        assert_eq!(budget.free_for(&key("b")), 0);
        assert_eq!(budget.note(&key("b"), 0, true), []);
        // When the lead comes back it is looked at once more, and who waits still does.
        assert_eq!(budget.uses(&key("a"), 0), [key("b")]);
        assert_eq!(budget.free_for(&key("b")), 2);
    }
}
