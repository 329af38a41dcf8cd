//! An index entry: an object that may be packed, and the metadata that is needed without unpacking
//! it.

use std::cmp::Ordering;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::object::{Kind, Object, ObjectId};

/// An object in the index.
pub(crate) struct Entry<B> {
    pub(crate) head: Head,
    /// The object itself.
    pub(crate) body: B,
}

/// Metadata of an object that is needed without unpacking the object.
pub(crate) struct Head {
    kind: Kind,
    /// Name of the object, in the copy that the whole index shares.
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

    /// Compares with the object of this ID: by kind, then by name.
    pub(crate) fn compare(&self, id: &ObjectId) -> Ordering {
        self.kind.cmp(&id.kind).then_with(|| (*self.name).cmp(&id.name))
    }
}

/// UID and resource version of an object.
pub(crate) struct Version {
    uid: Option<Box<str>>,
    /// Resource versions are increasing decimal numbers (KEP-5504); `None` for any other format.
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

    /// Reads UID and resource version from the metadata of an object.
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

    /// Whether this version is newer than the entry or belongs to another object. An unknown order
    /// counts as newer.
    pub(crate) fn is_newer_than(&self, entry: &Self) -> bool {
        self.uid != entry.uid || self.number.zip(entry.number).is_none_or(|(new, entry)| new > entry)
    }
}
