//! Watch streams that keep the index.
//!
//! Each stream has its own backoff; an error is logged and never reaches the others. An object that cannot be decoded
//! does not stop its stream.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, pin_mut};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, ObservedBinding, ObservedPod, ServiceAccount, StatefulSet, WorkloadKind,
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};
use crate::layers;
use crate::observe::Observer;
use crate::pulse::Pulses;

/// Told of every bound identity about which something has changed.
pub type Notify = Arc<dyn Fn(IdentityKey) + Send + Sync>;

/// Who is told of what the streams see.
#[derive(Clone)]
pub struct Listeners {
    /// Of changes.
    pub notify: Notify,
    /// Of failures and lists.
    pub observer: Arc<dyn Observer>,
    /// Of signs of life.
    pub pulses: Pulses,
}

/// The streams of all kinds, and a future that is ready when each of them has delivered its first full list.
pub fn streams(
    client: &Client,
    index: &Index,
    listeners: &Listeners,
) -> (Vec<BoxFuture<'static, ()>>, BoxFuture<'static, ()>) {
    let mut builder = Builder { client, index, listeners, streams: Vec::new(), listed: Vec::new() };
    builder.add::<ObservedBinding>(Kind::Binding, Object::binding);
    builder.add::<ServiceAccount>(Kind::ServiceAccount, |account| Object::ServiceAccount(Arc::new(account)));
    builder.add::<Deployment>(Kind::Workload(WorkloadKind::Deployment), Object::workload);
    builder.add::<StatefulSet>(Kind::Workload(WorkloadKind::StatefulSet), Object::workload);
    builder.add::<DaemonSet>(Kind::Workload(WorkloadKind::DaemonSet), Object::workload);
    builder.add::<ObservedPod>(Kind::Pod, Object::pod);
    builder.add::<Namespace>(Kind::Namespace, |namespace| Object::Namespace(Arc::new(namespace)));
    let (optional, looked) = crate::optional::rollouts(client, index, listeners);
    builder.streams.push(optional);
    builder.listed.push(looked);
    let listed = join_all(builder.listed).map(|_| ()).boxed();
    (builder.streams, listed)
}

struct Builder<'a> {
    client: &'a Client,
    index: &'a Index,
    listeners: &'a Listeners,
    streams: Vec<BoxFuture<'static, ()>>,
    listed: Vec<oneshot::Receiver<()>>,
}

impl Builder<'_> {
    fn add<K>(&mut self, kind: Kind, object: fn(K) -> Object)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (stream, listed) = stream(self.client, self.index, self.listeners, kind, object);
        self.streams.push(stream);
        self.listed.push(listed);
    }
}

/// A stream that keeps the objects of one kind, and what is told of its first full list.
pub(crate) fn stream<K>(
    client: &Client,
    index: &Index,
    listeners: &Listeners,
    kind: Kind,
    object: fn(K) -> Object,
) -> (BoxFuture<'static, ()>, oneshot::Receiver<()>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let (sender, listed) = oneshot::channel();
    let keeper = Keeper {
        kind,
        object,
        index: index.clone(),
        listeners: listeners.clone(),
        listing: HashSet::new(),
        undecodable: HashSet::new(),
        listed: Some(sender),
    };
    let pulse = Arc::new(listeners.pulses.begin(kind.as_str()));
    (keeper.run(Api::all(layers::felt(client, &pulse))).boxed(), listed)
}

/// Keeps the objects of one kind in the index.
struct Keeper<K> {
    kind: Kind,
    object: fn(K) -> Object,
    index: Index,
    listeners: Listeners,
    /// What the list that is under way has shown so far.
    listing: HashSet<ObjectId>,
    /// What cannot be decoded and is left out.
    undecodable: HashSet<ObjectId>,
    /// Told of the first full list.
    listed: Option<oneshot::Sender<()>>,
}

impl<K> Keeper<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn run(mut self, api: Api<DeserializeGuard<K>>) {
        let stream = watch(api, watcher::Config::default()).default_backoff();
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => self.keep(event),
                Err(error) => {
                    warn!(kind = self.kind.as_str(), %error, "watch failed, trying again");
                    self.listeners.observer.watch_failed(self.kind.as_str());
                }
            }
        }
    }

    fn keep(&mut self, event: Event<DeserializeGuard<K>>) {
        let affected = match event {
            Event::Init => {
                self.listing.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listing.insert(ObjectId::of(self.kind, object.meta()));
                self.apply(object)
            }
            Event::InitDone => {
                let gone = self.index.retain(self.kind, &self.listing);
                info!(kind = self.kind.as_str(), objects = self.listing.len(), "listed");
                self.undecodable.retain(|id| self.listing.contains(id));
                self.listeners.observer.listed(self.kind.as_str());
                self.listeners.observer.undecodable(self.kind.as_str(), self.undecodable.len());
                self.listing = HashSet::new();
                if let Some(listed) = self.listed.take() {
                    // The receiver is only gone when the process is shutting down.
                    let _ = listed.send(());
                }
                gone
            }
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                let meta = object.meta();
                let id = ObjectId::of(self.kind, meta);
                self.decodable(&id);
                self.index.delete(&id, meta.uid.as_deref())
            }
        };
        for key in affected {
            (self.listeners.notify)(key);
        }
    }

    /// The object can be decoded (again), or is gone.
    fn decodable(&mut self, id: &ObjectId) {
        if !self.undecodable.is_empty() && self.undecodable.remove(id) {
            self.listeners.observer.undecodable(self.kind.as_str(), self.undecodable.len());
        }
    }

    fn apply(&mut self, object: DeserializeGuard<K>) -> Vec<IdentityKey> {
        match object.0 {
            Ok(object) => {
                let object = (self.object)(object);
                self.decodable(&object.id());
                self.index.apply(object)
            }
            Err(invalid) => {
                let id = ObjectId::of(self.kind, &invalid.metadata);
                warn!(
                    kind = self.kind.as_str(),
                    namespace = id.namespace,
                    name = id.name,
                    error = invalid.error,
                    "object cannot be decoded and is left out"
                );
                self.undecodable.insert(id.clone());
                self.listeners.observer.undecodable(self.kind.as_str(), self.undecodable.len());
                // What it was before is no ground to act on any more.
                self.index.delete(&id, None)
            }
        }
    }
}
