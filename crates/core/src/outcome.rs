//! The outcome of a plan.

use crate::account::AccountState;
use crate::assess::Assessment;
use crate::message::Message;
use crate::objects::WorkloadId;
use crate::preflight::Answered;
use crate::restart_record::Records;
use crate::reverts;
use crate::step::Step;

/// What happened to the steps of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The steps that succeeded.
    pub done: Vec<Step>,
    /// What went wrong, in the order of the steps.
    pub problems: Vec<Problem>,
    /// Steps that were planned but not carried out, because the operator only shows what it would
    /// do.
    pub withheld: Vec<Step>,
    /// Set if the operator restored an annotation, now or before the last status could be written:
    /// what another manager had done to the annotation.
    pub restored: Option<String>,
    /// Set if a workload was restarted once more after another manager had undone its last restart.
    pub restarted_again: bool,
    /// What AWS answered, if it was asked.
    pub answered: Option<Answered>,
}

/// A step that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The workload, if the step was a restart.
    pub workload: Option<WorkloadId>,
    /// What was to be written, for example `service account default/my-app`.
    pub what: String,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What the API server said.
    pub message: String,
}

/// The kind of a problem, which decides who can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The object has changed since it was observed, or is gone. The next watch event brings its
    /// current state.
    Stale,
    /// Another field manager owns a field that the step writes.
    Conflict,
    /// The API server accepted the write but stored something else: an admission policy or webhook
    /// changed it.
    Rewritten,
    /// The API server refuses the write and will keep refusing it: permissions, admission,
    /// validation.
    Refused,
    /// The write failed for now: time-out, overload, connection.
    Failed,
}

impl Problem {
    /// The problem as a message, with what to do.
    pub(crate) fn told(&self, action: &str) -> Message {
        Message::new(&self.what).because(&self.message).action(action)
    }
}

impl Outcome {
    /// Evaluates the steps that were carried out, given the assessment that they were planned from.
    pub fn of(before: &Assessment, done: Vec<Step>, problems: Vec<Problem>) -> Self {
        let Some(case) = &before.owner else { return Self { done, problems, ..Self::default() } };
        let annotated = done.iter().any(|step| matches!(step, Step::Annotate { .. }));
        let restored = match &case.account.state {
            AccountState::Outdated { drift, .. } if annotated => drift.clone(),
            _ => None,
        };
        let mut outcome = Self { done, problems, restored, ..Self::default() };
        let (records, hash) = (Records::of(&case.binding), case.expected.identity.hash());
        outcome.restarted_again = case.workloads.iter().any(|verdict| {
            outcome.restarted().contains(&&verdict.workload.id()) && reverts::is_undone(verdict, &records, &hash)
        });
        outcome
    }

    /// Whether the status has to report the outcome even if more steps follow at once.
    pub fn is_worth_telling(&self) -> bool {
        let told = self.restored.is_some() || self.answered.is_some();
        told || !self.problems.is_empty() || !self.restarted().is_empty()
    }

    /// The workloads that were restarted.
    pub fn restarted(&self) -> Vec<&WorkloadId> {
        let restarted = self.done.iter().filter_map(|step| match step {
            Step::Restart { workload, .. } => Some(workload),
            Step::SetFinalizer { .. } | Step::Annotate { .. } | Step::Preflight(_) => None,
        });
        restarted.collect()
    }

    /// Why the API server refused the restart of the workload, or how admission changed it.
    pub fn refused(&self, workload: &WorkloadId) -> Option<&str> {
        let refused = |it: &&Problem| {
            it.workload.as_ref() == Some(workload) && matches!(it.kind, ProblemKind::Refused | ProblemKind::Rewritten)
        };
        self.problems.iter().find(refused).map(|problem| problem.message.as_str())
    }

    /// The first problem of this kind that is not about a restart. The status reports a failed
    /// restart with its workload.
    pub fn first_but_restarts(&self, kind: ProblemKind) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.kind == kind && problem.workload.is_none())
    }

    /// The first problem of this kind.
    pub fn first(&self, kind: ProblemKind) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.kind == kind)
    }
}
