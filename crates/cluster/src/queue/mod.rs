//! The queue of due identities. An identity runs at most once at a time, many identities run
//! concurrently, and the namespaces take turns.
//!
//! ```text
//! requests ──► scheduler: due now, not running ──► ready: one of each namespace in turn ──► run
//! ```

pub mod load;
pub mod ready;

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::pin;

use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Duration, Instant};
use tracing::{error, warn};

use self::load::Load;
use self::ready::{Fair, Ready};

/// How long a key waits after its work panicked.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// How long running work may take to finish at shutdown.
const FINISH: Duration = Duration::from_secs(20);

/// Asks for keys to be worked on. Cheap to clone.
#[derive(Clone)]
pub struct Sender<K> {
    requests: mpsc::UnboundedSender<ScheduleRequest<K>>,
}

/// The other end of a [`Sender`].
pub struct Queue<K> {
    requests: mpsc::UnboundedReceiver<ScheduleRequest<K>>,
    sender: Sender<K>,
    load: Load<K>,
}

impl<K> Sender<K> {
    /// Asks for the key to be worked on now.
    pub fn now(&self, key: K) {
        self.at(key, Instant::now());
    }

    /// Asks for the key to be worked on at this time. The earliest request for a key counts.
    pub fn at(&self, message: K, run_at: Instant) {
        // The queue is gone only while the process shuts down.
        let _ = self.requests.unbounded_send(ScheduleRequest { message, run_at });
    }
}

/// A queue and its sender.
pub fn channel<K: Clone>() -> (Sender<K>, Queue<K>) {
    let (sender, receiver) = mpsc::unbounded();
    let sender = Sender { requests: sender };
    (sender.clone(), Queue { requests: receiver, sender, load: Load::default() })
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
        let load = self.load;
        let requests = self.requests.inspect(|request| load.requested(request));
        let mut scheduler = pin!(scheduler(requests));
        let mut shutdown = pin!(shutdown);
        let mut busy = Busy { tasks: JoinSet::new(), keys: HashMap::new(), running: HashSet::new() };
        let mut ready = Ready::default();
        loop {
            let is_open = *open.borrow_and_update();
            while is_open
                && busy.running.len() < concurrency
                && let Some(key) = ready.pop()
            {
                load.started(&key);
                busy.start(key.clone(), work(key));
            }
            // The queue takes in due keys even while no work may start, so that requests do not
            // pile up.
            let due = poll_fn(|context| {
                let running = &busy.running;
                pin!(scheduler.as_mut().hold_unless(|key| !running.contains(key))).poll_next(context)
            });
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Ok(()) = open.changed() => {}
                Some(finished) = busy.tasks.join_next_with_id() => {
                    if let Some((key, at)) = busy.finish(finished, &load) {
                        self.sender.at(key, at);
                    }
                }
                Some(key) = due => ready.push(key),
            }
        }
        let finish = async { while busy.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH, finish).await.is_err() {
            warn!(within = ?FINISH, "what was under way has not finished");
        }
    }
}

struct Busy<K> {
    tasks: JoinSet<Option<Instant>>,
    keys: HashMap<Id, K>,
    running: HashSet<K>,
}

impl<K: Clone + Eq + Hash> Busy<K> {
    fn start(&mut self, key: K, work: impl Future<Output = Option<Instant>> + Send + 'static) {
        let id = self.tasks.spawn(work).id();
        self.running.insert(key.clone());
        self.keys.insert(id, key);
    }

    /// Frees the key of a finished task and returns when the key is due again.
    fn finish(
        &mut self,
        finished: Result<(Id, Option<Instant>), tokio::task::JoinError>,
        load: &Load<K>,
    ) -> Option<(K, Instant)> {
        let (id, again) = match finished {
            Ok(done) => done,
            Err(panicked) => {
                error!(error = %panicked, "a reconcile panicked; it is tried again in a minute");
                (panicked.id(), Some(Instant::now() + AFTER_PANIC))
            }
        };
        let key = self.keys.remove(&id)?;
        self.running.remove(&key);
        load.finished(&key);
        Some((key, again?))
    }
}
