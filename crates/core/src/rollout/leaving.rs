//! Pods of an Argo Rollout that are on their way out: once a newer template is promoted, they stay
//! for `scaleDownDelaySeconds` and then go by themselves.

use super::{Phase, Wait};
use crate::message::Message;
use crate::verify::JudgedPod;

/// The phase of a workload, given its pods that are on their way out. No restart cures these, and
/// nobody has to do anything about them. Until they are gone, the workload is not done.
pub(super) fn with_leaving(phase: Phase, leaving: &[JudgedPod]) -> Phase {
    let lacking = leaving.iter().find(|judged| !judged.verdict.is_verified());
    match (phase, lacking) {
        (Phase::Current { .. } | Phase::ScaledToZero, Some(judged)) => {
            let what = format!("waits for Pod/{} to go, which is of an earlier template", judged.pod.name());
            Phase::Waiting { on: Wait::Leaving, until: None, message: Some(Message::new(what)) }
        }
        (phase, _) => phase,
    }
}
