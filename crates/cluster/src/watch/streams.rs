//! One stream per kind, or one per kind and namespace.
//!
//! Each stream has its own backoff. It logs its errors and never stops other streams. An object
//! that cannot be decoded does not stop its stream.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, pin_mut};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event, InitialListStrategy};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, ObservedAccount, ObservedBinding, ObservedPod, RoleObjectKind, Rollout,
    StatefulSet, WorkloadKind,
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::decode::Decoded;
use super::optional_kinds::Optional;
use super::pace::{Pace, WatchPace};
use super::role_objects;
use super::scope::{self, WatchScope};
use crate::http::heartbeat::Heartbeats;
use crate::http::layers::with_heartbeat;
use crate::http::page_size::{WATCH_PAGE, with_bounded_pages};
use crate::http::retry::{Retry, with_retry};
use crate::http::streamed_list::{is_refused, with_latest_streamed_lists};
use crate::http::telemetry::Telemetry;
use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};

/// Receives every bound identity that a change affects.
pub type Notify = Arc<dyn Fn(IdentityKey) + Send + Sync>;

/// Receivers of what the streams observe.
#[derive(Clone)]
pub struct Listeners {
    /// Changed identities.
    pub notify: Notify,
    /// Failed watches, complete lists and undecodable objects.
    pub telemetry: Arc<dyn Telemetry>,
    /// Heartbeats.
    pub heartbeats: Heartbeats,
}

/// The streams of all kinds, and a future that is ready when each stream has delivered its first
/// full list. `role_objects`: the kinds to watch for `spec.roleRef`.
pub fn streams(
    client: &Client,
    index: &Index,
    listeners: &Listeners,
    scope: &WatchScope,
    role_objects: &BTreeSet<RoleObjectKind>,
) -> (Vec<BoxFuture<'static, ()>>, BoxFuture<'static, ()>) {
    let source = Source {
        client: client.clone(),
        index: index.clone(),
        listeners: listeners.clone(),
        scope: scope.clone(),
        pace: Pace::new(),
    };
    let mut all = source.watch::<ObservedBinding>(Kind::Binding, Object::binding);
    all.extend(source.watch::<ObservedAccount>(Kind::ServiceAccount, Object::account));
    all.extend(source.watch::<Deployment>(Kind::Workload(WorkloadKind::Deployment), Object::workload));
    all.extend(source.watch::<StatefulSet>(Kind::Workload(WorkloadKind::StatefulSet), Object::workload));
    all.extend(source.watch::<DaemonSet>(Kind::Workload(WorkloadKind::DaemonSet), Object::workload));
    all.extend(source.watch::<ObservedPod>(Kind::Pod, Object::pod));
    all.extend(source.namespaces());
    all.push(argo_rollouts().stream(&source));
    all.extend(role_objects::streams(&source, role_objects));
    let (streams, listed): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (streams, join_all(listed).map(|_| ()).boxed())
}

fn argo_rollouts() -> Optional {
    Optional {
        kind: Kind::Workload(WorkloadKind::Rollout),
        api_version: "argoproj.io/v1alpha1",
        plural: "rollouts",
        streams: |source| source.watch::<Rollout>(Kind::Workload(WorkloadKind::Rollout), Object::workload),
    }
}

/// The objects of one kind that cannot be decoded and are left out.
type Undecodable = Arc<Mutex<HashSet<ObjectId>>>;

/// A stream, and a receiver that is ready after its first full list.
pub(crate) type KindStream = (BoxFuture<'static, ()>, oneshot::Receiver<()>);

/// What the streams share.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) index: Index,
    pub(crate) listeners: Listeners,
    pub(crate) scope: WatchScope,
    pub(crate) pace: Pace,
}

impl Source {
    /// The streams that keep the objects of one kind.
    pub(crate) fn watch<K>(&self, kind: Kind, object: fn(K) -> Object) -> Vec<KindStream>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let undecodable = Undecodable::default();
        let stream = |part: Option<String>| {
            let client = self.client(kind.as_str());
            let api = scope::api(&client, part.as_deref());
            self.stream(api, part, kind, object, &undecodable)
        };
        self.scope.parts().into_iter().map(stream).collect()
    }

    /// The stream that keeps the objects of a cluster-scoped kind.
    pub(crate) fn watch_cluster<K>(&self, kind: Kind, object: fn(K) -> Object) -> KindStream
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let api = Api::all(self.client(kind.as_str()));
        self.stream(api, None, kind, object, &Undecodable::default())
    }

    /// The client for one stream of a kind.
    pub(crate) fn client(&self, kind: &'static str) -> Client {
        let latest = with_latest_streamed_lists(&self.client);
        let bounded = with_bounded_pages(&with_retry(&latest, Retry::FurtherPages));
        with_heartbeat(&bounded, self.listeners.heartbeats.begin(kind))
    }

    fn namespaces(&self) -> Vec<KindStream> {
        let poll = |part: Option<String>| {
            let Some(name) = part else {
                let object = |it: Namespace| Object::Namespace(Arc::new(it));
                return self.watch_cluster::<Namespace>(Kind::Namespace, object);
            };
            let (sender, listed) = oneshot::channel();
            (scope::poll_namespace(self.clone(), name, sender).boxed(), listed)
        };
        self.scope.parts().into_iter().map(poll).collect()
    }

    fn stream<K>(
        &self,
        api: Api<Decoded<K>>,
        namespace: Option<String>,
        kind: Kind,
        object: fn(K) -> Object,
        undecodable: &Undecodable,
    ) -> KindStream
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (sender, listed) = oneshot::channel();
        let keeper = Keeper {
            kind,
            namespace,
            object,
            index: self.index.clone(),
            listeners: self.listeners.clone(),
            listing: Listing::default(),
            undecodable: Arc::clone(undecodable),
            listed: Some(sender),
            pace: self.pace.watch(),
        };
        (keeper.run(api).boxed(), listed)
    }
}

