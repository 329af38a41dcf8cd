//! What an answer means.

use podidentity_api::names::reason;
use podidentity_api::{PreflightFailure, PreflightResult};

use crate::step::Question;

/// A question that was asked, and how it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was asked.
    pub question: Question,
    /// How it came out.
    pub verdict: Verdict,
}

/// How a question came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// AWS lets the service account assume the role.
    Passed,
    /// It does not, or could not be asked.
    Failed {
        /// Which of the two.
        result: PreflightResult,
        /// CamelCase reason.
        reason: &'static str,
        /// What was said, what it can mean, and what to do.
        message: String,
    },
}

/// Reasons that a failure can have.
const REASONS: [&str; 4] = [
    reason::ROLE_NOT_ASSUMABLE,
    reason::IDENTITY_PROVIDER_REJECTED,
    reason::TOKEN_REFUSED,
    reason::STS_REGION_DISABLED,
];

/// The reason of a failure that was recorded. One that is not known comes from another version of the operator.
pub(crate) fn reason_of(failed: &PreflightFailure) -> &'static str {
    REASONS.into_iter().find(|reason| *reason == failed.reason).unwrap_or(reason::PREFLIGHT_UNAVAILABLE)
}
