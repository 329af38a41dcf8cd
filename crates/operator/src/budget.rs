//! The limit on rollouts across all bindings.

use std::collections::{HashMap, VecDeque};

use podidentity_cluster::index::IdentityKey;

/// Who uses how many of the operator-wide rollout slots, and who waits for one. Filled from what is observed, so a
/// restart of the operator finds the same.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: HashMap<IdentityKey, usize>,
    total: usize,
    waiting: VecDeque<IdentityKey>,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: HashMap::new(), total: 0, waiting: VecDeque::new() }
    }

    /// How many rollouts the identity may start beside those that it has under way. Those who wait come first.
    pub(crate) fn free_for(&self, key: &IdentityKey) -> usize {
        let free = self.limit.saturating_sub(self.total);
        match self.waiting.iter().position(|waiting| waiting == key) {
            Some(place) => free.saturating_sub(place),
            None => free.saturating_sub(self.waiting.len()),
        }
    }

    /// How many rollouts are under way or about to be started.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Notes what the identity uses now and whether it wants more; returns who may go on because of it.
    pub(crate) fn note(&mut self, key: &IdentityKey, used: usize, wants_more: bool) -> Vec<IdentityKey> {
        let before = if used == 0 { self.used.remove(key) } else { self.used.insert(key.clone(), used) };
        self.total = self.total + used - before.unwrap_or(0);
        let place = self.waiting.iter().position(|waiting| waiting == key);
        match (place, wants_more) {
            (Some(place), false) => {
                self.waiting.remove(place);
            }
            (None, true) => self.waiting.push_back(key.clone()),
            _ => {}
        }
        let free = self.limit.saturating_sub(self.total);
        self.waiting.iter().filter(|waiting| *waiting != key).take(free).cloned().collect()
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
}
