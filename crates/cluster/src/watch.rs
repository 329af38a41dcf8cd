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
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{DaemonSet, Deployment, Namespace, Pod, ServiceAccount, StatefulSet, WorkloadKind};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};

/// Told of every bound identity about which something has changed.
pub type Notify = Arc<dyn Fn(IdentityKey) + Send + Sync>;

/// The streams of all kinds, and a future that is ready when each of them has delivered its first full list.
pub fn streams(
    client: &Client,
    index: &Index,
    notify: &Notify,
) -> (Vec<BoxFuture<'static, ()>>, BoxFuture<'static, ()>) {
    let mut builder = Builder { client, index, notify, streams: Vec::new(), listed: Vec::new() };
    builder.add::<PodIdentityBinding>(Kind::Binding, Object::binding);
    builder.add::<ServiceAccount>(Kind::ServiceAccount, |account| Object::ServiceAccount(Arc::new(account)));
    builder.add::<Deployment>(Kind::Workload(WorkloadKind::Deployment), |it| Object::Workload(Arc::new(it.into())));
    builder.add::<StatefulSet>(Kind::Workload(WorkloadKind::StatefulSet), |it| Object::Workload(Arc::new(it.into())));
    builder.add::<DaemonSet>(Kind::Workload(WorkloadKind::DaemonSet), |it| Object::Workload(Arc::new(it.into())));
    builder.add::<Pod>(Kind::Pod, |pod| Object::Pod(Arc::new(pod)));
    builder.add::<Namespace>(Kind::Namespace, |namespace| Object::Namespace(Arc::new(namespace)));
    let (optional, looked) = crate::optional::rollouts(client, index, notify);
    builder.streams.push(optional);
    builder.listed.push(looked);
    let listed = join_all(builder.listed).map(|_| ()).boxed();
    (builder.streams, listed)
}

struct Builder<'a> {
    client: &'a Client,
    index: &'a Index,
    notify: &'a Notify,
    streams: Vec<BoxFuture<'static, ()>>,
    listed: Vec<oneshot::Receiver<()>>,
}

impl Builder<'_> {
    fn add<K>(&mut self, kind: Kind, object: fn(K) -> Object)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (stream, listed) = stream(self.client, self.index, self.notify, kind, object);
        self.streams.push(stream);
        self.listed.push(listed);
    }
}

/// A stream that keeps the objects of one kind, and what is told of its first full list.
pub(crate) fn stream<K>(
    client: &Client,
    index: &Index,
    notify: &Notify,
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
        notify: Arc::clone(notify),
        listing: HashSet::new(),
        listed: Some(sender),
    };
    (keeper.run(Api::all(client.clone())).boxed(), listed)
}

/// Keeps the objects of one kind in the index.
struct Keeper<K> {
    kind: Kind,
    object: fn(K) -> Object,
    index: Index,
    notify: Notify,
    /// What the list that is under way has shown so far.
    listing: HashSet<ObjectId>,
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
                Err(error) => warn!(kind = ?self.kind, %error, "watch failed, trying again"),
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
                info!(kind = ?self.kind, objects = self.listing.len(), "listed");
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
                self.index.delete(&ObjectId::of(self.kind, meta), meta.uid.as_deref())
            }
        };
        for key in affected {
            (self.notify)(key);
        }
    }

    fn apply(&mut self, object: DeserializeGuard<K>) -> Vec<IdentityKey> {
        match object.0 {
            Ok(object) => self.index.apply((self.object)(object)),
            Err(invalid) => {
                let id = ObjectId::of(self.kind, &invalid.metadata);
                warn!(kind = ?self.kind, namespace = id.namespace, name = id.name, error = invalid.error,
                    "object cannot be decoded and is left out");
                // What it was before is no ground to act on any more.
                self.index.delete(&id, None)
            }
        }
    }
}
