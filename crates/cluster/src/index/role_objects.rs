//! The objects that bindings refer to by `spec.roleRef`, and which binding refers to which object.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{RoleObject, RoleObjectKind};
use podidentity_core::role::{Referred, is_indirect, resolve};
use podidentity_core::settings::AwsAccount;

use super::entry::Version;
use super::object::{Kind, ObjectId};

/// The objects, and which binding refers to which object.
#[derive(Default)]
pub(crate) struct RoleObjects {
    /// The watched kinds. `None`: bindings rely on what the operator recorded.
    watched: Option<BTreeSet<RoleObjectKind>>,
    objects: HashMap<ObjectId, Arc<RoleObject>>,
    /// The bindings that refer to each object.
    referring: HashMap<ObjectId, HashSet<ObjectId>>,
    /// The object that each binding refers to.
    referred: HashMap<ObjectId, ObjectId>,
}

impl RoleObjects {
    /// Says that objects of these kinds will be added.
    pub(crate) fn watch(&mut self, kinds: &BTreeSet<RoleObjectKind>) {
        self.watched = Some(kinds.clone());
    }

    /// Adds an object and returns the bindings that refer to it. A ConfigMap without an ARN, like
    /// most ConfigMaps, counts as absent.
    pub(crate) fn insert(&mut self, id: ObjectId, object: Arc<RoleObject>) -> Vec<ObjectId> {
        let version = Version::of_meta(&object.metadata);
        let known = self.objects.get(&id).map(|known| Version::of_meta(&known.metadata));
        if known.is_some_and(|known| !version.is_newer_than(&known)) {
            return Vec::new();
        }
        if object.kind == RoleObjectKind::ConfigMap && object.arns.is_empty() {
            return self.remove(&id);
        }
        let referring = self.referring_to(&id);
        self.objects.insert(id, object);
        referring
    }

    /// Removes an object, and returns the bindings that refer to it.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Vec<ObjectId> {
        if self.objects.remove(id).is_some() { self.referring_to(id) } else { Vec::new() }
    }

    /// The objects of a kind, in one namespace or in all.
    pub(crate) fn of(&self, kind: RoleObjectKind, within: Option<&str>) -> HashSet<ObjectId> {
        let is_it =
            |id: &&ObjectId| id.kind == Kind::RoleObject(kind) && within.is_none_or(|within| id.namespace == within);
        self.objects.keys().filter(is_it).cloned().collect()
    }

    /// Remembers what a binding refers to.
    pub(crate) fn refer(&mut self, id: &ObjectId, binding: &PodIdentityBinding) {
        self.forget(id);
        let Some(target) = target(binding) else { return };
        self.referring.entry(target.clone()).or_default().insert(id.clone());
        self.referred.insert(id.clone(), target);
    }

    /// Forgets what a binding refers to.
    pub(crate) fn forget(&mut self, id: &ObjectId) {
        let Some(target) = self.referred.remove(id) else { return };
        if let Some(bindings) = self.referring.get_mut(&target) {
            bindings.remove(id);
            if bindings.is_empty() {
                self.referring.remove(&target);
            }
        }
    }

    /// Resolves the role of a binding.
    pub(crate) fn resolve(&self, binding: &mut Arc<PodIdentityBinding>, account: Option<&AwsAccount>) {
        if !is_indirect(binding) && !binding.spec.role_arn.is_empty() {
            return;
        }
        let kind = binding.spec.role_ref.as_ref().and_then(RoleObjectKind::of);
        let referred = match &self.watched {
            None => Referred::Recorded,
            Some(watched) if kind.is_some_and(|kind| !watched.contains(&kind)) => Referred::NotWatched,
            Some(_) => Referred::Watched(target(binding).and_then(|id| self.objects.get(&id)).map(|object| &**object)),
        };
        resolve(Arc::make_mut(binding), account, referred);
    }

    fn referring_to(&self, id: &ObjectId) -> Vec<ObjectId> {
        self.referring.get(id).into_iter().flatten().cloned().collect()
    }
}

/// The object that a binding refers to.
fn target(binding: &PodIdentityBinding) -> Option<ObjectId> {
    let reference = binding.spec.role_ref.as_ref()?;
    let kind = RoleObjectKind::of(reference)?;
    let namespace =
        if kind.is_cluster_scoped() { String::new() } else { binding.metadata.namespace.clone().unwrap_or_default() };
    Some(ObjectId { kind: Kind::RoleObject(kind), namespace, name: reference.name.clone() })
}
