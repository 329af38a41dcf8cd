//! The operator's interpretation of a refused write.

use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::step::Step;

use crate::sim::Refusal;

/// The problem of a step.
pub fn of(step: &Step, refusal: Refusal) -> Problem {
    let workload = match step {
        Step::Restart { workload, .. } => Some(workload.clone()),
        Step::SetFinalizer { .. } | Step::Annotate { .. } | Step::Preflight(_) => None,
    };
    let kind = match refusal {
        Refusal::Stale => ProblemKind::Stale,
        Refusal::Conflict => ProblemKind::Conflict,
        Refusal::Refused => ProblemKind::Refused,
        Refusal::Rewritten => ProblemKind::Rewritten,
        Refusal::Failed => ProblemKind::Failed,
    };
    Problem { workload, what: step.to_string(), kind, message: format!("{refusal:?}") }
}
