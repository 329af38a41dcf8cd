//! All that is known of the cluster, by namespace and service account. A look-up is by key; nothing is ever scanned.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{
    Namespace, ObservedAccount, ObservedBinding, ObservedPod, Pod, ServiceAccount, Workload, WorkloadKind,
};
use podidentity_core::snapshot::{Config, Snapshot};

use crate::filed::{Head, Version};
use crate::identity::Identity;
use crate::packed::Packed;
use crate::packers::Packers;
use crate::places::Places;
use crate::tally::Tally;

/// Namespace and name of a service account: the unit of every decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// Namespace.
    pub namespace: String,
    /// Name of the service account.
    pub service_account: String,
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}

/// An object of one of the watched kinds.
#[derive(Clone, Debug)]
pub enum Object {
    /// A binding.
    Binding(Arc<PodIdentityBinding>),
    /// A service account.
    ServiceAccount(Arc<ServiceAccount>),
    /// A Deployment, StatefulSet, DaemonSet or Rollout.
    Workload(Arc<Workload>),
    /// A pod.
    Pod(Arc<Pod>),
    /// A namespace.
    Namespace(Arc<Namespace>),
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// PodIdentityBinding
    Binding,
    /// ServiceAccount
    ServiceAccount,
    /// Deployment, StatefulSet, DaemonSet or Rollout
    Workload(WorkloadKind),
    /// Pod
    Pod,
    /// Namespace
    Namespace,
}

impl Kind {
    /// The kind as it stands in `kind:`, for example `Deployment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "PodIdentityBinding",
            Self::ServiceAccount => "ServiceAccount",
            Self::Workload(kind) => kind.as_str(),
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
        }
    }
}

/// Kind, namespace (empty for namespaces) and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: Kind,
    /// Namespace, empty for a namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Object {
    /// A binding.
    pub fn binding(binding: ObservedBinding) -> Self {
        Self::Binding(Arc::new(binding.into()))
    }

    /// A service account.
    pub fn account(account: ObservedAccount) -> Self {
        Self::ServiceAccount(Arc::new(account.into()))
    }

    /// A pod, without what nobody judges.
    pub fn pod(pod: ObservedPod) -> Self {
        Self::Pod(Arc::new(Pod::from(pod).slim()))
    }

    /// A workload, without what nobody judges.
    pub fn workload<W: Into<Workload>>(workload: W) -> Self {
        Self::Workload(Arc::new(workload.into().slim()))
    }

    /// The value of an annotation of a service account.
    pub(crate) fn annotation(&self, key: &str) -> Option<&String> {
        match self {
            Self::ServiceAccount(account) => account.annotations.get(key),
            _ => None,
        }
    }

    /// The value of an annotation of a workload's pod template.
    pub(crate) fn template_annotation(&self, key: &str) -> Option<&String> {
        match self {
            Self::Workload(workload) => workload.template.metadata.annotations.get(key),
            _ => None,
        }
    }

    /// Kind, namespace and name.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Binding(binding) => ObjectId::of(Kind::Binding, &binding.metadata),
            Self::ServiceAccount(account) => ObjectId::of(Kind::ServiceAccount, &account.metadata),
            Self::Workload(workload) => ObjectId::of(Kind::Workload(workload.kind), &workload.metadata),
            Self::Pod(pod) => ObjectId {
                kind: Kind::Pod,
                namespace: pod.metadata.namespace.clone().unwrap_or_default(),
                name: pod.name().to_owned(),
            },
            Self::Namespace(namespace) => ObjectId::of(Kind::Namespace, &namespace.metadata),
        }
    }

    /// The service account that the object bears on.
    pub(crate) fn service_account(&self) -> Option<&str> {
        match self {
            Self::Binding(binding) => Some(&binding.spec.service_account_name),
            Self::ServiceAccount(account) => account.metadata.name.as_deref(),
            Self::Workload(workload) => workload.service_account(),
            Self::Pod(pod) => Some(pod.spec.service_account()),
            Self::Namespace(_) => None,
        }
    }
}

impl ObjectId {
    /// Kind, namespace and name of an object with this metadata.
    pub fn of(kind: Kind, meta: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn of_namespace(name: &str) -> Self {
        Self { kind: Kind::Namespace, namespace: String::new(), name: name.to_owned() }
    }
}

#[derive(Default)]
struct State {
    namespaces: HashMap<String, Arc<Namespace>>,
    /// By namespace, then by service account.
    identities: HashMap<String, HashMap<Arc<str>, Identity>>,
    /// Where each object is filed.
    places: Places,
    packers: Packers,
    tally: Tally,
}

/// The index. Cheap to clone; all clones are the same index.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<Mutex<State>>,
}

impl Index {
    /// Files an object and returns the identities that it bears on, if they are bound or were until now. A version that
    /// is not newer than the one that is filed is ignored: what we wrote ourselves is filed before its watch event
    /// arrives.
    pub fn apply(&self, object: Object) -> Vec<IdentityKey> {
        self.lock().apply(object)
    }

    /// Files an object that a write was answered with. If the object is not there any more, its deletion has overtaken
    /// the answer, and the answer is dropped.
    pub fn refresh(&self, object: Object) {
        let mut state = self.lock();
        let id = object.id();
        let Some(place) = state.places.get(&id) else { return };
        let filed = state.identity(&id.namespace, &place).version(&id);
        if filed.is_some_and(|filed| filed.uid() == Version::of(&object).uid()) {
            state.apply(object);
        }
    }

