//! A few objects in the order of their names.

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Pod, Workload};

use crate::index::{Kind, ObjectId};

/// Objects of one service account, by name. Most accounts have one binding and one workload, so this is a list and no
/// tree, whose smallest node has room for eleven.
pub(crate) struct Sorted<T>(Vec<Arc<T>>);

/// What can be found by its name.
pub(crate) trait Named {
    /// How its name compares to one that is looked for, of an object of the same kind (for workloads: of any of theirs).
    fn compare(&self, id: &ObjectId) -> Ordering;
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Sorted<T> {
    type Target = [Arc<T>];

    fn deref(&self) -> &[Arc<T>] {
        &self.0
    }
}

impl<T: Named> Sorted<T> {
    pub(crate) fn find(&self, id: &ObjectId) -> Option<&T> {
        self.place(id).ok().map(|place| &*self.0[place])
    }

    /// Files the object of this name; returns the one that it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, object: Arc<T>) -> Option<Arc<T>> {
        match self.place(id) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place], object)),
            Err(place) => {
                self.0.insert(place, object);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Arc<T>> {
        self.place(id).ok().map(|place| self.0.remove(place))
    }

    fn place(&self, id: &ObjectId) -> Result<usize, usize> {
        self.0.binary_search_by(|object| object.compare(id))
    }
}

impl Named for PodIdentityBinding {
    fn compare(&self, id: &ObjectId) -> Ordering {
        self.metadata.name.as_deref().unwrap_or_default().cmp(&id.name)
    }
}

impl Named for Workload {
    fn compare(&self, id: &ObjectId) -> Ordering {
        let kind = match id.kind {
            Kind::Workload(kind) => self.kind.cmp(&kind),
            _ => Ordering::Equal,
        };
        kind.then_with(|| self.metadata.name.as_deref().unwrap_or_default().cmp(&id.name))
    }
}

impl Named for Pod {
    fn compare(&self, id: &ObjectId) -> Ordering {
        self.name().cmp(&id.name)
    }
}
