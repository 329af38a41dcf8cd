//! Heartbeats of the watch streams.
//!
//! An API server without events sends bookmarks. It checks once a minute whether a bookmark would
//! carry a new version, and sends the first bookmark of a watch within two minutes. A stream that
//! is silent for longer hangs on a dead connection and misses every event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest silence of a live stream: an API server without events sends a bookmark within two
/// minutes.
pub const SILENCE: Duration = Duration::from_secs(150);

/// The heartbeats of all streams. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Mutex<Streams>>);

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    by_id: BTreeMap<u64, (&'static str, Instant)>,
}

/// The heartbeat of one stream; dropping it forgets the stream.
#[derive(Debug)]
pub struct Heartbeat {
    all: Heartbeats,
    id: u64,
}

impl Heartbeats {
    /// Adds a stream of this kind.
    pub fn begin(&self, kind: &'static str) -> Heartbeat {
        let mut streams = self.lock();
        let id = streams.next;
        streams.next += 1;
        streams.by_id.insert(id, (kind, Instant::now()));
        Heartbeat { all: self.clone(), id }
    }

    /// How long each stream has been silent, longest first.
    pub fn silent(&self) -> Vec<(&'static str, Duration)> {
        let now = Instant::now();
        let mut silent: Vec<_> =
            self.lock().by_id.values().map(|(kind, last)| (*kind, now.duration_since(*last))).collect();
        silent.sort_by_key(|(kind, silence)| (std::cmp::Reverse(*silence), *kind));
        silent
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        // No code panics while it holds the lock, and a panic would still leave a valid map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heartbeat {
    /// Records a heartbeat.
    pub fn beat(&self) {
        if let Some((_, last)) = self.all.lock().by_id.get_mut(&self.id) {
            *last = Instant::now();
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.all.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_comes_first_and_ended_streams_are_forgotten() {
        let heartbeats = Heartbeats::default();
        let (pods, accounts) = (heartbeats.begin("Pod"), heartbeats.begin("ServiceAccount"));
        tokio::time::advance(Duration::from_secs(60)).await;
        pods.beat();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(heartbeats.silent(), [("ServiceAccount", Duration::from_secs(65)), ("Pod", Duration::from_secs(5))]);
        drop(accounts);
        assert_eq!(heartbeats.silent(), [("Pod", Duration::from_secs(5))]);
    }
}
