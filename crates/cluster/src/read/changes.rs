//! Reports changes in a cluster that a command has read: which namespaces to read again.
//!
//! ```text
//! for each kind: where is the list now? ──► watch from there, metadata only ──► Change ──► whoever shows something
//! ```
//!
//! The watches transfer only metadata, which is enough to tell where something changed. A broken
//! watch resumes at its last version. If it cannot resume, the reader reads everything again.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Client, Resource};
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedAccount, ObservedBinding, ObservedPod, Rollout, StatefulSet,
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::ReadError;
use crate::http::error::Meaning;
use crate::watch::scope;

/// Wait after a failed attempt to reach the API server.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Wait after a watch broke.
const AFTER_BREAK: Duration = Duration::from_millis(500);
/// Wait between two checks whether the API server serves an absent kind.
const AFTER_ABSENCE: Duration = Duration::from_secs(30);

/// A change in the cluster.
#[derive(Debug)]
pub enum Change {
    /// Something changed in this namespace.
    In(String),
    /// Anything may have changed: a watch missed events.
    Everywhere,
    /// Changes cannot be observed now. The watch keeps trying.
    Unseen(ReadError),
}

/// The changes in a cluster, or in one namespace, since they were opened. Dropping them ends the
/// watches.
pub struct Changes {
    receiver: UnboundedReceiver<Change>,
    _watches: JoinSet<()>,
}

impl Changes {
    /// Opens the watches. `client` sends requests that end, `watching` sends watches. Fails if the
    /// user lacks a permission.
    pub async fn open(client: &Client, watching: &Client, namespace: Option<&str>) -> Result<Self, ReadError> {
        let (sender, receiver) = unbounded_channel();
        let source = Source { client, watching, namespace, sender: &sender };
        let opened = join_all([
            source.open::<ObservedBinding>("podidentitybindings").boxed(),
            source.open::<ObservedAccount>("serviceaccounts").boxed(),
            source.open::<Deployment>("deployments").boxed(),
            source.open::<StatefulSet>("statefulsets").boxed(),
            source.open::<DaemonSet>("daemonsets").boxed(),
            source.open::<Rollout>("rollouts").boxed(),
            source.open::<ObservedPod>("pods").boxed(),
        ]);
        let mut watches = JoinSet::new();
        for watch in opened.await {
            watches.spawn(watch?);
        }
        Ok(Self { receiver, _watches: watches })
    }

    /// The next change.
    pub async fn next(&mut self) -> Change {
        match self.receiver.recv().await {
            Some(change) => change,
            // All watches have ended, which happens only by a panic.
            None => std::future::pending().await,
        }
    }

    /// The next change, if there is one already.
    pub fn already(&mut self) -> Option<Change> {
        self.receiver.try_recv().ok()
    }
}

/// What the watches share: clients, namespace, and the receiver of the changes.
struct Source<'a> {
    client: &'a Client,
    watching: &'a Client,
    namespace: Option<&'a str>,
    sender: &'a UnboundedSender<Change>,
}

impl Source<'_> {
    /// Opens the watch of a kind at the current version of its list.
    async fn open<K>(&self, kind: &'static str) -> Result<BoxFuture<'static, ()>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let api = scope::api::<K>(self.client, self.namespace);
        let namespace = self.namespace.map(str::to_owned);
        let watching = scope::api::<K>(self.watching, self.namespace);
        let watch = Watch { api, watching, kind, namespace, changes: self.sender.clone() };
        let from = match watch.present().await {
            Err(ReadError::Absent(_)) => None,
            from => Some(from?),
        };
        Ok(watch.run(from).boxed())
    }
}

/// The watch of one kind.
struct Watch<K> {
    api: Api<K>,
    watching: Api<K>,
    kind: &'static str,
    namespace: Option<String>,
    changes: UnboundedSender<Change>,
}

impl<K> Watch<K>
where
    K: Clone + DeserializeOwned + Debug + 'static,
{
    /// Returns the current version of the list, and checks that the user may watch from there.
    async fn present(&self) -> Result<String, ReadError> {
        let of = |verb| move |error: kube::Error| ReadError::of(&error, verb, self.kind, self.namespace.as_deref());
        let list = self.api.list_metadata(&ListParams::default().limit(1)).await.map_err(of("list"))?;
        let version = list.metadata.resource_version.unwrap_or_default();
        // Opens and closes a watch, so that a missing permission is reported before any output.
        self.api.watch_metadata(&WatchParams::default(), &version).await.map(|_| version).map_err(of("watch"))
    }

    /// Reports changes forever. `from`: the version to watch from; `None`: the API server does not
    /// serve the kind.
    async fn run(self, mut from: Option<String>) {
        loop {
            let Some(version) = from.take() else {
                from = self.again().await;
                continue;
            };
            match self.follow(version).await {
                Ok(version) => from = version,
                Err(error) => {
                    self.tell(Change::Unseen(error));
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Lists again and reports that anything may have changed. `None`: the API server does not
    /// serve the kind, or the list failed.
    async fn again(&self) -> Option<String> {
        match self.present().await {
            Ok(version) => {
                self.tell(Change::Everywhere);
                Some(version)
            }
            Err(ReadError::Absent(_)) => {
                tokio::time::sleep(AFTER_ABSENCE).await;
                None
            }
            Err(error) => {
                self.tell(Change::Unseen(error));
                tokio::time::sleep(AFTER_FAILURE).await;
                None
            }
        }
    }

    /// Reports changes after this version until the watch breaks, or ends as it does every few
    /// minutes. Returns the version to continue from; `None`: the API server no longer has it.
    async fn follow(&self, mut version: String) -> Result<Option<String>, ReadError> {
        let of = |error: kube::Error| ReadError::of(&error, "watch", self.kind, self.namespace.as_deref());
        let events = match self.watching.watch_metadata(&WatchParams::default(), &version).await {
            Err(error) if Meaning::of(&error) == Meaning::Expired => return Ok(None),
            events => events.map_err(of)?,
        };
        pin_mut!(events);
        while let Some(event) = events.next().await {
            let event = match event {
                // The watch resumes at this version and misses nothing. If the API server is
                // unreachable, the next request fails.
                Err(kube::Error::ReadEvents(_)) => {
                    tokio::time::sleep(AFTER_BREAK).await;
                    return Ok(Some(version));
                }
                event => event.map_err(of)?,
            };
            match event {
                WatchEvent::Added(it) | WatchEvent::Modified(it) | WatchEvent::Deleted(it) => {
                    version = seen(&it).unwrap_or(version);
                    self.tell(Change::In(it.metadata.namespace.unwrap_or_default()));
                }
                WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                WatchEvent::Error(status) if Meaning::of_status(&status) == Meaning::Expired => return Ok(None),
                WatchEvent::Error(status) => return Err(of(kube::Error::Api(status))),
            }
        }
        Ok(Some(version))
    }

    fn tell(&self, change: Change) {
        // The receiver is gone only when there is no reader any more.
        let _ = self.changes.send(change);
    }
}

fn seen<K>(object: &PartialObjectMeta<K>) -> Option<String> {
    object.metadata.resource_version.clone()
}
