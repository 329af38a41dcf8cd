//! One write, as data.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::objects::{Workload, WorkloadId};
use crate::provenance::Provenance;

/// One write. Each is conditional on the object being as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds our finalizer to a binding or removes it.
    SetFinalizer {
        /// The binding.
        binding: Target,
        /// Whether it shall be there.
        present: bool,
    },
    /// Makes exactly these annotations ours on the service account; others that were ours are given
    /// up.
    Annotate {
        /// The service account.
        account: Target,
        /// All annotations that shall be ours; empty gives up all.
        annotations: BTreeMap<String, String>,
        /// Whether to take over what another field manager owns with another value.
        force: bool,
        /// The binding that the annotations are written for, which is written beside them; `None`
        /// where all are given up.
        written_for: Option<Provenance>,
        /// Set if this takes away or replaces a role that was written for another binding, perhaps
        /// for a later declaration than this one: then the declaration is looked up once more.
        declared: Option<Declared>,
    },
    /// Asks AWS whether the service account can assume a role. It writes nothing; the status records the answer, and the
    /// next plan goes by it.
    Preflight(Question),
    /// Sets our pod-template annotation, which makes the workload's controller replace the pods.
    Restart {
        /// Kind and name.
        workload: WorkloadId,
        /// The workload.
        target: Target,
        /// Value of the annotation.
        mark: String,
    },
}

impl Step {
    /// Whether it restarts this workload.
    pub fn is_restart_of(&self, id: &WorkloadId) -> bool {
        match self {
            Self::Restart { workload, .. } => workload == id,
            Self::SetFinalizer { .. } | Self::Annotate { .. } | Self::Preflight(_) => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetFinalizer { binding, present: true } => write!(f, "set finalizer of binding {}", binding.name),
            Self::SetFinalizer { binding, present: false } => write!(f, "remove finalizer of binding {}", binding.name),
            Self::Annotate { account, annotations, .. } if annotations.is_empty() => {
                write!(f, "release service account {}", account.name)
            }
            Self::Annotate { account, annotations, .. } => {
                write!(f, "annotate service account {}: {annotations:?}", account.name)
            }
            Self::Preflight(Question { account, role_arn, .. }) => {
                write!(f, "ask AWS whether service account {} can assume {role_arn}", account.name)
            }
            Self::Restart { workload, mark, .. } => write!(f, "roll {workload} as {mark}"),
        }
    }
}

/// What AWS is asked: whether a token of the service account lets it assume the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The binding that it is asked for.
    pub declared: Declared,
    /// The service account.
    pub account: Target,
    /// The role.
    pub role_arn: String,
    /// Audience of the token.
    pub audience: String,
    /// The cluster's OIDC issuer, where it is known.
    pub issuer: Option<String>,
}

/// What a user declared, as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name of the binding.
    pub binding: String,
    /// Its UID.
    pub uid: String,
    /// Its generation: changes of the spec count, and the deletion, and nothing else.
    pub generation: i64,
}

impl Declared {
    /// The binding as observed.
    pub fn by(meta: &ObjectMeta) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self { binding: text(&meta.name), uid: text(&meta.uid), generation: meta.generation.unwrap_or_default() }
    }
}

/// An object as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name.
    pub name: String,
    /// UID: an object that was deleted and created again is another one.
    pub uid: String,
    /// Resource version: the object has not changed since.
    pub resource_version: String,
}

impl Target {
    /// The object as observed.
    pub fn of(meta: &ObjectMeta) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self { name: text(&meta.name), uid: text(&meta.uid), resource_version: text(&meta.resource_version) }
    }
}

impl Step {
    /// The restart of a workload as it was observed.
    pub(crate) fn restart(workload: &Workload, mark: String) -> Self {
        Self::Restart { workload: workload.id(), target: Target::of(&workload.metadata), mark }
    }
}
