//! Reads a busy watch in batches.
//!
//! An event that comes alone costs several times what decoding and judging it costs: the process
//! wakes up, reads a few hundred bytes from the network and decrypts them by themselves. A watch
//! with many events is therefore read at intervals. Its events come together, and an identity that
//! several of them concern is judged once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// A busy watch is read at multiples of this time, together with all other busy ones.
const INTERVAL: Duration = Duration::from_millis(25);
/// A rate is measured over at least this time.
const WINDOW: Duration = Duration::from_millis(250);
/// A watch is busy from this many events per [`WINDOW`] on, 120 a second. A few changes at a time
/// stay below, and are followed without delay.
const BUSY: u32 = 30;
/// All watches are busy from this many events of all of them per [`WINDOW`] on: a change of many
/// roles has events of all kinds.
const ALL_BUSY: u32 = 80;

/// The rate of all watches. Cheap to clone; all clones are the same rate.
#[derive(Clone)]
pub(crate) struct Pace {
    began: Instant,
    all: Arc<Mutex<Rate>>,
}

/// The rate of one watch.
pub(crate) struct WatchPace {
    own: Rate,
    all: Pace,
}

struct Rate {
    since: Instant,
    events: u32,
    limit: u32,
    is_busy: bool,
}

impl Rate {
    fn new(now: Instant, limit: u32) -> Self {
        Self { since: now, events: 0, limit, is_busy: false }
    }

    fn count(&mut self, now: Instant) {
        self.events += 1;
        let passed = now.duration_since(self.since);
        if passed >= WINDOW {
            let in_window = f64::from(self.events) * WINDOW.as_secs_f64() / passed.as_secs_f64();
            self.is_busy = in_window >= f64::from(self.limit);
            (self.since, self.events) = (now, 0);
        }
    }
}

impl Pace {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, all: Arc::new(Mutex::new(Rate::new(now, ALL_BUSY))) }
    }

    /// The pace of one more watch.
    pub(crate) fn watch(&self) -> WatchPace {
        WatchPace { own: Rate::new(Instant::now(), BUSY), all: self.clone() }
    }

    fn rate<T>(&self, read: impl FnOnce(&mut Rate) -> T) -> T {
        // A panic while the lock was held leaves a valid rate.
        read(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_reading(&self) -> Instant {
        let passed = self.began.elapsed().as_micros();
        let rest = INTERVAL.as_micros() - passed % INTERVAL.as_micros();
        Instant::now() + Duration::from_micros(rest.try_into().unwrap_or(0))
    }
}

impl WatchPace {
    /// Counts an event.
    pub(crate) fn count(&mut self) {
        let now = Instant::now();
        self.own.count(now);
        self.all.rate(|all| all.count(now));
    }

    /// The next item of the stream. If the watch is busy, and everything that has arrived was read,
    /// it comes with the next reading.
    pub(crate) async fn next<S: Stream + Unpin>(&self, stream: &mut S) -> Option<S::Item> {
        if self.own.is_busy || self.all.rate(|all| all.is_busy) {
            // The connection's own task hands over one piece at a time.
            for _ in 0..2 {
                if let Some(item) = stream.next().now_or_never() {
                    return item;
                }
                yield_now().await;
            }
            sleep_until(self.all.next_reading()).await;
        }
        stream.next().await
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedReceiver, unbounded};
    use tokio::time::sleep;

    use super::*;

    /// A watch with an event each `millis`, for a second.
    async fn arrivals(millis: u64) -> Vec<Duration> {
        let (sender, mut events): (_, UnboundedReceiver<Instant>) = unbounded();
        tokio::spawn(async move {
            for _ in 0..1000 / millis {
                sleep(Duration::from_millis(millis)).await;
                let _ = sender.unbounded_send(Instant::now());
            }
        });
        let (mut pace, mut delays) = (Pace::new().watch(), Vec::new());
        while let Some(sent) = pace.next(&mut events).await {
            pace.count();
            delays.push(sent.elapsed());
        }
        delays
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_quiet_watch_are_not_delayed() {
        let delays = arrivals(50).await;
        assert_eq!(delays.len(), 20);
        assert!(delays.iter().all(Duration::is_zero), "{delays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_busy_watch_come_in_batches_and_are_delayed_by_no_more_than_the_interval() {
        let delays = arrivals(5).await;
        assert_eq!(delays.len(), 200);
        assert!(delays.iter().all(|delay| *delay <= INTERVAL + Duration::from_millis(1)), "{delays:?}");
        let late = delays.iter().filter(|delay| !delay.is_zero()).count();
        assert!(late > 100, "{late} of 200 came with others");
        assert!(delays[..50].iter().all(Duration::is_zero), "the rate is not known yet: {delays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_was_busy_is_quiet_again_after_a_while() {
        let (mut pace, mut stream) = (Pace::new().watch(), futures::stream::repeat(()));
        for _ in 0..200 {
            sleep(Duration::from_millis(2)).await;
            pace.next(&mut stream).await;
            pace.count();
        }
        assert!(pace.own.is_busy);
        sleep(Duration::from_secs(5)).await;
        pace.count();
        assert!(!pace.own.is_busy);
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_of_all_watches_together_make_each_of_them_busy() {
        let pace = Pace::new();
        let mut watches = [pace.watch(), pace.watch(), pace.watch(), pace.watch()];
        for _ in 0..30 {
            sleep(Duration::from_millis(10)).await;
            watches.iter_mut().for_each(WatchPace::count);
        }
        assert!(!watches[0].own.is_busy);
        let mut stream = futures::stream::once(sleep(Duration::from_millis(3))).boxed();
        let began = Instant::now();
        watches[0].next(&mut stream).await;
        assert_eq!(began.elapsed(), INTERVAL);
    }
}
