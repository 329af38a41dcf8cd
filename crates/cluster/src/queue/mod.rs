//! The queue of due identities. An identity runs at most once at a time, many identities run
//! concurrently, and the namespaces take turns.
//!
//! ```text
//! requests ──► schedule: due now, or a timer ──► ready: one of each namespace in turn ──► run
//! ```

pub mod load;
pub mod ready;
mod schedule;

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Duration, Instant};
use tracing::{error, warn};

use self::load::Load;
use self::ready::Fair;
use self::schedule::Schedule;

/// How long a key waits after its work panicked.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// How long running work may take to finish at shutdown.
const FINISH: Duration = Duration::from_secs(20);

/// Asks for keys to be worked on. Cheap to clone.
#[derive(Clone)]
pub struct Sender<K> {
    requests: mpsc::UnboundedSender<(K, Instant)>,
}

/// The other end of a [`Sender`].
pub struct Queue<K> {
    requests: mpsc::UnboundedReceiver<(K, Instant)>,
    load: Load<K>,
}

impl<K> Sender<K> {
    /// Asks for the key to be worked on now.
    pub fn now(&self, key: K) {
        self.at(key, Instant::now());
    }

    /// Asks for the key to be worked on at this time. The earliest request for a key counts.
    pub fn at(&self, key: K, at: Instant) {
        // The queue is gone only while the process shuts down.
        let _ = self.requests.send((key, at));
    }
}

/// A queue and its sender.
pub fn channel<K: Clone + Eq + Hash>() -> (Sender<K>, Queue<K>) {
    let (sender, requests) = mpsc::unbounded_channel();
    (Sender { requests: sender }, Queue { requests, load: Load::default() })
}

impl<K: Fair + Clone + Eq + Hash + Send + 'static> Queue<K> {
    /// How much there is to do.
    pub fn load(&self) -> Load<K> {
        self.load.clone()
    }

    /// Works on keys while `open` is true, until `shutdown` is ready; then waits for running work
    /// to finish. While nothing may start, the queue keeps requests, each key once. `work` returns
    /// the time at which the key is due again, if any.
    pub async fn run<F, W>(
        self,
        concurrency: usize,
        mut open: watch::Receiver<bool>,
        shutdown: impl Future<Output = ()>,
        work: F,
    ) where
        F: Fn(K) -> W,
        W: Future<Output = Option<Instant>> + Send + 'static,
    {
        let Self { mut requests, load } = self;
        let mut shutdown = pin!(shutdown);
        let mut tasks = Tasks { tasks: JoinSet::new(), keys: HashMap::new() };
        let mut schedule = Schedule::default();
        loop {
            let is_open = *open.borrow_and_update();
            while is_open
                && schedule.running() < concurrency
                && let Some(key) = schedule.start()
            {
                load.started(&key);
                tasks.start(key.clone(), work(key));
            }
            // The schedule takes in requests even while no work may start, so that they do not
            // pile up.
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Ok(()) = open.changed() => {}
                Some(finished) = tasks.tasks.join_next_with_id() => {
                    if let Some((key, again)) = tasks.finish(finished) {
                        load.finished(&key);
                        if let Some(at) = again {
                            load.requested(&key, at);
                        }
                        schedule.finish(key, again);
                    }
                }
                Some((key, at)) = requests.recv() => {
                    load.requested(&key, at);
                    schedule.request(key, at);
                }
                () = schedule.timer() => {}
            }
        }
        let finish = async { while tasks.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH, finish).await.is_err() {
            warn!(within = ?FINISH, "what was under way has not finished");
        }
    }
}

/// Running work.
struct Tasks<K> {
    tasks: JoinSet<Option<Instant>>,
    keys: HashMap<Id, K>,
}

impl<K> Tasks<K> {
    fn start(&mut self, key: K, work: impl Future<Output = Option<Instant>> + Send + 'static) {
        self.keys.insert(self.tasks.spawn(work).id(), key);
    }

    /// The key of a finished task, and when the key is due again.
    fn finish(&mut self, finished: Result<(Id, Option<Instant>), JoinError>) -> Option<(K, Option<Instant>)> {
        let (id, again) = match finished {
            Ok(done) => done,
            Err(panicked) => {
                error!(error = %panicked, "a reconcile panicked; it is tried again in a minute");
                (panicked.id(), Some(Instant::now() + AFTER_PANIC))
            }
        };
        Some((self.keys.remove(&id)?, again))
    }
}
