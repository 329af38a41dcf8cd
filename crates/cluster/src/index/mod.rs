//! The index: all observed objects, by namespace and service account. A lookup is by key and scans
//! nothing.
//!
//! ```text
//! Object ──► Identity (bindings, service account, workloads, pods) ──► Snapshot
//!            hot (which identities are unpacked) ──► packed (all others)
//!            locations (which service account an object belongs to), status_totals (totals of all statuses)
//! ```

mod bytes;
mod entry;
mod hot;
mod identity;
mod locations;
mod object;
mod packed;
mod role_objects;
mod sorted_vec;
mod status_totals;
mod templates;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Namespace, RoleObjectKind};
use podidentity_core::selector::NamespaceSelector;
use podidentity_core::snapshot::{Config, Snapshot};

use self::entry::{Head, Version};
use self::hot::Hot;
use self::identity::{Identity, Inserted, Packers};
use self::locations::Locations;
use self::packed::Kept;
use self::role_objects::RoleObjects;

pub use self::object::{IdentityKey, Kind, Object, ObjectId};
pub use self::status_totals::{ConditionKey, StatusTotals};

#[derive(Default)]
struct State {
    /// The namespaces that the operator looks after; `None`: all.
    selector: Option<NamespaceSelector>,
    namespaces: HashMap<String, Arc<Namespace>>,
    /// By namespace, then by service account.
    identities: HashMap<String, HashMap<Arc<str>, Identity>>,
    locations: Locations,
    role_objects: RoleObjects,
    hot: Hot,
    packers: Packers,
    status_totals: StatusTotals,
}

/// The index. Cheap to clone; all clones are the same index.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<Mutex<State>>,
}

impl Index {
    /// Creates an index for an operator that looks after the namespaces of this selector; `None`:
    /// all namespaces. The index also keeps the objects of other namespaces, so that a namespace is
    /// complete when it is selected, but it reports none of them.
    pub fn selecting(selector: Option<NamespaceSelector>) -> Self {
        Self { state: Arc::new(Mutex::new(State { selector, ..State::default() })) }
    }

    /// Adds an object and returns the affected identities: those that a binding names, or named
    /// until now, in namespaces that the operator looks after. A pod that changed only in what no
    /// verdict reads affects none. Ignores a version that is not newer than the known one: our own writes
    /// are in the index before their watch events arrive.
    pub fn apply(&self, object: Object) -> Vec<IdentityKey> {
        self.lock().apply(object)
    }

    /// Adds the object that a write returned. An object that is no longer in the index stays out:
    /// its deletion arrived before the response to the write.
    pub fn refresh(&self, object: Object) {
        let mut state = self.lock();
        let id = object.id();
        let Some(account) = state.locations.get(&id) else { return };
        let known = state.identity(&id.namespace, &account).version(&id);
        if known.is_some_and(|known| known.uid() == Version::of(&object).uid()) {
            state.apply(object);
        }
    }

    /// Declares that the index receives the objects of these kinds, to which `spec.roleRef` may
    /// refer. Until then, the index relies on what the operator recorded.
    pub fn watches_role_objects(&self, kinds: &BTreeSet<RoleObjectKind>) {
        self.lock().role_objects.watch(kinds);
    }

    /// Removes an object, unless another object has taken its name. Returns the affected
    /// identities: those that a binding named until now, in namespaces that the operator looks
    /// after. The caller must forget an identity that no binding names any more.
    pub fn delete(&self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        self.lock().delete(id, uid)
    }

    /// Returns the objects of a kind in one namespace or in all. After a complete list, the caller
    /// deletes those that the list lacks.
    pub fn objects(&self, kind: Kind, within: Option<&str>) -> HashSet<ObjectId> {
        let state = self.lock();
        match kind {
            Kind::Namespace => state.namespaces.keys().map(|name| ObjectId::of_namespace(name)).collect(),
            Kind::RoleObject(kind) => state.role_objects.of(kind, within),
            _ => state.locations.of(kind, within),
        }
    }