    /// Removes an object (unless another one of the same name has taken its place) and returns the identities that it
    /// bore on, if they are bound or were until now: what is remembered of one that no binding names is to be forgotten.
    pub fn delete(&self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        self.lock().delete(id, uid)
    }

    /// The objects of a kind that are filed, in one namespace or in all. Those that a complete list does not have are to be
    /// deleted.
    pub fn filed(&self, kind: Kind, within: Option<&str>) -> HashSet<ObjectId> {
        let state = self.lock();
        match kind {
            Kind::Namespace => state.namespaces.keys().map(|name| ObjectId::of_namespace(name)).collect(),
            _ => state.places.of(kind, within),
        }
    }

    /// All identities that a binding names.
    pub fn bound(&self) -> Vec<IdentityKey> {
        let state = self.lock();
        state.identities.keys().flat_map(|namespace| state.bound_in(namespace)).collect()
    }

    /// All identities of which anything is known, bound or not.
    pub fn known(&self) -> Vec<IdentityKey> {
        let state = self.lock();
        let named = |(namespace, accounts): (&String, &HashMap<Arc<str>, Identity>)| {
            let key =
                |account: &Arc<str>| IdentityKey { namespace: namespace.clone(), service_account: account.to_string() };
            accounts.keys().map(key).collect::<Vec<_>>()
        };
        state.identities.iter().flat_map(named).collect()
    }

    /// What the statuses of all bindings say, added up.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Everything about one identity, or `None` if no binding names it.
    pub fn snapshot(&self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        self.look(key, config, now).filter(|snapshot| !snapshot.bindings.is_empty())
    }

    /// Everything about one identity, bound or not; `None` if nothing is known of it.
    pub fn look(&self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        let state = self.lock();
        let identity = state.identities.get(&key.namespace)?.get(key.service_account.as_str())?;
        identity.open(Snapshot {
            namespace_object: state.namespaces.get(&key.namespace).cloned(),
            ..Snapshot::empty(&key.namespace, &key.service_account, now, config)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the maps would still be maps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(&mut self, object: Object) -> Vec<IdentityKey> {
        let id = object.id();
        if let Object::Namespace(namespace) = object {
            self.namespaces.insert(id.name.clone(), namespace);
            return self.bound_in(&id.name).collect();
        }
        let Some(place) = object.service_account() else { return self.delete(&id, None) };
        let place = self.account(&id.namespace, place);
        let version = Version::of(&object);
        let mut affected = Vec::new();
        if let Some(before) = self.places.get(&id) {
            let filed = self.identity(&id.namespace, &before).version(&id);
            if filed.is_some_and(|filed| !version.is_newer_than(filed)) {
                return Vec::new();
            }
            if before != place {
                affected.extend(self.delete(&id, None));
            }
        }
        let name = self.places.set(&id, Arc::clone(&place));
        if let Object::Binding(binding) = &object {
            self.tally.add(binding);
        }
        let Some(body) = self.packers.pack(object) else { return affected };
        let head = Head::new(id.kind, name, version);
        if let Some(replaced) = self.identity(&id.namespace, &place).insert(&id, head, body) {
            self.uncount(&replaced);
        }
        affected.extend(self.if_bound(&id.namespace, &place));
        affected
    }

    fn delete(&mut self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        if id.kind == Kind::Namespace {
            self.namespaces.remove(&id.name);
            return self.bound_in(&id.name).collect();
        }
        let Some(place) = self.places.get(id) else { return Vec::new() };
        let identity = self.identity(&id.namespace, &place);
        let filed = identity.version(id).and_then(Version::uid);
        if uid.is_some() && filed != uid {
            return Vec::new();
        }
        let was_bound = identity.is_bound();
        let removed = identity.remove(id);
        let emptied = identity.is_empty();
        if let Some(binding) = removed {
            self.uncount(&binding);
        }
        self.places.remove(id);
        if emptied && let Some(accounts) = self.identities.get_mut(&id.namespace) {
            accounts.remove(&*place);
            if accounts.is_empty() {
                self.identities.remove(&id.namespace);
            }
        }
        let key = || IdentityKey { namespace: id.namespace.clone(), service_account: place.to_string() };
        was_bound.then(key).into_iter().collect()
    }

    fn uncount(&mut self, binding: &Packed<PodIdentityBinding>) {
        if let Some(binding) = binding.open() {
            self.tally.remove(&binding);
        }
    }

    /// The name of a service account, in the one copy that all share.
    fn account(&self, namespace: &str, service_account: &str) -> Arc<str> {
        let known = self.identities.get(namespace).and_then(|accounts| accounts.get_key_value(service_account));
        known.map_or_else(|| Arc::from(service_account), |(account, _)| Arc::clone(account))
    }

    fn identity(&mut self, namespace: &str, service_account: &Arc<str>) -> &mut Identity {
        let accounts = self.identities.entry(namespace.to_owned()).or_default();
        accounts.entry(Arc::clone(service_account)).or_default()
    }

    fn if_bound(&self, namespace: &str, service_account: &str) -> Option<IdentityKey> {
        let identity = self.identities.get(namespace)?.get(service_account)?;
        identity
            .is_bound()
            .then(|| IdentityKey { namespace: namespace.to_owned(), service_account: service_account.to_owned() })
    }

    fn bound_in(&self, namespace: &str) -> impl Iterator<Item = IdentityKey> {
        let accounts = self.identities.get(namespace).into_iter().flatten();
        accounts.filter(|(_, identity)| identity.is_bound()).map(|(account, _)| IdentityKey {
            namespace: namespace.to_owned(),
            service_account: (**account).to_owned(),
        })
    }
}
