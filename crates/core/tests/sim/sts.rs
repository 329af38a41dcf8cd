//! AWS STS, and the token that it is asked with.

use std::collections::BTreeSet;

use jiff::Timestamp;
use podidentity_api::PreflightResult;
use podidentity_api::names::reason;
use podidentity_core::preflight::{Answered, Verdict};
use podidentity_core::step::Question;

use super::Cluster;

/// What AWS makes of questions, and which there were.
#[derive(Clone, Debug, Default)]
pub struct Sts {
    /// Roles that nobody can assume.
    pub refuses: BTreeSet<String>,
    /// Whether nobody answers.
    pub away: bool,
    /// Whether the API server makes no tokens for the operator.
    pub no_tokens: bool,
    /// All questions.
    pub asked: Vec<Asked>,
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Timestamp,
    pub question: Question,
    pub passed: bool,
}

impl Cluster {
    /// Asks AWS with a token of the service account as it is now.
    pub fn ask(&mut self, question: &Question) -> Answered {
        let sts = &mut self.sts;
        let role = &question.role_arn;
        let failed = |result, reason, message: &str| Verdict::Failed { result, reason, message: message.to_owned() };
        let verdict = if sts.no_tokens {
            failed(PreflightResult::Unavailable, reason::TOKEN_REFUSED, "The API server makes no token.")
        } else if sts.away {
            failed(PreflightResult::Unavailable, reason::PREFLIGHT_UNAVAILABLE, "AWS STS does not answer.")
        } else if sts.refuses.contains(role) {
            failed(PreflightResult::Refused, reason::ROLE_NOT_ASSUMABLE, "AWS says AccessDenied.")
        } else {
            Verdict::Passed
        };
        let passed = verdict == Verdict::Passed;
        sts.asked.push(Asked { at: self.now, question: question.clone(), passed });
        Answered { question: question.clone(), verdict }
    }
}
