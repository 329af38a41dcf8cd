//! Signs of life of the watch streams.
//!
//! An API server that has nothing to say looks once a minute whether a bookmark would tell anything new, and sends the
//! first one of a watch within two minutes. A stream without any sign for longer hangs on a connection that is dead
//! without having been closed, and sees nothing of what happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A stream without a sign of life for so long is dead: an API server with nothing to tell says so within two minutes.
pub const SILENCE: Duration = Duration::from_secs(150);

/// The pulses of all streams. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Pulses(Arc<Mutex<Streams>>);

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    by_id: BTreeMap<u64, (&'static str, Instant)>,
}

/// The pulse of one stream; it is forgotten when this is dropped.
#[derive(Debug)]
pub struct Pulse {
    all: Pulses,
    id: u64,
}

impl Pulses {
    /// Begins to feel the pulse of a stream of this kind.
    pub fn begin(&self, kind: &'static str) -> Pulse {
        let mut streams = self.lock();
        let id = streams.next;
        streams.next += 1;
        streams.by_id.insert(id, (kind, Instant::now()));
        Pulse { all: self.clone(), id }
    }

    /// How long each stream has given no sign of life, longest first.
    pub fn silent(&self) -> Vec<(&'static str, Duration)> {
        let now = Instant::now();
        let mut silent: Vec<_> =
            self.lock().by_id.values().map(|(kind, last)| (*kind, now.duration_since(*last))).collect();
        silent.sort_by_key(|(kind, silence)| (std::cmp::Reverse(*silence), *kind));
        silent
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        // Nothing panics while it holds the lock; if something did, the map would still be a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Notes a sign of life.
    pub fn beat(&self) {
        if let Some((_, last)) = self.all.lock().by_id.get_mut(&self.id) {
            *last = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.all.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_comes_first_and_ended_streams_are_forgotten() {
        let pulses = Pulses::default();
        let (pods, accounts) = (pulses.begin("Pod"), pulses.begin("ServiceAccount"));
        tokio::time::advance(Duration::from_secs(60)).await;
        pods.beat();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pulses.silent(), [("ServiceAccount", Duration::from_secs(65)), ("Pod", Duration::from_secs(5))]);
        drop(accounts);
        assert_eq!(pulses.silent(), [("Pod", Duration::from_secs(5))]);
    }
}