    /// All identities that a binding names, in namespaces that the operator looks after.
    pub fn bound(&self) -> Vec<IdentityKey> {
        let state = self.lock();
        let looked_after = state.identities.keys().filter(|namespace| state.looks_after(namespace));
        looked_after.flat_map(|namespace| state.bound_in(namespace)).collect()
    }

    /// All identities with at least one object, bound or not.
    pub fn known(&self) -> Vec<IdentityKey> {
        let state = self.lock();
        let named = |(namespace, accounts): (&String, &HashMap<Arc<str>, Identity>)| {
            let key =
                |account: &Arc<str>| IdentityKey { namespace: namespace.clone(), service_account: account.to_string() };
            accounts.keys().map(key).collect::<Vec<_>>()
        };
        state.identities.iter().flat_map(named).collect()
    }

    /// The totals of the statuses of all bindings that the operator looks after.
    pub fn status_totals(&self) -> StatusTotals {
        self.lock().status_totals.clone()
    }

    /// The snapshot of one identity. `None` if no binding names it or the operator does not look
    /// after it.
    pub fn snapshot(&self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        let mut state = self.lock();
        let snapshot = if state.looks_after(&key.namespace) { state.look(key, config, now)? } else { return None };
        (!snapshot.bindings.is_empty()).then_some(snapshot)
    }

    /// The snapshot of one identity, bound or not. `None` if the index has no object of it.
    pub fn look(&self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        self.lock().look(key, config, now)
    }

