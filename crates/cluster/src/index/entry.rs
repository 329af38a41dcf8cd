//! An entry of the index: a compressed object, and what has to be known of it without decompressing
//! it.

use std::cmp::Ordering;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::object::{Kind, Object, ObjectId};

/// An object in the index.
pub(crate) struct Entry<B> {
    pub(crate) head: Head,
    /// The object itself, compressed.
    pub(crate) body: B,
}

/// What has to be known of an object without decompressing it.
pub(crate) struct Head {
    kind: Kind,
    /// Its name, in the one copy that all share.
    name: Arc<str>,
    version: Version,
}

impl Head {
    pub(crate) fn new(kind: Kind, name: Arc<str>, version: Version) -> Self {
        Self { kind, name, version }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// How it compares to the object of this name: by kind, then by name.
    pub(crate) fn compare(&self, id: &ObjectId) -> Ordering {
        self.kind.cmp(&id.kind).then_with(|| (*self.name).cmp(&id.name))
    }
}

/// Which object it is, and how new.
pub(crate) struct Version {
    uid: Option<Box<str>>,
    /// Resource versions are decimal numbers that grow (KEP-5504); one that is not is not kept.
    number: Option<u64>,
}

impl Version {
    pub(crate) fn of(object: &Object) -> Self {
        match object {
            Object::Binding(binding) => Self::of_meta(&binding.metadata),
            Object::ServiceAccount(account) => Self::of_meta(&account.metadata),
            Object::Workload(workload) => Self::of_meta(&workload.metadata),
            Object::Pod(pod) => Self::new(pod.metadata.uid.as_deref(), pod.metadata.resource_version.as_deref()),
            Object::Namespace(namespace) => Self::of_meta(&namespace.metadata),
            Object::RoleObject(object) => Self::of_meta(&object.metadata),
        }
    }

    /// Of an object with this metadata.
    pub(crate) fn of_meta(meta: &ObjectMeta) -> Self {
        Self::new(meta.uid.as_deref(), meta.resource_version.as_deref())
    }

    fn new(uid: Option<&str>, version: Option<&str>) -> Self {
        Self { uid: uid.map(Box::from), number: version.and_then(|text| text.parse().ok()) }
    }

    pub(crate) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    pub(crate) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Whether this is newer than the entry, or another object. Where that is unknown, it counts as
    /// newer.
    pub(crate) fn is_newer_than(&self, entry: &Self) -> bool {
        self.uid != entry.uid || self.number.zip(entry.number).is_none_or(|(new, entry)| new > entry)
    }
}
