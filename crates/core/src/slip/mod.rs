//! Slips: annotations and labels that are meant to give a role, but do not have that effect.
//!
//! ```text
//! annotations of account, template, namespace ──► keys (what a key says) ──► rules ──► Slip ──► lint, explain, status,
//!                                                                                              operator
//! ```
//!
//! The rules read text alone, so they apply to manifests as well as to a cluster.
//! [`SlipReason::entry`] describes each slip.

mod account;
mod cluster;
mod entries;
mod keys;
mod names;
mod place;
mod s3a;
mod stray;
mod value;

pub use account::{Holder, of_account};
pub(crate) use cluster::findings;
pub use cluster::{means_role, not_looked_into, of_snapshot, template_means_role};
pub use entries::of_entries;
pub(crate) use keys::concerns;
pub use names::{Forgot, NameMatches, Namer, not_found, unused};
pub use place::{Given, Place, of_place, of_pod};
pub use s3a::{S3Setting, SparkMap, is_s3_setting, of_s3_settings};
pub use stray::{
    NamesAccount, common_annotation, field_of_kind, kind, repeated, split_key, stray_annotation, stray_name,
    stray_value, two_names,
};
pub use value::{audience, empty_audience, not_text, partition};

pub use crate::finding::{Entry, SlipReason, slip_reference as reference};
use crate::finding::{Finding, FindingReason, Severity};
use crate::message::Message;

/// A slip that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Its severity in this place.
    pub severity: Severity,
    /// Which slip it is.
    pub reason: SlipReason,
    /// Where it is in the object.
    pub at: At,
    /// What was seen, and its effect.
    pub seen: String,
    /// What to do.
    pub next: String,
}

/// Where a slip is in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The annotation of this key.
    Annotation(String),
    /// The label of this key.
    Label(String),
    /// The object as a whole.
    Object,
}

impl Slip {
    fn new(reason: SlipReason, at: At, seen: String, next: String) -> Self {
        Self { severity: reason.entry().severity, reason, at, seen, next }
    }

    /// The same slip, with a severity other than its usual one.
    fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// What was seen, and what to do.
    pub fn message(&self) -> Message {
        Message::new(&self.seen).action(&self.next)
    }

    /// The slip as a finding. `object`: the object that it is in, as `Kind/name`.
    pub fn finding(&self, object: &str) -> Finding {
        Finding {
            severity: self.severity,
            reason: FindingReason::Slip(self.reason),
            object: object.to_owned(),
            container: None,
            message: self.message(),
            restart_cures: false,
        }
    }
}