    /// The bindings of one identity, without its other objects.
    pub fn bindings(&self, key: &IdentityKey) -> Vec<Arc<PodIdentityBinding>> {
        let state = self.lock();
        let identity = state.identities.get(&key.namespace).and_then(|it| it.get(key.service_account.as_str()));
        identity.and_then(Identity::bindings).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and a panic would still leave valid maps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(&mut self, object: Object) -> Vec<IdentityKey> {
        let id = object.id();
        if let Object::Namespace(namespace) = object {
            return self.set_namespace(&id.name, Some(namespace));
        }
        if let Object::RoleObject(object) = object {
            let referring = self.role_objects.insert(id, object);
            return self.bound_by(&referring);
        }
        let Some(name) = object.service_account() else { return self.delete(&id, None) };
        let account = self.account(&id.namespace, name);
        let version = Version::of(&object);
        let mut affected = Vec::new();
        if let Some(before) = self.locations.get(&id) {
            let known = self.identity(&id.namespace, &before).version(&id);
            if known.is_some_and(|known| !version.is_newer_than(known)) {
                return Vec::new();
            }
            if before != account {
                affected.extend(self.delete(&id, None));
            }
        }
        let name = self.locations.set(&id, Arc::clone(&account));
        if let Object::Binding(binding) = &object {
            self.role_objects.refer(&id, binding);
            if self.looks_after(&id.namespace) {
                self.status_totals.add(binding);
            }
        }
        // If thousands of bindings change at once, their identities wait for their turn. Those whose
        // turn it is have events of all kinds.
        if id.kind != Kind::Binding {
            self.heat(&id.namespace, &account);
        }
        let head = Head::new(id.kind, name, version);
        let identity = self.identity(&id.namespace, &account);
        let Inserted { matters, replaced } = identity.insert(&id, head, object);
        if !identity.hot {
            self.pack(&id.namespace, &account);
        }
        if let Some(replaced) = replaced {
            self.uncount(&id.namespace, &replaced);
        }
        if matters {
            affected.extend(self.if_bound(&id.namespace, &account));
        }
        affected
    }

    fn delete(&mut self, id: &ObjectId, uid: Option<&str>) -> Vec<IdentityKey> {
        if id.kind == Kind::Namespace {
            return self.set_namespace(&id.name, None);
        }
        if let Kind::RoleObject(_) = id.kind {
            let referring = self.role_objects.remove(id);
            return self.bound_by(&referring);
        }
        let Some(account) = self.locations.get(id) else { return Vec::new() };
        let identity = self.identity(&id.namespace, &account);
        let known = identity.version(id).and_then(Version::uid);
        if uid.is_some() && known != uid {
            return Vec::new();
        }
        let was_bound = identity.is_bound();
        let removed = identity.remove(id);
        let emptied = identity.is_empty();
        if let Some(binding) = removed {
            self.uncount(&id.namespace, &binding);
            self.role_objects.forget(id);
        }
        self.locations.remove(id);
        if emptied && let Some(accounts) = self.identities.get_mut(&id.namespace) {
            accounts.remove(&*account);
            if accounts.is_empty() {
                self.identities.remove(&id.namespace);
            }
        }
        let key = || IdentityKey { namespace: id.namespace.clone(), service_account: account.to_string() };
        (was_bound && self.looks_after(&id.namespace)).then(key).into_iter().collect()
    }

    /// Keeps the objects of the identity unpacked for a while, and packs those of another one.
    fn heat(&mut self, namespace: &str, account: &Arc<str>) {
        if std::mem::replace(&mut self.identity(namespace, account).hot, true) {
            return;
        }
        let key = IdentityKey { namespace: namespace.to_owned(), service_account: account.to_string() };
        if let Some(cold) = self.hot.add(key) {
            self.pack(&cold.namespace, &cold.service_account);
        }
    }

    fn pack(&mut self, namespace: &str, account: &str) {
        if let Some(identity) = self.identities.get_mut(namespace).and_then(|accounts| accounts.get_mut(account)) {
            identity.pack(&mut self.packers);
        }
    }

    /// Whether the operator looks after the bindings of the namespace.
    fn looks_after(&self, namespace: &str) -> bool {
        let namespace = || self.namespaces.get(namespace).map(|it| &**it);
        self.selector.as_ref().is_none_or(|selector| selector.selects(namespace()))
    }

    /// Sets or removes a namespace. Returns its bound identities even if it is no longer selected,
    /// because the caller must forget them.
    fn set_namespace(&mut self, name: &str, namespace: Option<Arc<Namespace>>) -> Vec<IdentityKey> {
        let before = self.looks_after(name);
        match namespace {
            Some(namespace) => drop(self.namespaces.insert(name.to_owned(), namespace)),
            None => drop(self.namespaces.remove(name)),
        }
        let after = self.looks_after(name);
        if before != after {
            self.count_all(name, after);
        }
        if before || after { self.bound_in(name).collect() } else { Vec::new() }
    }

    /// Adds the statuses of all bindings of the namespace to the totals, or removes them.
    fn count_all(&mut self, namespace: &str, looked_after: bool) {
        let Self { identities, status_totals, .. } = self;
        let identities = identities.get(namespace).into_iter().flat_map(HashMap::values);
        for binding in identities.filter_map(Identity::bindings).flatten() {
            if looked_after { status_totals.add(&binding) } else { status_totals.remove(&binding) }
        }
    }

    fn uncount(&mut self, namespace: &str, binding: &Kept<PodIdentityBinding>) {
        if let Some(binding) = binding.get().filter(|_| self.looks_after(namespace)) {
            self.status_totals.remove(&binding);
        }
    }

    fn look(&mut self, key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Option<Snapshot> {
        let identity = self.identities.get_mut(&key.namespace)?.get_mut(key.service_account.as_str())?;
        let base = Snapshot {
            namespace_object: self.namespaces.get(&key.namespace).cloned(),
            ..Snapshot::empty(&key.namespace, &key.service_account, now, config)
        };
        identity.snapshot(base, &self.role_objects)
    }

    /// The copy of a service account's name that the whole index shares.
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
        (identity.is_bound() && self.looks_after(namespace))
            .then(|| IdentityKey { namespace: namespace.to_owned(), service_account: service_account.to_owned() })
    }

    /// The identities that these bindings name.
    fn bound_by(&self, bindings: &[ObjectId]) -> Vec<IdentityKey> {
        let key = |id: &ObjectId| self.if_bound(&id.namespace, &self.locations.get(id)?);
        bindings.iter().filter_map(key).collect()
    }

    fn bound_in(&self, namespace: &str) -> impl Iterator<Item = IdentityKey> {
        let accounts = self.identities.get(namespace).into_iter().flatten();
        accounts.filter(|(_, identity)| identity.is_bound()).map(|(account, _)| IdentityKey {
            namespace: namespace.to_owned(),
            service_account: (**account).to_owned(),
        })
    }
}
