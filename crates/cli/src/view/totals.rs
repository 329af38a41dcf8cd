//! Sums over many identities.

use std::fmt;

use podidentity_core::message::counted;
use serde::Serialize;

use super::{State, View};

/// Counts over all views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    pub(crate) bindings: usize,
    /// Service accounts that are annotated without a binding.
    pub(crate) unbound: usize,
    pub(crate) verified: usize,
    pub(crate) working: usize,
    pub(crate) failing: usize,
    pub(crate) idle: usize,
    pub(crate) pods: usize,
    pub(crate) pods_verified: usize,
}

impl Totals {
    pub(crate) fn of(views: &[View]) -> Self {
        let mut totals = Self::default();
        for view in views {
            *if view.binding.is_some() { &mut totals.bindings } else { &mut totals.unbound } += 1;
            *match view.state {
                State::Failing => &mut totals.failing,
                State::Working => &mut totals.working,
                State::Idle => &mut totals.idle,
                State::Verified => &mut totals.verified,
            } += 1;
            totals.pods += view.pods_total;
            totals.pods_verified += view.pods_verified;
        }
        totals
    }
}

/// For example `3 bindings, 1 service account without: 2 verified, 1 failing, 1 without pods; 7 of 8 pods have their role`.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&counted(self.bindings, "binding"))?;
        if self.unbound > 0 {
            write!(f, ", {} annotated without binding", counted(self.unbound, "service account"))?;
        }
        let states = [
            (self.failing, "failing"),
            (self.working, "in progress"),
            (self.verified, "verified"),
            (self.idle, "without pods"),
        ];
        let states = states.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let states: Vec<String> = states.collect();
        if !states.is_empty() {
            write!(f, ": {}", states.join(", "))?;
        }
        write!(f, "; {} of {} pods have their role", self.pods_verified, self.pods)
    }
}
