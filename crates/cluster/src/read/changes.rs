//! What changes in a cluster that has been read: which namespaces have to be read again.
//!
//! ```text
//! for each kind: where is the list now? ──► watch from there, metadata only ──► Change ──► whoever shows something
//! ```
//!
//! Only the metadata is watched, which is enough to know where to look. A watch that breaks goes on
//! where it was; what it cannot have seen is answered by reading everything again.

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

/// Between two tries to reach an API server that does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// After a watch has broken.
const AFTER_BREAK: Duration = Duration::from_millis(500);
/// Between two looks whether a kind is served that was not.
const AFTER_ABSENCE: Duration = Duration::from_secs(30);

/// What has happened.
#[derive(Debug)]
pub enum Change {
    /// Something in this namespace.
    In(String),
    /// Anything may have: something could not be seen for a while.
    Everywhere,
    /// What happens cannot be seen now. It goes on trying.
    Unseen(ReadError),
}

/// The changes of a cluster, or of one namespace, from when they were opened on. They end when this
/// is dropped.
pub struct Changes {
    receiver: UnboundedReceiver<Change>,
    _watches: JoinSet<()>,
}

impl Changes {
    /// Begins to watch: `client` is for what ends, `watching` for what does not. Fails if the user
    /// may not.
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
            // All watches have ended, which they only do by a panic.
            None => std::future::pending().await,
        }
    }

    /// The next change, if there is one already.
    pub fn already(&mut self) -> Option<Change> {
        self.receiver.try_recv().ok()
    }
}

/// What is watched, and who is told.
struct Source<'a> {
    client: &'a Client,
    watching: &'a Client,
    namespace: Option<&'a str>,
    sender: &'a UnboundedSender<Change>,
}

impl Source<'_> {
    /// The watch of a kind, which begins where the list is now.
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
    /// The version of the list as it is now, and whether it may be watched from there.
    async fn present(&self) -> Result<String, ReadError> {
        let of = |verb| move |error: kube::Error| ReadError::of(&error, verb, self.kind, self.namespace.as_deref());
        let list = self.api.list_metadata(&ListParams::default().limit(1)).await.map_err(of("list"))?;
        let version = list.metadata.resource_version.unwrap_or_default();
        // Opened and closed: a right that is missing is told before anything is shown.
        self.api.watch_metadata(&WatchParams::default(), &version).await.map(|_| version).map_err(of("watch"))
    }

    /// Tells of changes for ever. `from`: where the list is; `None`: the kind is not served.
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

    /// Finds the list again; meanwhile anything may have happened. `None`: the kind is not served,
    /// or nobody answers.
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

    /// Tells of changes after this version until the watch ends, as it does every few minutes, or
    /// breaks. The version to go on from; `None`: the API server does not remember it any more.
    async fn follow(&self, mut version: String) -> Result<Option<String>, ReadError> {
        let of = |error: kube::Error| ReadError::of(&error, "watch", self.kind, self.namespace.as_deref());
        let events = match self.watching.watch_metadata(&WatchParams::default(), &version).await {
            Err(error) if Meaning::of(&error) == Meaning::Expired => return Ok(None),
            events => events.map_err(of)?,
        };
        pin_mut!(events);
        while let Some(event) = events.next().await {
            let event = match event {
                // Nothing is missed by that: whether the API server can be reached is seen when it
                // is asked again.
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
        // The receiver is only gone when nobody wants to know any more.
        let _ = self.changes.send(change);
    }
}

fn seen<K>(object: &PartialObjectMeta<K>) -> Option<String> {
    object.metadata.resource_version.clone()
}
