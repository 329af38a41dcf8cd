//! Watch streams that keep the index.
//!
//! Each stream has its own backoff; an error is logged and never reaches the others. An object that cannot be decoded
//! does not stop its stream.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, pin_mut};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, Pod, ServiceAccount, StatefulSet, Workload, WorkloadKind,
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};
use crate::scope::{self, Scope};

/// Told of every bound identity about which something has changed.
pub type Notify = Arc<dyn Fn(IdentityKey) + Send + Sync>;

/// The streams of all kinds, and a future that is ready when each of them has delivered its first full list.
pub fn streams(
    client: &Client,
    index: &Index,
    notify: &Notify,
    scope: &Scope,
) -> (Vec<BoxFuture<'static, ()>>, BoxFuture<'static, ()>) {
    let source =
        Source { client: client.clone(), index: index.clone(), notify: Arc::clone(notify), scope: scope.clone() };
    let mut all = source.watch::<PodIdentityBinding>(Kind::Binding, Object::binding);
    all.extend(source.watch::<ServiceAccount>(Kind::ServiceAccount, |it| Object::ServiceAccount(Arc::new(it))));
    all.extend(source.watch::<Deployment>(Kind::Workload(WorkloadKind::Deployment), workload));
    all.extend(source.watch::<StatefulSet>(Kind::Workload(WorkloadKind::StatefulSet), workload));
    all.extend(source.watch::<DaemonSet>(Kind::Workload(WorkloadKind::DaemonSet), workload));
    all.extend(source.watch::<Pod>(Kind::Pod, |pod| Object::Pod(Arc::new(pod))));
    all.extend(source.namespaces());
    all.push(crate::optional::rollouts(&source));
    let (streams, listed): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (streams, join_all(listed).map(|_| ()).boxed())
}

pub(crate) fn workload<K: Into<Workload>>(object: K) -> Object {
    Object::Workload(Arc::new(object.into()))
}

/// A stream, and what is told of its first full list.
pub(crate) type Stream = (BoxFuture<'static, ()>, oneshot::Receiver<()>);

/// What is watched, and who gets to know.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) index: Index,
    pub(crate) notify: Notify,
    pub(crate) scope: Scope,
}

impl Source {
    /// The streams that keep the objects of one kind.
    pub(crate) fn watch<K>(&self, kind: Kind, object: fn(K) -> Object) -> Vec<Stream>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let stream = |part: Option<String>| {
            let api = scope::api(&self.client, part.as_deref());
            self.stream(api, part, kind, object)
        };
        self.scope.parts().into_iter().map(stream).collect()
    }

    fn namespaces(&self) -> Vec<Stream> {
        let look = |part: Option<String>| {
            let Some(name) = part else {
                let object = |it: Namespace| Object::Namespace(Arc::new(it));
                return self.stream(Api::all(self.client.clone()), None, Kind::Namespace, object);
            };
            let (sender, listed) = oneshot::channel();
            (scope::look_at_namespace(self.clone(), name, sender).boxed(), listed)
        };
        self.scope.parts().into_iter().map(look).collect()
    }

    fn stream<K>(
        &self,
        api: Api<DeserializeGuard<K>>,
        namespace: Option<String>,
        kind: Kind,
        object: fn(K) -> Object,
    ) -> Stream
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (sender, listed) = oneshot::channel();
        let keeper = Keeper {
            kind,
            namespace,
            object,
            index: self.index.clone(),
            notify: Arc::clone(&self.notify),
            listing: HashSet::new(),
            listed: Some(sender),
        };
        (keeper.run(api).boxed(), listed)
    }
}

/// Keeps the objects of one kind in the index.
struct Keeper<K> {
    kind: Kind,
    /// Where it watches; everywhere if it is not said.
    namespace: Option<String>,
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
                Err(error) => {
                    warn!(kind = ?self.kind, namespace = self.namespace, %error, "watch failed, trying again");
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
                let gone = self.index.retain(self.kind, self.namespace.as_deref(), &self.listing);
                info!(kind = ?self.kind, namespace = self.namespace, objects = self.listing.len(), "listed");
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
                Vec::new()
            }
        }
    }
}
