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

/// Binding annotation that releases rollouts under `policy: Manual`: the `metadata.generation` to release; where the role
/// is that of `spec.role` or `spec.roleRef`, `GENERATION/ROLE_ARN`.
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
