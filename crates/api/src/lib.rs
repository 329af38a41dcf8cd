//! The `PodIdentityBinding` custom resource and the names that the whole product shares.
//!
//! ```text
//! spec (what the user declares) ──► operator ──► status (what was done and proven)
//! ```
//!
//! [`binding`] has the spec ([`mechanism`], [`role`] and [`window`] parts of it), [`status`] the status, [`crd`] the `CustomResourceDefinition` made of both, and
//! [`names`] every annotation key, label, condition and field manager, [`reason`] every reason.

pub mod names;

pub mod binding;
pub mod crd;
pub mod mechanism;
pub mod reason;
pub mod role;
pub mod status;
pub mod window;

pub use binding::{
    ConflictPolicy, DeletionPolicy, FailurePolicy, InvalidSpec, LabelSelector, PodIdentityBinding,
    PodIdentityBindingSpec, PreflightPolicy, Rollout, RolloutPolicy, SelectorOperator, SelectorRequirement,
};
pub use mechanism::Mechanism;
pub use reason::Reason;
pub use role::{RoleName, RoleRef, Unresolved};
pub use status::{
    FindingSeverity, FindingStatus, PodIdentityBindingStatus, PreflightFailure, PreflightPass, PreflightResult,
    PreflightStatus, RefusedStatus, RestartStatus, RevertedStatus, RollbackStatus, ServiceAccountStatus,
    VerifiedIdentity, WorkloadState, WorkloadStatus,
};
pub use window::{RestartWindow, Weekday};
