//! Keys that are due and wait for their turn. The groups take turns, so that a group with thousands
//! of keys does not delay a group with one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// A key that belongs to a group; the groups take turns.
pub trait Fair {
    /// The group of the key, such as its namespace.
    fn group(&self) -> &str;
}

/// Each string is a group of its own.
impl Fair for &str {
    fn group(&self) -> &str {
        self
    }
}

/// Waiting keys, each once; first in, first out within a group.
#[derive(Debug)]
pub(crate) struct Ready<K> {
    /// No group is empty.
    groups: HashMap<String, VecDeque<K>>,
    /// The groups in the order of their turns.
    turns: VecDeque<String>,
    keys: HashSet<K>,
}

impl<K> Default for Ready<K> {
    fn default() -> Self {
        Self { groups: HashMap::new(), turns: VecDeque::new(), keys: HashSet::new() }
    }
}

impl<K: Fair + Clone + Eq + Hash> Ready<K> {
    /// Adds a key, unless it waits already.
    pub(crate) fn push(&mut self, key: K) {
        if !self.keys.insert(key.clone()) {
            return;
        }
        let group = key.group();
        if let Some(waiting) = self.groups.get_mut(group) {
            waiting.push_back(key);
        } else {
            self.turns.push_back(group.to_owned());
            self.groups.insert(group.to_owned(), VecDeque::from([key]));
        }
    }

    /// Whether the key waits.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.keys.contains(key)
    }

    /// Takes the key whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<K> {
        let group = self.turns.pop_front()?;
        let waiting = self.groups.get_mut(&group)?;
        let key = waiting.pop_front()?;
        if waiting.is_empty() {
            self.groups.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        self.keys.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Fair for (&'static str, u32) {
        fn group(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn the_groups_take_turns_and_each_key_waits_once() {
        let mut ready = Ready::default();
        for number in [1, 2, 3, 2] {
            ready.push(("many", number));
        }
        ready.push(("one", 1));
        assert_eq!(ready.pop(), Some(("many", 1)));
        ready.push(("other", 1));
        let rest: Vec<_> = std::iter::from_fn(|| ready.pop()).collect();
        assert_eq!(rest, [("one", 1), ("many", 2), ("other", 1), ("many", 3)]);
        ready.push(("many", 2));
        assert_eq!(ready.pop(), Some(("many", 2)), "what was taken may come again");
    }
}
