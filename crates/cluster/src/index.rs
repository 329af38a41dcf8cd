//! All that is known of the cluster, by namespace and service account. A look-up is by key; nothing is ever scanned.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Namespace, Pod, ServiceAccount, Workload, WorkloadId, WorkloadKind};
use podidentity_core::snapshot::{Config, Snapshot};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// A binding, without what nobody judges.
    pub fn binding(mut binding: PodIdentityBinding) -> Self {
        binding.metadata.managed_fields = None;
        Self::Binding(Arc::new(binding))
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Binding(binding) => &binding.metadata,
            Self::ServiceAccount(account) => &account.metadata,
            Self::Workload(workload) => &workload.metadata,
            Self::Pod(pod) => &pod.metadata,
            Self::Namespace(namespace) => &namespace.metadata,
        }
    }

    /// Kind, namespace and name.
    pub fn id(&self) -> ObjectId {
        let kind = match self {
            Self::Binding(_) => Kind::Binding,
            Self::ServiceAccount(_) => Kind::ServiceAccount,
            Self::Workload(workload) => Kind::Workload(workload.kind),
            Self::Pod(_) => Kind::Pod,
            Self::Namespace(_) => Kind::Namespace,
        };
        ObjectId::of(kind, self.meta())
    }

    /// The service account that the object bears on.
    fn service_account(&self) -> Option<&str> {
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
}

#[derive(Default)]
struct Identity {
    bindings: BTreeMap<String, Arc<PodIdentityBinding>>,
    service_account: Option<Arc<ServiceAccount>>,
    workloads: BTreeMap<WorkloadId, Arc<Workload>>,
    pods: BTreeMap<String, Arc<Pod>>,
}

impl Identity {
    fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.service_account.is_none() && self.workloads.is_empty() && self.pods.is_empty()
    }

    fn get(&self, id: &ObjectId) -> Option<&ObjectMeta> {
        match id.kind {
            Kind::Binding => self.bindings.get(&id.name).map(|binding| &binding.metadata),
            Kind::ServiceAccount => self.service_account.as_ref().map(|account| &account.metadata),
            Kind::Workload(kind) => {
                self.workloads.get(&WorkloadId { kind, name: id.name.clone() }).map(|workload| &workload.metadata)
            }
            Kind::Pod => self.pods.get(&id.name).map(|pod| &pod.metadata),
            Kind::Namespace => None,
        }
    }

    /// Files an object; returns the binding that it replaces.
    fn insert(&mut self, name: String, object: Object) -> Option<Arc<PodIdentityBinding>> {
        match object {
            Object::Binding(binding) => return self.bindings.insert(name, binding),
            Object::ServiceAccount(account) => self.service_account = Some(account),
            Object::Workload(workload) => {
                self.workloads.insert(workload.id(), workload);
            }
            Object::Pod(pod) => {
                self.pods.insert(name, pod);
            }
            Object::Namespace(_) => {}
        }
        None
    }

    /// Removes an object; returns it if it is a binding.
    fn remove(&mut self, id: &ObjectId) -> Option<Arc<PodIdentityBinding>> {
        match id.kind {
            Kind::Binding => return self.bindings.remove(&id.name),
            Kind::ServiceAccount => self.service_account = None,
            Kind::Workload(kind) => {
                self.workloads.remove(&WorkloadId { kind, name: id.name.clone() });
            }
            Kind::Pod => {
                self.pods.remove(&id.name);
            }
            Kind::Namespace => {}
        }
        None
    }
}

#[derive(Default)]
struct State {
    namespaces: HashMap<String, Arc<Namespace>>,
    /// By namespace, then by service account.
    identities: HashMap<String, HashMap<String, Identity>>,
    /// Where each object is filed: a workload or binding may move from one service account to another.
    places: HashMap<ObjectId, String>,
    tally: Tally,
}

/// The index. Cheap to clone; all clones are the same index.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<Mutex<State>>,
}

impl Index {
    /// Files an object and returns the bound identities that it bears on. A version that is not newer than the one
    /// that is filed is ignored: what we wrote ourselves is filed before its watch event arrives.
    pub fn apply(&self, object: Object) -> Vec<IdentityKey> {
        self.lock().apply(object)
    }

    /// Files an object that a write was answered with. If the object is not there any more, its deletion has overtaken
    /// the answer, and the answer is dropped.
    pub fn refresh(&self, object: Object) {
        let mut state = self.lock();
        let id = object.id();
        let Some(place) = state.places.get(&id).cloned() else { return };
        let filed = state.identity(&id.namespace, &place).get(&id);
        if filed.is_some_and(|filed| filed.uid == object.meta().uid) {
            state.apply(object);
        }
    }

    /// Removes an object (unless another one of the same name has taken its place) and returns the bound identities
    /// that it bore on.
    pub fn delete(&self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        self.lock().delete(id, uid)
    }

