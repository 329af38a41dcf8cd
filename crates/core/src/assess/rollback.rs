//! The return from a failed role to the one that was verified before.

use podidentity_api::{FailurePolicy, PodIdentityBinding, RollbackStatus};

use crate::assess::Case;
use crate::desired_identity::DesiredIdentity;
use crate::role;
use crate::rollout::{Cause, Phase, WorkloadVerdict};

/// The return from a failed role to the previous one.
#[derive(Clone, Debug, PartialEq)]
pub enum Rollback {
    /// The rollback is due. It takes effect once the status has recorded it, so that a crash cannot
    /// lose it.
    Due(RollbackStatus),
    /// The status has recorded the rollback. The previous role is the wanted one.
    InForce(RollbackStatus),
}

impl Rollback {
    /// What the status records about the rollback.
    pub fn recorded(&self) -> &RollbackStatus {
        match self {
            Self::Due(rollback) | Self::InForce(rollback) => rollback,
        }
    }
}

/// The rollback that the status records for the current declaration. If the object behind `roleRef`
/// changes its role, the declaration is a new one, although the generation stays the same.
pub(super) fn recorded_rollback(binding: &PodIdentityBinding) -> Option<RollbackStatus> {
    let recorded = binding.status.as_ref()?.rollback.clone()?;
    let same_role =
        !role::is_indirect(binding) || binding.spec.unresolved.is_some() || recorded.from == binding.spec.role_arn;
    (Some(recorded.generation) == binding.metadata.generation && same_role).then_some(recorded)
}

/// The identity that was verified last.
pub(crate) fn last_verified(binding: &PodIdentityBinding) -> Option<DesiredIdentity> {
    let status = binding.status.as_ref()?;
    Some(status.last_verified_identity.clone()?.into())
}

/// The rollback that is due because the new role does not work. Missed injection is no reason for a
/// rollback: it says nothing about the role.
pub(super) fn due_rollback(case: &Case) -> Option<RollbackStatus> {
    let binding = &case.binding;
    if binding.spec.rollout.on_failure != FailurePolicy::Rollback || binding.spec.suspend {
        return None;
    }
    let is_of_role = |it: &&WorkloadVerdict| matches!(it.phase, Phase::Failed { cause: Cause::NotUp, .. });
    let failed = case.workloads.iter().find(is_of_role)?;
    // A rollback never changes the mechanism: the operator does not control what EKS Pod Identity
    // gives to pods.
    let same_mechanism = |before: &DesiredIdentity| before.mechanism == case.expected.identity.mechanism;
    let before = last_verified(binding).filter(same_mechanism)?;
    (before.hash() != case.expected.identity.hash()).then(|| RollbackStatus {
        generation: binding.metadata.generation.unwrap_or_default(),
        from: case.expected.identity.role_arn.clone(),
        to: before.role_arn,
        message: failed
            .message()
            .map(|it| it.explains(failed.workload.id().to_string()).to_string())
            .unwrap_or_default(),
    })
}
