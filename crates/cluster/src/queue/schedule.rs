//! When each requested key runs: a due key at once, any other key by a timer.
//!
//! A due key passes no timer. Timers have a resolution of a millisecond, which every write of a
//! change would wait for.

use std::collections::HashMap;
use std::future::pending;
use std::hash::Hash;

use futures::StreamExt;
use tokio::time::{Duration, Instant};
use tokio_util::time::delay_queue::{self, DelayQueue};

use super::ready::{Fair, Ready};

/// The longest timer. `DelayQueue` panics above about two years.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// Requested and running keys. A key has at most one request: the earliest.
pub(crate) struct Schedule<K> {
    /// Due keys that do not run.
    ready: Ready<K>,
    timers: DelayQueue<K>,
    /// The timer of each key that has one, and its time.
    timed: HashMap<K, (delay_queue::Key, Instant)>,
    /// Running keys, and when each is requested again.
    running: HashMap<K, Option<Instant>>,
}

impl<K: Eq + Hash> Default for Schedule<K> {
    fn default() -> Self {
        let (ready, timers) = (Ready::default(), DelayQueue::new());
        Self { ready, timers, timed: HashMap::new(), running: HashMap::new() }
    }
}

impl<K: Fair + Clone + Eq + Hash> Schedule<K> {
    /// Requests a key at this time. A running key runs again after it finished.
    pub(crate) fn request(&mut self, key: K, at: Instant) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = Some(again.map_or(at, |earlier| earlier.min(at)));
            return;
        }
        let now = Instant::now();
        if at <= now {
            self.cancel_timer(&key);
            self.ready.push(key);
        } else if !self.ready.contains(&key) {
            self.set_timer(key, at.min(now + LONGEST));
        }
    }

    /// Takes the key whose turn it is. The key runs until [`Schedule::finish`].
    pub(crate) fn start(&mut self) -> Option<K> {
        let key = self.ready.pop()?;
        self.running.insert(key.clone(), None);
        Some(key)
    }

    /// How many keys run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Ends the run of a key, which is due again at this time, if any.
    pub(crate) fn finish(&mut self, key: K, again: Option<Instant>) {
        let requested = self.running.remove(&key).flatten();
        if let Some(at) = requested.into_iter().chain(again).min() {
            self.request(key, at);
        }
    }

    /// Waits until a timer expires, and makes its key ready. Never returns while there are no timers.
    pub(crate) async fn timer(&mut self) {
        let Some(expired) = self.timers.next().await else { return pending().await };
        let key = expired.into_inner();
        self.timed.remove(&key);
        self.ready.push(key);
    }

    fn set_timer(&mut self, key: K, at: Instant) {
        match self.timed.get_mut(&key) {
            Some((_, earlier)) if *earlier <= at => {}
            Some((timer, later)) => {
                self.timers.reset_at(timer, at);
                *later = at;
            }
            None => {
                let timer = self.timers.insert_at(key.clone(), at);
                self.timed.insert(key, (timer, at));
            }
        }
    }

    fn cancel_timer(&mut self, key: &K) {
        if let Some((timer, _)) = self.timed.remove(key) {
            self.timers.remove(&timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_seconds(count: u64) -> Instant {
        Instant::now() + Duration::from_secs(count)
    }

    /// The keys that run next, each finished before the next one starts.
    fn all(schedule: &mut Schedule<&'static str>) -> Vec<&'static str> {
        let next = || {
            let key = schedule.start()?;
            schedule.finish(key, None);
            Some(key)
        };
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_due_key_passes_no_timer_and_the_earliest_request_counts() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        schedule.request("a", in_seconds(9));
        schedule.request("b", in_seconds(5));
        schedule.request("b", in_seconds(7));
        schedule.request("c", in_seconds(5));
        schedule.request("c", in_seconds(3));
        schedule.request("a", now);
        schedule.request("a", in_seconds(1));
        assert_eq!(all(&mut schedule), ["a"]);
        assert_eq!(Instant::now(), now);
        for (key, seconds) in [("c", 3), ("b", 5)] {
            schedule.timer().await;
            assert_eq!(all(&mut schedule), [key]);
            assert_eq!(now.elapsed().as_secs(), seconds);
        }
        let nothing = tokio::time::timeout(Duration::from_secs(60), schedule.timer()).await;
        assert!(nothing.is_err(), "no timer is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_key_runs_again_after_it_finished() {
        let mut schedule = Schedule::default();
        schedule.request("a", Instant::now());
        assert_eq!(schedule.start(), Some("a"));
        assert_eq!(schedule.running(), 1);
        schedule.request("a", in_seconds(5));
        schedule.request("a", Instant::now());
        assert_eq!(schedule.start(), None, "it still runs");
        schedule.finish("a", None);
        assert_eq!(all(&mut schedule), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_in_the_far_future_is_no_error() {
        let mut schedule = Schedule::default();
        schedule.request("a", in_seconds(60 * 60 * 24 * 365 * 20));
        assert_eq!(schedule.start(), None);
    }
}
