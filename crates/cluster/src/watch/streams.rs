//! Watch streams that keep the index.
//!
//! Each stream has its own backoff; an error is logged and never reaches the others. An object that cannot be decoded
//! does not stop its stream.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, pin_mut};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, ObservedAccount, ObservedBinding, ObservedPod, StatefulSet, WorkloadKind,
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::guard::Guarded;
use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};
use crate::layers;
use crate::observe::Observer;
use crate::page_size;
use crate::pages;
use crate::pulse::Pulses;
use crate::scope::{self, Scope};

/// Objects of a page of a list. A page is in memory as text and as objects at once, and what it took is not all given back
/// to the system: with a hundred pods that is about a megabyte, for each kind.
const PAGE: u32 = 100;

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
    scope: &Scope,
) -> (Vec<BoxFuture<'static, ()>>, BoxFuture<'static, ()>) {
    let source =
        Source { client: client.clone(), index: index.clone(), listeners: listeners.clone(), scope: scope.clone() };
    let mut all = source.watch::<ObservedBinding>(Kind::Binding, Object::binding);
    all.extend(source.watch::<ObservedAccount>(Kind::ServiceAccount, Object::account));
    all.extend(source.watch::<Deployment>(Kind::Workload(WorkloadKind::Deployment), Object::workload));
    all.extend(source.watch::<StatefulSet>(Kind::Workload(WorkloadKind::StatefulSet), Object::workload));
    all.extend(source.watch::<DaemonSet>(Kind::Workload(WorkloadKind::DaemonSet), Object::workload));
    all.extend(source.watch::<ObservedPod>(Kind::Pod, Object::pod));
    all.extend(source.namespaces());
    all.push(crate::optional::rollouts(&source));
    let (streams, listed): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (streams, join_all(listed).map(|_| ()).boxed())
}

/// The objects of one kind that cannot be decoded and are left out.
type Undecodable = Arc<Mutex<HashSet<ObjectId>>>;

/// A stream, and what is told of its first full list.
pub(crate) type Stream = (BoxFuture<'static, ()>, oneshot::Receiver<()>);

/// What is watched, and who gets to know.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) index: Index,
    pub(crate) listeners: Listeners,
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
        let undecodable = Undecodable::default();
        let stream = |part: Option<String>| {
            let client = self.felt(kind.as_str());
            let api = scope::api(&client, part.as_deref());
            self.stream(api, part, kind, object, &undecodable)
        };
        self.scope.parts().into_iter().map(stream).collect()
    }

    /// The client for one stream of a kind, whose signs of life are noted.
    pub(crate) fn felt(&self, kind: &'static str) -> Client {
        layers::felt(&page_size::bounded(&pages::patient(&self.client)), &Arc::new(self.listeners.pulses.begin(kind)))
    }

    fn namespaces(&self) -> Vec<Stream> {
        let look = |part: Option<String>| {
            let Some(name) = part else {
                let object = |it: Namespace| Object::Namespace(Arc::new(it));
                let api = Api::all(self.felt(Kind::Namespace.as_str()));
                return self.stream(api, None, Kind::Namespace, object, &Undecodable::default());
            };
            let (sender, listed) = oneshot::channel();
            (scope::look_at_namespace(self.clone(), name, sender).boxed(), listed)
        };
        self.scope.parts().into_iter().map(look).collect()
    }

    fn stream<K>(
        &self,
        api: Api<Guarded<K>>,
        namespace: Option<String>,
        kind: Kind,
        object: fn(K) -> Object,
        undecodable: &Undecodable,
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
            listeners: self.listeners.clone(),
            listing: Listing::default(),
            undecodable: Arc::clone(undecodable),
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
    listeners: Listeners,
    listing: Listing,
    /// Shared by all streams of the kind: what is told is their number.
    undecodable: Undecodable,
    /// Told of the first full list.
    listed: Option<oneshot::Sender<()>>,
}

/// A list that is under way.
#[derive(Default)]
struct Listing {
    /// How much it has shown so far.
    objects: usize,
    /// What was known before and has not been shown. It is empty in a first list, which is the longest.
    unseen: HashSet<ObjectId>,
}

impl<K> Keeper<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn run(mut self, api: Api<Guarded<K>>) {
        let stream = watch(api, watcher::Config::default().page_size(PAGE)).default_backoff();
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => self.keep(event),
                Err(error) => {
                    warn!(kind = self.kind.as_str(), namespace = self.namespace, %error, "watch failed, trying again");
                    self.listeners.observer.watch_failed(self.kind.as_str());
                }
            }
        }
    }

    fn keep(&mut self, event: Event<Guarded<K>>) {
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
                self.listeners.observer.listed(self.kind.as_str());
                self.undecodable(|ids| {
                    ids.retain(|id| !unseen.contains(id));
                    true
                });
                let gone = unseen.iter().flat_map(|id| self.index.delete(id, None)).collect();
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
                self.undecodable(|ids| ids.remove(&id));
                self.index.delete(&id, meta.uid.as_deref())
            }
        };
        for key in affected {
            (self.listeners.notify)(key);
        }
    }

    /// What is known of the kind where it watches.
    fn known(&self) -> HashSet<ObjectId> {
        let mut known = self.index.filed(self.kind, self.namespace.as_deref());
        let is_here = |id: &&ObjectId| self.namespace.as_ref().is_none_or(|own| *own == id.namespace);
        let undecodable = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(undecodable.iter().filter(is_here).cloned());
        known
    }

    /// Changes what cannot be decoded, and tells how much it is if the change says that this is news.
    fn undecodable(&self, change: impl FnOnce(&mut HashSet<ObjectId>) -> bool) {
        // A panic while it was held leaves a set all the same.
        let mut ids = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut ids) {
            self.listeners.observer.undecodable(self.kind.as_str(), ids.len());
        }
    }

    fn apply(&mut self, object: Guarded<K>) -> Vec<IdentityKey> {
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
                // What it was before is no ground to act on any more.
                self.index.delete(&id, None)
            }
        }
    }
}
