//! Leader election on a `coordination.k8s.io/v1` Lease.
//!
//! ```text
//! watch on the one lease ──► Election (pure) ──► conditional write ──► fence opens until then
//! ```
//!
//! A process that does not lead keeps a watch on the lease. The watch costs no further requests,
//! and the process takes over as soon as the holder gives up the lease.

mod election;
mod requests;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client};
use tokio::sync::watch as channel;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub use election::{Election, Next, Record, Timing};

use self::requests::Requests;
use crate::http::error::Meaning;
use crate::http::fence::Fence;

/// The lease that a candidate competes for.
#[derive(Clone, Debug)]
pub struct Candidacy {
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of the lease.
    pub name: String,
    /// Identity of the candidate; unique among all processes that ever compete.
    pub identity: String,
    /// The timing of the election.
    pub timing: Timing,
}

/// A candidate in the leader election.
pub struct Candidate {
    requests: Requests,
    election: Election,
    events: BoxStream<'static, watcher::Result<Event<Lease>>>,
    fence: Fence,
    leads: channel::Sender<bool>,
}

/// Why this process cannot take part in the election.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read lease {namespace}/{name}: {error}; leader election needs get, list, watch, create and patch on \
     leases there (config/account), or turn it off with --leader-elect=false if only one replica ever runs"
)]
pub struct Unreadable {
    namespace: String,
    name: String,
    error: Box<kube::Error>,
}

impl Candidate {
    /// Reads the lease for the first time; an error here is a setup error. The receiver tells
    /// whether this process leads.
    pub async fn new(
        client: &Client,
        candidacy: Candidacy,
        fence: Fence,
    ) -> Result<(Self, channel::Receiver<bool>), Unreadable> {
        let api = Api::<Lease>::namespaced(client.clone(), &candidacy.namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", candidacy.name));
        let events = watch(api.clone(), config).default_backoff().boxed();
        let election = Election::new(candidacy.identity.clone(), candidacy.timing);
        let (leads, receiver) = channel::channel(false);
        let mut candidate = Self { requests: Requests { api, candidacy }, election, events, fence, leads };
        match candidate.look().await {
            Ok(()) => Ok((candidate, receiver)),
            Err(error) => {
                let Candidacy { namespace, name, .. } = candidate.requests.candidacy;
                Err(Unreadable { namespace, name, error: Box::new(error) })
            }
        }
    }

    /// Competes for the lease until `end` is ready, then gives up the lease if this process holds
    /// it.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end.fuse());
        loop {
            let now = Instant::now();
            let next = self.election.next(now);
            self.set_fence();
            match next {
                Next::Wait(until) => tokio::select! {
                    () = &mut end => break,
                    Some(event) = self.events.next() => self.observe(event),
                    () = tokio::time::sleep_until(until) => {}
                },
                write => self.write(write, now).await,
            }
            if (&mut end).now_or_never().is_some() {
                break;
            }
        }
        self.give_up().await;
    }

    /// Opens or closes the fence, and signals a change of leadership.
    fn set_fence(&self) {
        let until = self.election.leads_until(Instant::now());
        self.fence.set(until);
        let leads = until.is_some();
        let changed = self.leads.send_if_modified(|before| std::mem::replace(before, leads) != leads);
        if changed && leads {
            info!(identity = self.requests.candidacy.identity, "leading");
        } else if changed {
            warn!(holder = self.election.holder(), "not leading any more: nothing is written from now on");
        }
    }

    fn observe(&mut self, event: watcher::Result<Event<Lease>>) {
        match event {
            Ok(Event::InitApply(lease) | Event::Apply(lease)) => {
                self.election.saw(requests::record(&lease), Instant::now());
            }
            // The next write is conditional on the absence of the lease, so it shows whether the
            // lease is still gone.
            Ok(Event::Delete(_)) => self.election.saw_none(),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => debug!(%error, "the watch on the lease failed, trying again"),
        }
    }

    /// Attempts a write. Stops waiting once a success would come too late to matter.
    async fn write(&mut self, next: Next, began: Instant) {
        let limit = self.requests.candidacy.timing.renew_deadline / 2;
        let end = self.election.leads_until(began).unwrap_or(began + limit).min(began + limit);
        let written = tokio::time::timeout_at(end, self.requests.send(&next)).await;
        match written {
            Ok(Ok(record)) => {
                self.election.wrote(record, began);
                return;
            }
            Ok(Err(error)) => {
                let meaning = Meaning::of(&error);
                if matches!(meaning, Meaning::NotFound | Meaning::Changed) && self.has_changed().await {
                    if self.election.leads_until(Instant::now()).is_none() {
                        return;
                    }
                } else if next == Next::Create && meaning == Meaning::NotFound {
                    let namespace = &self.requests.candidacy.namespace;
                    warn!(
                        namespace,
                        %error,
                        "the lease was not created, trying again: if its namespace does not exist, create it or set \
                         --lease-namespace"
                    );
                } else {
                    warn!(%error, "the lease was not written, trying again");
                }
            }
            Err(_) => warn!(within = ?(end - began), "no answer to writing the lease, trying again"),
        }
        self.election.failed(Instant::now());
    }

    /// Reads the lease directly: the watch may lag behind.
    async fn look(&mut self) -> kube::Result<()> {
        match self.requests.get().await? {
            Some(record) => self.election.saw(record, Instant::now()),
            None => self.election.saw_none(),
        }
        Ok(())
    }

    /// Reads the lease after a failed write and returns whether it has changed. If it has not, the
    /// cause is something else, and an immediate retry would not help.
    async fn has_changed(&mut self) -> bool {
        let known = self.election.record().cloned();
        let limit = self.requests.candidacy.timing.retry_period;
        // A failed read leaves the known state unchanged.
        let _ = tokio::time::timeout(limit, self.look()).await;
        let changed = self.election.record() != known.as_ref();
        if changed {
            debug!("somebody else has written the lease");
        }
        changed
    }

    /// Gives up the lease, so that another process takes over at once instead of waiting until the
    /// lease expires.
    async fn give_up(self) {
        self.fence.set(None);
        let held = self.election.leads_until(Instant::now()).and(self.election.record());
        self.leads.send_replace(false);
        let Some(held) = held else { return };
        let limit = self.requests.candidacy.timing.renew_deadline / 2;
        match tokio::time::timeout(limit, self.requests.give_up(held)).await {
            Ok(Ok(_)) => info!("gave the lease up"),
            Ok(Err(error)) => warn!(%error, "the lease was not given up: others wait until it runs out"),
            Err(_) => warn!("no answer to giving the lease up: others may have to wait until it runs out"),
        }
    }
}
