//! The `PodIdentityBinding` custom resource and the names that the whole product shares.
//!
//! ```text
//! spec (what the user declares) ──► operator ──► status (what was done and proven)
//! ```
//!
//! [`binding`] has the spec, [`status`] the status, [`crd`] the `CustomResourceDefinition` made of both, and
//! [`names`] every annotation key, label, condition, reason and field manager.

pub mod names;

pub mod binding;
pub mod crd;
pub mod status;

pub use binding::{
    ConflictPolicy, DeletionPolicy, FailurePolicy, LabelSelector, PodIdentityBinding, PodIdentityBindingSpec,
    PreflightPolicy, Rollout, RolloutPolicy, SelectorOperator, SelectorRequirement,
};
pub use status::{
    FindingSeverity, FindingStatus, PodIdentityBindingStatus, PreflightFailure, PreflightPass, PreflightResult,
    PreflightStatus, RefusedStatus, RestartStatus, RevertedStatus, RollbackStatus, ServiceAccountStatus,
    VerifiedIdentity, WorkloadState, WorkloadStatus,
};
