//! The outcome of a question.

use podidentity_core::sts::{Accepted, Answer, Cause, Claims, Keys, Refusal, Request};
use serde::Serialize;

use super::question::Question;
use super::region::Source;
use crate::exit::Exit;
use crate::flags::Target;

/// Whether the role can be assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    Accepted,
    Refused,
    CannotTell,
}

impl Verdict {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Accepted(_) => Self::Accepted,
            Answer::Refused(_) if !answer.is_transient() => Self::Refused,
            Answer::Refused(_) | Answer::NotAws(_) | Answer::Unavailable(_) => Self::CannotTell,
        }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Accepted => Exit::Ok,
            Self::Refused => Exit::Findings,
            Self::CannotTell => Exit::Unreadable,
        }
    }
}

/// The outcome of a question. Contains neither the token nor any credentials.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) namespace: String,
    pub(crate) object: String,
    pub(crate) service_account_name: String,
    pub(crate) role_arn: String,
    pub(crate) endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region_source: Option<Source>,
    /// The claims of the token.
    pub(crate) token: Claims,
    pub(crate) verdict: Verdict,
    pub(crate) answer: Words,
    /// The result of the search for the token's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<Keys>,
    /// The possible causes, the most likely one first.
    pub(crate) causes: Vec<Cause>,
    #[serde(skip)]
    pub(crate) target: Target,
}

/// The answer in the words of AWS, or of whatever answered instead.
#[derive(Debug, Serialize)]
#[serde(tag = "by", rename_all_fields = "camelCase")]
pub(crate) enum Words {
    /// STS issued credentials. They have been dropped.
    #[serde(rename = "AWS")]
    Accepted { assumed_role_arn: String, provider: String, audience: String, request_id: String },
    /// STS refused the request.
    #[serde(rename = "AWS")]
    Refused { code: String, message: String, http: u16, request_id: String },
    /// Something other than AWS answered.
    NotAws { message: String },
    /// Nothing answered.
    Nobody { message: String },
}

impl Words {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Accepted(Accepted { assumed_role, audience, provider, request_id, .. }) => Self::Accepted {
                assumed_role_arn: assumed_role.clone(),
                provider: provider.clone(),
                audience: audience.clone(),
                request_id: request_id.clone(),
            },
            Answer::Refused(refusal) => Self::refused(refusal),
            Answer::NotAws(found) => Self::NotAws { message: found.to_string() },
            Answer::Unavailable(unavailable) => Self::Nobody { message: unavailable.to_string() },
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self::Refused {
            code: refusal.name().line().to_string(),
            message: refusal.message().line().to_string(),
            http: refusal.http,
            request_id: refusal.request_id().line().to_string(),
        }
    }

    /// The answer in short, for a table. For a refusal, the error code of AWS.
    pub(crate) fn short(&self) -> &str {
        match self {
            Self::Accepted { .. } => "",
            Self::Refused { code, .. } => code,
            Self::NotAws { .. } => "not AWS",
            Self::Nobody { .. } => "no answer",
        }
    }
}

impl Outcome {
    pub(super) fn new(
        question: Question,
        request: &Request,
        region_source: Option<Source>,
        token: Claims,
        answer: &Answer,
        keys: Option<Keys>,
        causes: Vec<Cause>,
    ) -> Self {
        Self {
            object: question.target.to_string(),
            namespace: question.namespace,
            service_account_name: question.account,
            role_arn: request.role.to_string(),
            endpoint: request.endpoint.url().to_owned(),
            region: request.endpoint.region().map(ToString::to_string),
            region_source,
            token,
            verdict: Verdict::of(answer),
            answer: Words::of(answer),
            keys,
            causes,
            target: question.target,
        }
    }
}
