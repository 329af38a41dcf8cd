//! Names that users, other controllers and stored objects depend on. Changing one is a breaking change.

/// Field manager of every server-side apply. Not `kubectl*`: Flux strips what such managers own.
pub const FIELD_MANAGER: &str = "podidentity-operator";

/// Finalizer of bindings whose deletion policy has something to undo.
pub const FINALIZER: &str = "podidentity.dev/release";

/// Pod-template annotation: hash of the identity that the workload was rolled for, see `podidentity_core::hash`.
pub const IDENTITY_ANNOTATION: &str = "podidentity.dev/identity";

/// Service-account annotation: the binding that the identity annotations were written for, as
/// `NAME/UID/GENERATION/HASH`, where HASH is that of the identity.
pub const BOUND_BY_ANNOTATION: &str = "podidentity.dev/bound-by";

/// Binding annotation that releases rollouts under `policy: Manual`: the `metadata.generation` to release.
pub const RELEASE_ANNOTATION: &str = "podidentity.dev/release";

/// Namespace annotation: comma-separated role ARNs, `*` allowed, that bindings of the namespace may use.
pub const ALLOWED_ROLES_ANNOTATION: &str = "podidentity.dev/allowed-role-arns";

/// Namespace label whose value `true` opts in to `config/enforcement`, and pod label whose value `false` opts out of it.
pub const ENFORCE_LABEL: &str = "podidentity.dev/enforce";

/// The annotation domain of the EKS pod identity webhook.
pub const EKS_DOMAIN: &str = "eks.amazonaws.com";

/// Condition types of a binding.
pub mod condition {
    /// All is as declared and proven.
    pub const READY: &str = "Ready";
    /// The service account carries the annotations that the binding declares.
    pub const SERVICE_ACCOUNT_ANNOTATED: &str = "ServiceAccountAnnotated";
    /// No workload waits for a rollout or is in one.
    pub const WORKLOADS_ROLLED: &str = "WorkloadsRolled";
    /// Every live pod has the identity.
    pub const IDENTITY_VERIFIED: &str = "IdentityVerified";
    /// AWS lets the service account assume the role, as far as it was asked. Absent where it is not to be asked.
    pub const ROLE_ASSUMABLE: &str = "RoleAssumable";
    /// Present while the operator works towards the declared state (kstatus).
    pub const RECONCILING: &str = "Reconciling";
    /// Present while only a person can help (kstatus).
    pub const STALLED: &str = "Stalled";
}