    /// Removes the objects of a kind that a complete list did not have.
    pub fn retain(&self, kind: Kind, listed: &HashSet<ObjectId>) -> Vec<IdentityKey> {
        let mut state = self.lock();
        let mut gone: Vec<ObjectId> =
            state.places.keys().filter(|id| id.kind == kind && !listed.contains(*id)).cloned().collect();
        if kind == Kind::Namespace {
            let named = |name: &String| ObjectId { kind, namespace: String::new(), name: name.clone() };
            gone.extend(state.namespaces.keys().map(named).filter(|id| !listed.contains(id)));
        }
        gone.iter().flat_map(|id| state.delete(id, None)).collect()
    }

    /// All identities that a binding names.
    pub fn bound(&self) -> Vec<IdentityKey> {
        let state = self.lock();
        state.identities.keys().flat_map(|namespace| state.bound_in(namespace)).collect()
    }

    /// What the statuses of all bindings say, added up.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Everything about one identity, or `None` if no binding names it.
    pub fn snapshot(&self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        let state = self.lock();
        let identity = state.identities.get(&key.namespace)?.get(&key.service_account)?;
        if identity.bindings.is_empty() {
            return None;
        }
        Some(Snapshot {
            namespace: key.namespace.clone(),
            service_account_name: key.service_account.clone(),
            now,
            config: Arc::clone(config),
            namespace_object: state.namespaces.get(&key.namespace).cloned(),
            bindings: identity.bindings.values().cloned().collect(),
            service_account: identity.service_account.clone(),
            workloads: identity.workloads.values().cloned().collect(),
            pods: identity.pods.values().cloned().collect(),
            rollout_slots: usize::MAX,
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
        let Some(place) = object.service_account().map(str::to_owned) else { return self.delete(&id, None) };
        let mut affected = Vec::new();
        if let Some(before) = self.places.get(&id).cloned() {
            let filed = self.identity(&id.namespace, &before).get(&id);
            if filed.is_some_and(|filed| !is_newer(object.meta(), filed)) {
                return Vec::new();
            }
            if before != place {
                affected.extend(self.delete(&id, None));
            }
        }
        self.places.insert(id.clone(), place.clone());
        if let Object::Binding(binding) = &object {
            self.tally.add(binding);
        }
        if let Some(replaced) = self.identity(&id.namespace, &place).insert(id.name.clone(), object) {
            self.tally.remove(&replaced);
        }
        affected.extend(self.if_bound(&id.namespace, &place));
        affected
    }

    fn delete(&mut self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        if id.kind == Kind::Namespace {
            self.namespaces.remove(&id.name);
            return self.bound_in(&id.name).collect();
        }
        let Some(place) = self.places.get(id).cloned() else { return Vec::new() };
        let identity = self.identity(&id.namespace, &place);
        let filed = identity.get(id).and_then(|meta| meta.uid.as_deref());
        if uid.is_some() && filed != uid {
            return Vec::new();
        }
        let removed = identity.remove(id);
        let emptied = identity.is_empty();
        if let Some(binding) = removed {
            self.tally.remove(&binding);
        }
        self.places.remove(id);
        let affected = self.if_bound(&id.namespace, &place).into_iter().collect();
        if emptied && let Some(accounts) = self.identities.get_mut(&id.namespace) {
            accounts.remove(&place);
            if accounts.is_empty() {
                self.identities.remove(&id.namespace);
            }
        }
        affected
    }

    fn identity(&mut self, namespace: &str, service_account: &str) -> &mut Identity {
        let accounts = self.identities.entry(namespace.to_owned()).or_default();
        accounts.entry(service_account.to_owned()).or_default()
    }

    fn if_bound(&self, namespace: &str, service_account: &str) -> Option<IdentityKey> {
        let identity = self.identities.get(namespace)?.get(service_account)?;
        (!identity.bindings.is_empty())
            .then(|| IdentityKey { namespace: namespace.to_owned(), service_account: service_account.to_owned() })
    }

    fn bound_in(&self, namespace: &str) -> impl Iterator<Item = IdentityKey> {
        let accounts = self.identities.get(namespace).into_iter().flatten();
        accounts
            .filter(|(_, identity)| !identity.bindings.is_empty())
            .map(|(account, _)| IdentityKey { namespace: namespace.to_owned(), service_account: account.clone() })
    }
}

/// Whether `new` is a newer version than what is filed, or another object. Resource versions are decimal numbers that
/// grow (KEP-5504); where one is not, the newcomer is believed.
fn is_newer(new: &ObjectMeta, filed: &ObjectMeta) -> bool {
    let version = |meta: &ObjectMeta| meta.resource_version.as_deref().and_then(|text| text.parse::<u64>().ok());
    new.uid != filed.uid || version(new).zip(version(filed)).is_none_or(|(new, filed)| new > filed)
}
