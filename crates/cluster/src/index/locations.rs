//! Maps each object to its service account by the object's name. A workload or binding may move to
//! another service account, and a deletion may carry only the name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::object::{Kind, ObjectId};

/// The service account of each object. The map has an entry for every object in the cluster, so it
/// does not repeat the names of namespaces and service accounts.
#[derive(Default)]
pub(crate) struct Locations {
    namespaces: HashMap<String, HashMap<Kind, AccountsByName>>,
}

type AccountsByName = HashMap<Arc<str>, Arc<str>>;

impl Locations {
    /// The service account of the object.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Arc<str>> {
        self.namespaces.get(&id.namespace)?.get(&id.kind)?.get(id.name.as_str()).cloned()
    }

    /// Sets the service account of the object. Returns the copy of the object's name that the whole
    /// index shares.
    pub(crate) fn set(&mut self, id: &ObjectId, account: Arc<str>) -> Arc<str> {
        let kinds = self.namespaces.entry(id.namespace.clone()).or_default();
        let names = kinds.entry(id.kind).or_default();
        let known = names.get_key_value(id.name.as_str()).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(id.name.as_str()));
        names.insert(Arc::clone(&name), account);
        name
    }

    /// Removes the object.
    pub(crate) fn remove(&mut self, id: &ObjectId) {
        let Some(kinds) = self.namespaces.get_mut(&id.namespace) else { return };
        if let Some(names) = kinds.get_mut(&id.kind) {
            names.remove(id.name.as_str());
            if names.is_empty() {
                kinds.remove(&id.kind);
            }
        }
        if kinds.is_empty() {
            self.namespaces.remove(&id.namespace);
        }
    }

    /// The objects of a kind, in one namespace or in all.
    pub(crate) fn of(&self, kind: Kind, within: Option<&str>) -> HashSet<ObjectId> {
        let concerned =
            self.namespaces.iter().filter(|(namespace, _)| within.is_none_or(|within| **namespace == *within));
        let of_kind = concerned.filter_map(|(namespace, kinds)| Some((namespace, kinds.get(&kind)?)));
        let ids = of_kind.flat_map(|(namespace, names)| {
            names.keys().map(move |name| ObjectId { kind, namespace: namespace.clone(), name: (**name).to_owned() })
        });
        ids.collect()
    }
}
