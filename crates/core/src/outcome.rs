//! What became of a plan.

use crate::account::AccountState;
use crate::assess::Assessment;
use crate::plan::Step;

/// What became of a plan's steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The steps that went well.
    pub done: Vec<Step>,
    /// What went wrong, in the order of the steps.
    pub problems: Vec<Problem>,
    /// Set if an annotation was restored: what another manager had done to it.
    pub restored: Option<String>,
    /// Whether a roll was repeated that another manager had undone.
    pub repeated: bool,
}

/// A step that did not go well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What was to be written, for example `service account default/my-app`.
    pub what: String,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What the API server said.
    pub message: String,
}

/// What kind of problem it is, which is to say: who can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The object has changed since it was observed, or is gone: the next event brings the truth.
    Stale,
    /// Another field manager owns what was to be written.
    Conflict,
    /// The API server refuses the write and will go on doing so: permissions, admission, validation.
    Refused,
    /// The write failed for now: time-out, overload, connection.
    Failed,
}

impl Outcome {
    /// Tells what steps that were carried out meant, given what they were planned on.
    pub fn of(before: &Assessment, done: Vec<Step>, problems: Vec<Problem>) -> Self {
        let Some(case) = &before.case else { return Self { done, problems, ..Self::default() } };
        let annotated = done.iter().any(|step| matches!(step, Step::Annotate { .. }));
        let restored = match &case.account.state {
            AccountState::Outdated { drift, .. } if annotated => drift.clone(),
            _ => None,
        };
        let hash = case.wanted.hash();
        let repeated = done.iter().any(|step| match step {
            Step::Roll { workload, .. } => {
                case.workloads.iter().any(|verdict| verdict.workload.id() == *workload && verdict.is_reverted(&hash))
            }
            Step::Annotate { .. } | Step::SetFinalizer { .. } => false,
        });
        Self { done, problems, restored, repeated }
    }

    /// The first problem of this kind.
    pub fn first(&self, kind: ProblemKind) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.kind == kind)
    }
}
