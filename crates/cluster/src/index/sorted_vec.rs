//! A few objects in the order of their kinds and names.

use std::ops::Deref;

use crate::filed::Filed;
use crate::index::ObjectId;

/// Objects of one service account. Most accounts have one binding and one workload, so this is a list and no tree, whose
/// smallest node has room for eleven.
pub(crate) struct Sorted<B>(Vec<Filed<B>>);

impl<B> Default for Sorted<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B> Deref for Sorted<B> {
    type Target = [Filed<B>];

    fn deref(&self) -> &[Filed<B>] {
        &self.0
    }
}

impl<B> Sorted<B> {
    pub(crate) fn find(&self, id: &ObjectId) -> Option<&Filed<B>> {
        self.place(id).ok().map(|place| &self.0[place])
    }

    /// Files the object of this name; returns what it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, filed: Filed<B>) -> Option<B> {
        match self.place(id) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place], filed).body),
            Err(place) => {
                // A list doubles otherwise, and most are never added to again.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1 + self.0.len() / 8);
                }
                self.0.insert(place, filed);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<B> {
        self.place(id).ok().map(|place| self.0.remove(place).body)
    }

    fn place(&self, id: &ObjectId) -> Result<usize, usize> {
        self.0.binary_search_by(|filed| filed.head.compare(id))
    }
}
