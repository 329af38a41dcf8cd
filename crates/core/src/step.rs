//! One write, as data.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::objects::{Workload, WorkloadId};
use crate::provenance::Provenance;

/// One write. It is conditional: the object must be as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds our finalizer to a binding or removes it.
    SetFinalizer {
        /// The binding.
        binding: Target,
        /// Whether to add it.
        present: bool,
    },
    /// Makes exactly these annotations ours on the service account, and releases all others that
    /// were ours.
    Annotate {
        /// The service account.
        account: Target,
        /// The annotations to own; an empty map releases all.
        annotations: BTreeMap<String, String>,
        /// Whether to take over annotations that another field manager owns with other values.
        force: bool,
        /// The binding that the annotations are written for, which an annotation next to them
        /// records; `None` if all are released.
        written_for: Option<Provenance>,
        /// Set if the step removes the annotations, or replaces a role that was written for another
        /// binding. That role may belong to a later declaration, so the declaration is first read
        /// again.
        declared: Option<Declared>,
    },
    /// Asks AWS whether the service account can assume a role. It writes nothing. The status
    /// records the answer, and the next plan uses it.
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
    /// Whether the step restarts this workload.
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

/// A question to AWS: whether a token of the service account lets it assume the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The binding that the question is asked for.
    pub declared: Declared,
    /// The service account.
    pub account: Target,
    /// The role.
    pub role_arn: String,
    /// Audience of the token.
    pub audience: String,
    /// The cluster's OIDC issuer, if it is known.
    pub issuer: Option<String>,
}

/// The declaration of a binding, as observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name of the binding.
    pub binding: String,
    /// UID of the binding.
    pub uid: String,
    /// Generation of the binding, which only changes of the spec and the deletion raise.
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
    /// UID, which changes if the object is deleted and created again.
    pub uid: String,
    /// Resource version, which changes with every change of the object.
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
