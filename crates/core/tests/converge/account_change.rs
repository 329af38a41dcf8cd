//! Changes of the service account by its users.

use proptest::prelude::*;

use crate::sim::{AUDIENCE_KEY, Cluster, ROLE_KEY};

const FOREIGN: &str = "arn:aws:iam::111122223333:role/foreign";
const FOREIGN_AUDIENCE: &str = "foreign.example";

/// A change of the service account.
#[derive(Clone, Copy, Debug)]
pub enum AccountChange {
    Deleted,
    /// A backup brings it back.
    Restored,
    /// Somebody removes the annotation.
    Removed(Annotation),
    /// Another manager writes another value.
    Overwritten(Annotation),
    /// Another manager applies the existing value.
    CoOwned(Annotation),
}

/// An annotation of the operator.
#[derive(Clone, Copy, Debug)]
pub enum Annotation {
    Role,
    Audience,
}

impl Annotation {
    fn key(self) -> &'static str {
        match self {
            Self::Role => ROLE_KEY,
            Self::Audience => AUDIENCE_KEY,
        }
    }

    fn foreign_value(self) -> &'static str {
        match self {
            Self::Role => FOREIGN,
            Self::Audience => FOREIGN_AUDIENCE,
        }
    }
}

impl AccountChange {
    pub fn make(self, cluster: &mut Cluster) {
        match self {
            Self::Deleted => cluster.delete_account(),
            Self::Restored => cluster.restore_account(),
            Self::Removed(annotation) => cluster.remove_key(annotation.key()),
            Self::Overwritten(annotation) => {
                cluster.overwrite_key("kubectl-annotate", annotation.key(), annotation.foreign_value());
            }
            Self::CoOwned(annotation) => cluster.co_own_key(annotation.key()),
        }
    }
}

pub fn account_change() -> impl Strategy<Value = AccountChange> {
    let annotation = || prop_oneof![2 => Just(Annotation::Role), 1 => Just(Annotation::Audience)];
    prop_oneof![
        2 => Just(AccountChange::Deleted),
        2 => Just(AccountChange::Restored),
        3 => annotation().prop_map(AccountChange::Removed),
        3 => annotation().prop_map(AccountChange::Overwritten),
        3 => annotation().prop_map(AccountChange::CoOwned),
    ]
}
