//! Another field manager that owns an identity annotation, and when the operator overwrites it.

use jiff::Timestamp;
use podidentity_api::{ConflictPolicy, names};

use super::value;
use crate::field_manager::ManagerKind;
use crate::objects::{ServiceAccount, field_owners};

/// Another field manager's value in place of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignOwner {
    /// Annotation key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The field manager; empty if `managedFields` names none.
    pub manager: String,
    /// When the manager last wrote.
    pub time: Option<Timestamp>,
    /// Whether the operator owns the annotation too: both wrote the same value.
    pub is_shared: bool,
}

/// A field manager, in words.
pub(super) fn named(manager: &str) -> String {
    if manager.is_empty() { "an unknown field manager".to_owned() } else { format!("field manager {manager}") }
}

impl ForeignOwner {
    /// The field manager, in words.
    pub fn named(&self) -> String {
        named(&self.manager)
    }

    /// Whether the operator takes the annotation over. `TakeOver` covers only a shared value, which
    /// was the declared value when the operator wrote it.
    pub(super) fn is_taken_over(&self, policy: ConflictPolicy) -> bool {
        match policy {
            ConflictPolicy::Report => false,
            ConflictPolicy::TakeOver => self.is_shared,
            ConflictPolicy::Override => true,
        }
    }

    /// What a person can do about it.
    pub fn advice(&self) -> String {
        // The narrower policy is enough for a value that both wrote.
        let policy = if self.is_shared { "TakeOver" } else { "Override" };
        ManagerKind::of(&self.manager).advice(policy)
    }
}

/// The other owner of the annotation, alone or together with the operator. `None` if the annotation
/// is absent or only the operator owns it.
pub(super) fn foreign_owner(account: &ServiceAccount, key: &str) -> Option<ForeignOwner> {
    let value = value(account, key)?.to_owned();
    let others: Vec<_> = field_owners(&account.metadata, key, false).collect();
    if others.len() == 1 && others[0].manager == names::FIELD_MANAGER {
        return None;
    }
    let is_shared = others.iter().any(|owner| owner.manager == names::FIELD_MANAGER);
    let other = others.into_iter().find(|owner| owner.manager != names::FIELD_MANAGER);
    let (manager, time) = other.map_or_else(|| (String::new(), None), |owner| (owner.manager, owner.time));
    Some(ForeignOwner { key: key.to_owned(), value, manager, time, is_shared })
}
