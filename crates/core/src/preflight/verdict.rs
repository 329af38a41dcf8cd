//! What an answer means.

use podidentity_api::{PreflightFailure, PreflightResult, Reason};

use crate::foreign::shown;
use crate::step::Question;
use crate::sts::{self, Answer, Code, Refusal};

/// A question, and the verdict on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was asked.
    pub question: Question,
    /// The verdict.
    pub verdict: Verdict,
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// AWS lets the service account assume the role.
    Passed,
    /// AWS does not, or could not be asked.
    Failed {
        /// Whether AWS refused or was unavailable.
        result: PreflightResult,
        /// Reason of the condition.
        reason: Reason,
        /// The answer, its possible causes, and what to do.
        message: String,
    },
}

/// Why there was no token to ask AWS with, in the API server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The operator lacks the RBAC permission.
    Forbidden(String),
    /// An admission policy of the cluster, for example the guard, forbids it.
    Refused(String),
    /// The API server does not answer, or its answer is unusable.
    Trouble(String),
}

impl Verdict {
    /// The verdict on an answer from STS.
    pub fn of_answer(answer: &Answer, asked: &sts::Question<'_>) -> Self {
        let (result, reason) = match answer {
            Answer::Accepted(_) => return Self::Passed,
            Answer::Refused(refusal) => of_refusal(refusal),
            Answer::NotAws(_) | Answer::Unavailable(_) => (PreflightResult::Unavailable, Reason::PreflightUnavailable),
        };
        Self::Failed { result, reason, message: message(answer, asked) }
    }

    /// Reason of the condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Passed => Reason::RoleAssumable,
            Self::Failed { reason, .. } => *reason,
        }
    }

    /// The verdict if the API server issued no token for the service account.
    pub fn no_token(why: &NoToken, namespace: &str, account: &str) -> Self {
        let label = "podidentity.dev/preflight=enabled";
        let (reason, words, advice) = match why {
            NoToken::Forbidden(words) => (
                Reason::TokenRefused,
                words,
                format!(
                    "Give the operator that right: kubectl apply -n {namespace} -k config/preflight/rights, or the chart's \
                     preflight.namespaces."
                ),
            ),
            NoToken::Refused(words) => (
                Reason::TokenRefused,
                words,
                format!(
                    "The guard in config/preflight allows tokens of the audience sts.amazonaws.com, in namespaces that ask \
                     for it: kubectl label namespace {namespace} {label}"
                ),
            ),
            NoToken::Trouble(words) => (Reason::PreflightUnavailable, words, "It is asked again.".to_owned()),
        };
        let message = format!(
            "the API server makes no token of service account {namespace}/{account} for the operator: {}. {advice}",
            shown(words)
        );
        Self::Failed { result: PreflightResult::Unavailable, reason, message }
    }

    /// The verdict if no STS endpoint is known.
    pub fn no_endpoint(why: &str) -> Self {
        let message = format!("AWS was not asked: {why}");
        Self::Failed { result: PreflightResult::Unavailable, reason: Reason::PreflightUnavailable, message }
    }
}

fn of_refusal(refusal: &Refusal) -> (PreflightResult, Reason) {
    if refusal.is_transient() {
        return (PreflightResult::Unavailable, Reason::PreflightUnavailable);
    }
    match refusal.code {
        Code::InvalidIdentityToken => (PreflightResult::Refused, Reason::IdentityProviderRejected),
        Code::ExpiredToken => (PreflightResult::Refused, Reason::TokenRefused),
        // This says nothing about the role: pods may use another region.
        Code::RegionDisabled => (PreflightResult::Unavailable, Reason::StsRegionDisabled),
        Code::AccessDenied | Code::ValidationError | Code::Throttled | Code::IdpCommunication | Code::Other(_) => {
            (PreflightResult::Refused, Reason::RoleNotAssumable)
        }
    }
}

/// AWS's answer, its possible causes, and what to do about each of them.
fn message(answer: &Answer, asked: &sts::Question<'_>) -> String {
    let (url, role, subject) = (asked.request.endpoint.url(), &asked.request.role, shown(&asked.request.subject));
    let said = match answer {
        Answer::Refused(refusal) => format!("{url} does not let {subject} assume {role}: {refusal}."),
        Answer::NotAws(found) => {
            format!("{url} was asked whether {subject} may assume {role}, and answers with {found}.")
        }
        Answer::Unavailable(why) => format!("{url} does not say whether {subject} may assume {role}: {why}."),
        Answer::Accepted(_) => String::new(),
    };
    let causes = sts::explain(answer, asked);
    let many = causes.len() > 1;
    let told = causes.iter().enumerate().map(|(n, cause)| {
        let number = if many { format!("({}) ", n + 1) } else { String::new() };
        format!(" {number}{}. Next: {}.", capital(&cause.what), without_stop(&cause.next))
    });
    let order = if many { " It can mean, the likeliest first:" } else { "" };
    format!("{said}{order}{}", told.collect::<String>())
}

/// The text with its first letter capitalized, unless the first word contains a dot, as names do.
fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    if text.split(' ').next().is_some_and(|word| word.contains('.')) {
        return text.to_owned();
    }
    first.to_uppercase() + rest
}

fn without_stop(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

/// Reasons that a failure can have.
const REASONS: [Reason; 4] =
    [Reason::RoleNotAssumable, Reason::IdentityProviderRejected, Reason::TokenRefused, Reason::StsRegionDisabled];

/// The reason of a recorded failure. An unknown reason comes from another version of the operator
/// and counts as [`Reason::PreflightUnavailable`].
pub(crate) fn reason_of(failed: &PreflightFailure) -> Reason {
    REASONS.into_iter().find(|reason| reason.is(&failed.reason)).unwrap_or(Reason::PreflightUnavailable)
}
