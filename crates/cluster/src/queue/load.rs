//! The load of the queue: how many identities wait or run, and since when.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The load of a queue, for metrics and the liveness check. Cheap to clone; all clones are the
/// same.
#[derive(Clone, Debug)]
pub struct Load<K>(Arc<Mutex<Ledger<K>>>);

#[derive(Debug)]
struct Ledger<K> {
    /// When each key is due whose work has not started.
    due: HashMap<K, Instant>,
    /// When the work on each running key started.
    running: HashMap<K, Instant>,
    last_finished: Option<Instant>,
}

/// The load at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Keys that are due and wait for their turn.
    pub waiting: usize,
    /// How long the key at the front has waited.
    pub longest_wait: Duration,
    /// Keys that run.
    pub running: usize,
    /// How long the longest-running key has run.
    pub longest_run: Duration,
    /// How long ago work on a key was last finished; `None` if it never was.
    pub since_finish: Option<Duration>,
}

impl<K> Default for Load<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Ledger { due: HashMap::new(), running: HashMap::new(), last_finished: None })))
    }
}

impl<K: Clone + Eq + Hash> Load<K> {
    /// The load now.
    pub fn read(&self) -> Reading {
        let now = Instant::now();
        let ledger = self.lock();
        let waits = ledger.due.values().filter(|due| **due <= now).map(|due| now.duration_since(*due));
        let (waiting, longest_wait) =
            waits.fold((0, Duration::ZERO), |(count, most), wait| (count + 1, most.max(wait)));
        let first = ledger.running.values().min();
        Reading {
            waiting,
            longest_wait,
            running: ledger.running.len(),
            longest_run: first.map_or(Duration::ZERO, |first| now.duration_since(*first)),
            since_finish: ledger.last_finished.map(|last| now.duration_since(last)),
        }
    }

    /// The key that has run for the longest time.
    pub fn oldest(&self) -> Option<K> {
        self.lock().running.iter().min_by_key(|(_, began)| **began).map(|(key, _)| key.clone())
    }

    pub(crate) fn requested(&self, key: &K, at: Instant) {
        let mut ledger = self.lock();
        match ledger.due.get_mut(key) {
            Some(due) => *due = at.min(*due),
            None => {
                ledger.due.insert(key.clone(), at);
            }
        }
    }

    pub(crate) fn started(&self, key: &K) {
        let mut ledger = self.lock();
        ledger.due.remove(key);
        ledger.running.insert(key.clone(), Instant::now());
    }

    pub(crate) fn finished(&self, key: &K) {
        let mut ledger = self.lock();
        ledger.running.remove(key);
        ledger.last_finished = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Ledger<K>> {
        // No code panics while it holds the lock, and a panic would still leave valid maps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_waits_and_what_is_scheduled_for_later_does_not() {
        let load = Load::default();
        let now = Instant::now();
        let second = Duration::from_secs(1);
        load.requested(&"now", now);
        load.requested(&"later", now + 10 * second);
        tokio::time::advance(2 * second).await;
        assert_eq!(load.read(), Reading { waiting: 1, longest_wait: 2 * second, ..Reading::default() });
        load.started(&"now");
        tokio::time::advance(3 * second).await;
        assert_eq!(load.read(), Reading { running: 1, longest_run: 3 * second, ..Reading::default() });
        load.started(&"later");
        assert_eq!(load.oldest(), Some("now"));
        load.finished(&"later");
        load.finished(&"now");
        tokio::time::advance(6 * second).await;
        let since_finish = Some(6 * second);
        assert_eq!(load.read(), Reading { since_finish, ..Reading::default() });
        assert_eq!(load.oldest(), None);
    }
}
