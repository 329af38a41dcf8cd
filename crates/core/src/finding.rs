//! Findings: what is wrong with a pod, how bad it is, and whether a restart would cure it.

pub use podidentity_api::FindingSeverity as Severity;

/// Why a pod does not have the identity, or what is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is described by `summary`
pub enum FindingReason {
    PodPredatesBinding,
    InjectionMissed,
    StaleRole,
    RoleEnvPreset,
    TokenEnvMissing,
    TokenEnvMismatch,
    MountMissing,
    ForeignTokenVolume,
    AudienceMismatch,
    TokenExpirationMismatch,
    StsEndpointMismatch,
    ContainerSkipped,
    WebhookSkipped,
    StaticCredentialsShadow,
    EnvFromOpaque,
    PodIdentityActive,
    NodeRoleReachable,
    TokenMayBeUnreadable,
    RolloutReverted,
    WorkloadUnmanaged,
    WebhookNotFound,
}

/// One thing found in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub reason: FindingReason,
    /// The object, as `Kind/name`.
    pub object: String,
    /// The container, where it is about one.
    pub container: Option<String>,
    /// What was seen, what was wanted, what the pod does meanwhile, and what to do.
    pub message: String,
    /// Whether new pods of the workload's present template would not have it.
    pub roll_cures: bool,
}
