//! What became of a plan.

/// What became of a plan's steps: nothing to say where all went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What went wrong, in the order of the steps.
    pub problems: Vec<Problem>,
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
    /// The first problem of this kind.
    pub fn first(&self, kind: ProblemKind) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.kind == kind)
    }
}
