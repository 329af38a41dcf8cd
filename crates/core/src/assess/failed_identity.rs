//! The identity that a rollback takes back, and which workloads have it.

use std::sync::Arc;

use crate::assess::Case;
use crate::desired_identity::DesiredIdentity;
use crate::expectation::Expectation;
use crate::objects::{Pod, Workload};
use crate::restart_mark::RestartMark;
use crate::settings::Settings;
use crate::verify::verify_pod;
use podidentity_api::names;

/// The identity that failed.
pub(super) struct FailedIdentity(Expectation);

impl FailedIdentity {
    /// The identity that the rollback in force takes back.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let rollback = case.rolled_back()?;
        let identity = DesiredIdentity { role_arn: rollback.from.clone(), ..DesiredIdentity::of(&case.binding.spec) };
        Some(Self(Expectation { identity, ..case.expected.clone() }))
    }

    /// Whether the workload was restarted for the identity, or has pods with it.
    pub(super) fn is_on(&self, workload: &Workload, pods: &[Arc<Pod>], settings: &Settings) -> bool {
        let mark = workload.template_annotation(names::IDENTITY_ANNOTATION);
        let has_it = |pod: &Arc<Pod>| verify_pod(pod, Some(&workload.template), &self.0, settings).is_verified();
        mark.is_some_and(|mark| RestartMark::is_for(mark, &self.0.identity.hash())) || pods.iter().any(has_it)
    }
}