/// Reasons of conditions and events.
pub mod reason {
    /// Every live pod has the identity.
    pub const VERIFIED: &str = "Verified";
    /// No live pod runs as the service account, so there was nothing to verify.
    pub const NO_PODS: &str = "NoPods";
    /// The service account carries the declared annotations.
    pub const ANNOTATED: &str = "Annotated";
    /// The annotations are being written.
    pub const ANNOTATING: &str = "Annotating";
    /// The binding names a service account that does not exist (yet).
    pub const SERVICE_ACCOUNT_NOT_FOUND: &str = "ServiceAccountNotFound";
    /// Another, older binding owns the service account.
    pub const SERVICE_ACCOUNT_CLAIMED: &str = "ServiceAccountClaimed";
    /// Another field manager owns the annotation with another value.
    pub const ANNOTATION_CONFLICT: &str = "AnnotationConflict";
    /// Somebody removed or changed our annotation; it was restored.
    pub const ANNOTATION_REMOVED: &str = "AnnotationRemoved";
    /// Another manager keeps changing the annotation; the operator stopped writing.
    pub const CONTESTED: &str = "Contested";
    /// Waiting for the webhook's cache after annotating.
    pub const SETTLING: &str = "Settling";
    /// Workloads are being rolled.
    pub const ROLLING: &str = "Rolling";
    /// Workloads wait for their turn or for their own rollout to finish.
    pub const ROLLOUT_PENDING: &str = "RolloutPending";
    /// Workloads need a restart that only a person can do: paused, `OnDelete`, below the partition.
    pub const RESTART_REQUIRED: &str = "RestartRequired";
    /// `rollout.policy: Manual`: workloads wait for a person's release.
    pub const AWAITING_RELEASE: &str = "AwaitingRelease";
    /// `rollout.policy: Never`: workloads need a roll that the operator will not start.
    pub const ROLLOUT_DISABLED: &str = "RolloutDisabled";
    /// All workloads run with the identity.
    pub const ROLLED: &str = "Rolled";
    /// A rollout was stopped because a rolled workload failed.
    pub const ROLLOUT_HALTED: &str = "RolloutHalted";
    /// A failed role is being replaced by the last verified one.
    pub const ROLLING_BACK: &str = "RollingBack";
    /// A role failed, and the last verified one is in force again.
    pub const ROLLED_BACK: &str = "RolledBack";
    /// Another manager keeps undoing restarts.
    pub const ROLLOUT_REVERTED: &str = "RolloutReverted";
    /// The API server refuses a restart (event).
    pub const RESTART_REFUSED: &str = "RestartRefused";
    /// The API server would refuse the pods of a workload once the role is injected.
    pub const INJECTION_REFUSED: &str = "InjectionRefused";
    /// A workload has fewer pods than it wants, or none.
    pub const PODS_MISSING: &str = "PodsMissing";
    /// `rollout.workloadSelector` selects no workload, and pods lack the role.
    pub const NOTHING_SELECTED: &str = "NothingSelected";
    /// Pods of a Job keep an earlier role until the Job ends.
    pub const WAITING_FOR_JOBS: &str = "WaitingForJobs";
    /// A rollout was started (event).
    pub const ROLLOUT_STARTED: &str = "RolloutStarted";
    /// All rollouts finished (event).
    pub const ROLLOUT_COMPLETED: &str = "RolloutCompleted";
    /// A pod does not have the identity.
    pub const VERIFICATION_FAILED: &str = "VerificationFailed";
    /// Pods are being replaced, verification continues.
    pub const VERIFYING: &str = "Verifying";
    /// The namespace does not grant the role.
    pub const ROLE_NOT_ALLOWED: &str = "RoleNotAllowed";
    /// The binding's namespace has not been seen, so what it grants is not known.
    pub const NAMESPACE_NOT_FOUND: &str = "NamespaceNotFound";
    /// The operator only shows what it would do (its flag `--dry-run`).
    pub const DRY_RUN: &str = "DryRun";
    /// `spec.suspend` is set.
    pub const SUSPENDED: &str = "Suspended";
    /// The API server refused a write for a reason that only a person can change.
    pub const WRITE_REFUSED: &str = "WriteRefused";
    /// A write failed and is tried again.
    pub const WRITE_FAILED: &str = "WriteFailed";
    /// The namespace is being deleted.
    pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
    /// The service account was released on deletion (event).
    pub const RELEASED: &str = "Released";
    /// The role is being taken from running pods: `deletionPolicy: Revoke`.
    pub const REVOKING: &str = "Revoking";
    /// A binding with `deletionPolicy: Revoke` is gone, and pods that the operator cannot restart keep the role (event).
    pub const ROLE_KEPT: &str = "RoleKept";
    /// A suspended binding is gone, and everything is left as it is (event).
    pub const RETAINED: &str = "Retained";
    /// AWS was asked and lets the service account assume the role.
    pub const ROLE_ASSUMABLE: &str = "RoleAssumable";
    /// AWS was asked and does not let the service account assume the role.
    pub const ROLE_NOT_ASSUMABLE: &str = "RoleNotAssumable";
    /// AWS does not take tokens of this cluster: its identity provider, or the provider's keys.
    pub const IDENTITY_PROVIDER_REJECTED: &str = "IdentityProviderRejected";
    /// The API server makes no token of the service account for the operator, or AWS takes the token for expired.
    pub const TOKEN_REFUSED: &str = "TokenRefused";
    /// AWS STS is switched off in the region that is asked.
    pub const STS_REGION_DISABLED: &str = "StsRegionDisabled";
    /// AWS could not be asked, or gave no answer that says anything about the role.
    pub const PREFLIGHT_UNAVAILABLE: &str = "PreflightUnavailable";
    /// AWS has not been asked yet.
    pub const PREFLIGHT_PENDING: &str = "PreflightPending";
    /// The role was on the service account already, so that AWS was not asked.
    pub const NOT_ASKED: &str = "NotAsked";
    /// The stored spec is not valid (written before validation existed).
    pub const INVALID_SPEC: &str = "InvalidSpec";
}
