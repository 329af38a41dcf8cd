//! The identities whose objects are not packed: those with the latest changes.

use std::collections::VecDeque;

use super::object::IdentityKey;

/// How many identities are hot. In a change of many, an identity has some ten events within
/// seconds; unpacked, it takes about 15 kB.
const HOT: usize = 256;

/// The identities with the latest changes, in the order in which they became hot.
#[derive(Default)]
pub(crate) struct Hot(VecDeque<IdentityKey>);

impl Hot {
    /// Adds an identity that has become hot; returns one that is not hot any more.
    pub(crate) fn add(&mut self, key: IdentityKey) -> Option<IdentityKey> {
        self.0.push_back(key);
        if self.0.len() > HOT { self.0.pop_front() } else { None }
    }
}
