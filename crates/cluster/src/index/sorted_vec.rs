//! A vector of entries, sorted by kind and name.

use std::ops::Deref;

use super::entry::Entry;
use super::object::ObjectId;

/// Objects of one service account. Most service accounts have one binding and one workload, and the
/// smallest node of a `BTreeMap` has room for eleven.
pub(crate) struct SortedVec<B>(Vec<Entry<B>>);

impl<B> Default for SortedVec<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B> Deref for SortedVec<B> {
    type Target = [Entry<B>];

    fn deref(&self) -> &[Entry<B>] {
        &self.0
    }
}

impl<B> SortedVec<B> {
    pub(crate) fn find(&self, id: &ObjectId) -> Option<&Entry<B>> {
        self.position(id).ok().map(|position| &self.0[position])
    }

    /// Adds the object of this name; returns the one that it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, entry: Entry<B>) -> Option<Entry<B>> {
        match self.position(id) {
            Ok(position) => Some(std::mem::replace(&mut self.0[position], entry)),
            Err(position) => {
                // A vector would double its capacity, but most of these never grow again.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1 + self.0.len() / 8);
                }
                self.0.insert(position, entry);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Entry<B>> {
        self.position(id).ok().map(|position| self.0.remove(position))
    }

    pub(crate) fn bodies(&mut self) -> impl Iterator<Item = &mut B> {
        self.0.iter_mut().map(|entry| &mut entry.body)
    }

    fn position(&self, id: &ObjectId) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.head.compare(id))
    }
}