/// Keeps the objects of one kind in the index.
struct Keeper<K> {
    kind: Kind,
    /// The namespace that it watches; `None`: all.
    namespace: Option<String>,
    object: fn(K) -> Object,
    index: Index,
    listeners: Listeners,
    listing: Listing,
    /// Shared by all streams of the kind, because telemetry reports one number per kind.
    undecodable: Undecodable,
    /// Signals the first full list.
    listed: Option<oneshot::Sender<()>>,
    pace: WatchPace,
}

/// A list in progress.
#[derive(Default)]
struct Listing {
    /// How many objects the list has delivered so far.
    objects: usize,
    /// Objects of the index that the list has not delivered yet. Empty for the first list, which is
    /// the longest.
    unseen: HashSet<ObjectId>,
}

impl<K> Keeper<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn run(mut self, api: Api<Decoded<K>>) {
        let paged = watcher::Config::default().page_size(WATCH_PAGE);
        self.keep_all(api.clone(), paged.clone().streaming_lists()).await;
        self.keep_all(api, paged).await;
    }

    /// Keeps the objects of the API for as long as the process lives. Returns only if the API server
    /// should stream its list and refuses that.
    async fn keep_all(&mut self, api: Api<Decoded<K>>, config: watcher::Config) {
        let streamed = config.initial_list_strategy == InitialListStrategy::StreamingList;
        let stream = watch(api, config).default_backoff();
        pin_mut!(stream);
        while let Some(event) = self.pace.next(&mut stream).await {
            match event {
                Ok(event) => {
                    if matches!(event, Event::Apply(_) | Event::Delete(_)) {
                        self.pace.count();
                    }
                    self.keep(event);
                }
                Err(error) if streamed && is_refused(&error) => {
                    let (kind, namespace) = (self.kind.as_str(), &self.namespace);
                    return info!(kind, namespace, %error, "the API server streams no list; listing in pages");
                }
                Err(error) => {
                    warn!(kind = self.kind.as_str(), namespace = self.namespace, %error, "watch failed, trying again");
                    self.listeners.telemetry.watch_failed(self.kind.as_str());
                }
            }
        }
    }

    fn keep(&mut self, event: Event<Decoded<K>>) {
        let affected = match event {
            Event::Init => {
                self.listing = Listing { objects: 0, unseen: self.known() };
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listing.objects += 1;
                self.listing.unseen.remove(&ObjectId::of(self.kind, object.meta()));
                self.apply(object)
            }
            Event::InitDone => {
                let Listing { objects, unseen } = std::mem::take(&mut self.listing);
                info!(kind = self.kind.as_str(), namespace = self.namespace, objects, "listed");
                self.listeners.telemetry.listed(self.kind.as_str());
                self.undecodable(|ids| {
                    ids.retain(|id| !unseen.contains(id));
                    true
                });
                let gone = unseen.iter().flat_map(|id| self.index.delete(id, None)).collect();
                if let Some(listed) = self.listed.take() {
                    // The receiver is gone only while the process shuts down.
                    let _ = listed.send(());
                }
                gone
            }
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                let meta = object.meta();
                let id = ObjectId::of(self.kind, meta);
                self.undecodable(|ids| ids.remove(&id));
                self.index.delete(&id, meta.uid.as_deref())
            }
        };
        for key in affected {
            (self.listeners.notify)(key);
        }
    }

    /// The known objects of the kind in the watched namespace.
    fn known(&self) -> HashSet<ObjectId> {
        let mut known = self.index.objects(self.kind, self.namespace.as_deref());
        let is_here = |id: &&ObjectId| self.namespace.as_ref().is_none_or(|own| *own == id.namespace);
        let undecodable = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(undecodable.iter().filter(is_here).cloned());
        known
    }

    /// Changes the set of undecodable objects, and reports its size if `change` returns that it
    /// changed.
    fn undecodable(&self, change: impl FnOnce(&mut HashSet<ObjectId>) -> bool) {
        // A panic while the lock was held leaves a valid set.
        let mut ids = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut ids) {
            self.listeners.telemetry.undecodable(self.kind.as_str(), ids.len());
        }
    }

    fn apply(&mut self, object: Decoded<K>) -> Vec<IdentityKey> {
        match object.0 {
            Ok(object) => {
                let object = (self.object)(object);
                self.undecodable(|ids| ids.remove(&object.id()));
                self.index.apply(object)
            }
            Err(undecodable) => {
                let id = ObjectId::of(self.kind, &undecodable.metadata);
                warn!(
                    kind = self.kind.as_str(),
                    namespace = id.namespace,
                    name = id.name,
                    error = undecodable.error,
                    "object cannot be decoded and is left out"
                );
                self.undecodable(|ids| ids.insert(id.clone()));
                // A decision must not use its former state any more.
                self.index.delete(&id, None)
            }
        }
    }
}
