//! Reasons of conditions and events.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares the reasons with their meanings.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident,)+) => {
        /// The reason of a condition or an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The reason as it stands in a status, for example `RolloutHalted`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

reasons! {
    /// Every live pod has the identity.
    Verified,
    /// No live pod runs as the service account, so there was nothing to verify.
    NoPods,
    /// The service account carries the declared annotations.
    Annotated,
    /// The annotations are being written.
    Annotating,
    /// The binding names a service account that does not exist (yet).
    ServiceAccountNotFound,
    /// Another, older binding owns the service account.
    ServiceAccountClaimed,
    /// Another field manager owns the annotation with another value.
    AnnotationConflict,
    /// Somebody removed or changed our annotation; it was restored.
    AnnotationRemoved,
    /// Another manager keeps changing the annotation; the operator stopped writing.
    Contested,
    /// Waiting for the webhook's cache after annotating.
    Settling,
    /// Workloads are being rolled.
    Rolling,
    /// Workloads wait for a restart window, for their turn, or for their own rollout to finish.
    RolloutPending,
    /// Workloads need a restart that only a person can do: paused, `OnDelete`, below the partition.
    RestartRequired,
    /// `rollout.policy: Manual`: workloads wait for a person's release.
    AwaitingRelease,
    /// `rollout.policy: Never`: workloads need a roll that the operator will not start.
    RolloutDisabled,
    /// All workloads run with the identity.
    Rolled,
    /// A rollout was stopped because a rolled workload failed.
    RolloutHalted,
    /// A failed role is being replaced by the last verified one.
    RollingBack,
    /// A role failed, and the last verified one is in force again.
    RolledBack,
    /// Another manager keeps undoing restarts.
    RolloutReverted,
    /// The API server refuses a restart (event).
    RestartRefused,
    /// The API server would refuse the pods of a workload once the role is injected.
    InjectionRefused,
    /// A workload has fewer pods than it wants, or none.
    PodsMissing,
    /// `rollout.workloadSelector` selects no workload, and pods lack the role.
    NothingSelected,
    /// Pods of a Job keep an earlier role until the Job ends.
    WaitingForJobs,
    /// A rollout was started (event).
    RolloutStarted,
    /// All rollouts finished (event).
    RolloutCompleted,
    /// A pod does not have the identity.
    VerificationFailed,
    /// Pods are being replaced, verification continues.
    Verifying,
    /// The namespace does not grant the role.
    RoleNotAllowed,
    /// The binding's namespace has not been seen, so what it grants is not known.
    NamespaceNotFound,
    /// The operator only shows what it would do (its flag `--dry-run`).
    DryRun,
    /// `spec.suspend` is set.
    Suspended,
    /// The API server refused a write for a reason that only a person can change.
    WriteRefused,
    /// A write failed and is tried again.
    WriteFailed,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The service account was released on deletion (event).
    Released,
    /// The role is being taken from running pods: `deletionPolicy: Revoke`.
    Revoking,
    /// A binding with `deletionPolicy: Revoke` is gone, and pods that the operator cannot restart
    /// keep the role (event).
    RoleKept,
    /// A suspended binding is gone, and everything is left as it is (event).
    Retained,
    /// AWS was asked and lets the service account assume the role.
    RoleAssumable,
    /// AWS was asked and does not let the service account assume the role.
    RoleNotAssumable,
    /// AWS does not accept tokens of this cluster: its identity provider, or the provider's keys.
    IdentityProviderRejected,
    /// The API server makes no token of the service account for the operator, or AWS considers the
    /// token expired.
    TokenRefused,
    /// AWS STS is off in the region that is asked.
    StsRegionDisabled,
    /// AWS could not be asked, or its answer says nothing about the role.
    PreflightUnavailable,
    /// AWS has not been asked yet.
    PreflightPending,
    /// The role was on the service account already, so AWS was not asked.
    NotAsked,
    /// The stored spec is not valid (written before validation existed).
    InvalidSpec,
    /// The ARN of `spec.role` or `spec.roleRef` is not known.
    RoleNotResolved,
}

impl Reason {
    /// The reason that stands in a status or an event; `None` if it is none of the operator's.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// Whether it is the reason that stands in a status or an event.
    pub fn is(self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.as_str().to_owned()
    }
}
