//! Verifies pods, container by container: whether an SDK finds the wanted role and a usable token.
//!
//! ```text
//! pod ──► env (as processes see it) ──► token (through mounts) ──► container: problems ──► message: findings
//!                     template ──► injection ──► the same ──► what a restart would leave
//! ```
//!
//! It does not matter who injected the identity, how volumes are named, or where they are mounted.
//! A value that cannot be seen, such as that of a Secret, does not count as proven.

mod association;
mod by_hand;
mod container;
mod env;
mod message;
mod observe;
mod predict;
mod references;
mod refused;
mod region;
mod sdk;
mod shadow;
mod size;
mod sts;
mod token;

pub use crate::foreign::shown;
pub use by_hand::{AccountOf, verify_by_hand};
pub use env::Seen;
pub use observe::{Observed, Source, SourceKind, SourceState, TokenSeen, observe, renewed_after};
pub(crate) use references::read as variables_that_are_read;
pub(crate) use refused::next_pod_refusal;
pub use refused::{left_alone, next_pod_refused, pod_refused};
pub(crate) use shadow::is_of_profiles;

use container::{Judge, Problem};
use message::Words;
use predict::Prediction;
use size::is_too_large;

use std::sync::Arc;

use jiff::Timestamp;

use crate::expectation::Expectation;
use crate::finding::{Finding, Severity};
use crate::injection::Target;
use crate::objects::{Container, Pod, PodTemplate};
use crate::settings::Settings;

/// What was found in one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodVerdict {
    /// Worst first. Within a severity, findings of the whole pod come first, then the order is by
    /// container and reason.
    pub findings: Vec<Finding>,
}

impl PodVerdict {
    /// Whether the pod is proven to have the identity: no finding is an error.
    pub fn is_verified(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// Whether a restart would fix a finding that is worth one.
    pub fn restart_cures(&self) -> bool {
        self.findings.iter().any(|finding| finding.restart_cures && finding.severity != Severity::Info)
    }
}

/// A live pod and what was found in it.
#[derive(Clone, Debug)]
pub struct JudgedPod {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What was found.
    pub verdict: PodVerdict,
}

impl JudgedPod {
    /// When the pod was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// Whether the pod has all that injection should give it: it is verified, and a restart would
    /// not change it either.
    pub fn has_all(&self) -> bool {
        self.verdict.is_verified() && !self.verdict.restart_cures()
    }
}

/// Judges a pod. `template`: the current template of the pod's workload; without one, a restart
/// fixes nothing. Ephemeral containers do not count, because the webhook never handles them.
pub fn verify_pod(
    pod: &Pod,
    template: Option<&PodTemplate>,
    expected: &Expectation,
    settings: &Settings,
) -> PodVerdict {
    let words = Words { pod, expected, settings, has_template: template.is_some(), account: None };
    if is_too_large(&pod.spec) {
        return PodVerdict { findings: vec![words.too_large()] };
    }
    let target = Target::from(pod);
    let judge = Judge::new(target, expected, settings);
    let prediction = Prediction::new(template, expected, settings);

    let mut found: Vec<(Option<usize>, Finding)> = Vec::new();
    let mut skipped = false;
    let containers = pod.spec.all_containers();
    for (index, container) in containers.enumerate() {
        for problem in judge.problems(container) {
            if problem == Problem::SkippedPod {
                skipped = true;
                continue;
            }
            let (preset, restart_cures) = outcome(&problem, container, &prediction, &words);
            found.push((Some(index), words.finding(&problem, container, preset, restart_cures)));
        }
    }
    let of_pod = words.of_pod(skipped).into_iter();
    found.extend(of_pod.map(|finding| (None, finding)));
    found.sort_by_key(|(index, finding)| (finding.severity, *index, finding.reason));
    PodVerdict { findings: found.into_iter().map(|(_, finding)| finding).collect() }
}

/// Whether the template itself sets the wrong role, and whether a restart fixes the problem.
fn outcome(problem: &Problem, container: &Container, prediction: &Prediction<'_>, words: &Words<'_>) -> (bool, bool) {
    let name = &container.name;
    let preset = match problem {
        Problem::RoleDiffers(seen) => match prediction.sets_wrong_role(name) {
            Some(sets) => sets,
            None => !words.was_injected(seen, container),
        },
        _ => false,
    };
    let cures = match problem {
        Problem::Lifetime { .. } | Problem::StsEndpoint(_) | Problem::StsEndpointUnknown(_) => {
            prediction.cures(name, Some(problem))
        }
        // While the association exists, new pods get its credentials again.
        Problem::PodIdentity => words.expected.left_association && prediction.cures(name, None),
        _ if problem.is_error() => prediction.cures(name, None),
        _ => false,
    };
    (preset, cures)
}
