//! Possible causes of an answer in order of likelihood, how to tell them apart, and what to do
//! next.

use serde::Serialize;

use super::answer::Answer;
use super::claims::Claims;
use super::keys::Keys;
use super::refusal::{Code, Refusal};
use super::request::Request;
use super::{rejected, unanswered};
use crate::foreign::shown;
use crate::trust::provider_name;

/// A possible cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Name for programs, for example `TrustPolicy`.
    pub reason: &'static str,
    /// What is wrong, if this is the cause.
    pub what: String,
    /// How to tell this cause from the others.
    pub tells: String,
    /// What to do: a command, or a sentence.
    pub next: String,
}

/// What was asked, and what else is known besides the answer.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The request.
    pub request: &'a Request,
    /// The claims of the token that was sent.
    pub claims: &'a Claims,
    /// The namespace of the service account.
    pub namespace: &'a str,
    /// How the plugin's commands name the object, for example `sa/web`.
    pub object: &'a str,
    /// The result of looking up the token's key, if somebody has looked it up.
    pub keys: Option<&'a Keys>,
}

impl Question<'_> {
    /// The name of the role, for IAM commands.
    pub(super) fn role_name(&self) -> &str {
        self.request.role.role().rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn account(&self) -> &str {
        self.request.role.account()
    }

    /// The audience of the token.
    pub(super) fn audience(&self) -> &str {
        self.claims.audiences.first().map_or("", String::as_str)
    }

    /// The ARN of the identity provider that the role's account has to have.
    pub(super) fn provider_arn(&self) -> String {
        let role = &self.request.role;
        let name = provider_name(&self.claims.issuer);
        format!("arn:{}:iam::{}:oidc-provider/{name}", role.partition(), role.account())
    }

    /// A command of the plugin.
    pub(super) fn plugin(&self, command: &str) -> String {
        format!("kubectl podidentity {command} -n {} {}", self.namespace, self.object)
    }
}

/// A word of a command line, in quotes if a shell would not read it as one plain word.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=".contains(c);
    let text = shown(text);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The possible causes of an answer, the likeliest first; none if the role can be assumed.
pub fn explain(answer: &Answer, question: &Question<'_>) -> Vec<Cause> {
    match answer {
        Answer::Accepted(_) => Vec::new(),
        Answer::Refused(refusal) => refused(refusal, question),
        Answer::NotAws(found) => unanswered::not_aws(found, question),
        Answer::Unavailable(unavailable) => unanswered::unavailable(unavailable.why, question),
    }
}

fn refused(refusal: &Refusal, question: &Question<'_>) -> Vec<Cause> {
    match &refusal.code {
        Code::AccessDenied => denied(refusal, question),
        Code::InvalidIdentityToken => rejected::causes(refusal, question),
        Code::ExpiredToken => rejected::expired(refusal, question),
        Code::ValidationError => invalid(question),
        Code::RegionDisabled => vec![region_disabled(question)],
        Code::IdpCommunication => vec![rejected::keys(question)],
        Code::Throttled => vec![unanswered::busy(question)],
        Code::Other(_) if refusal.http >= 500 => vec![unanswered::trouble(question)],
        Code::Other(_) => vec![unknown(refusal)],
    }
}

/// Orders causes: first those that facts or hints support, last those that facts contradict.
pub(super) fn ordered(mut causes: Vec<(Weight, Cause)>) -> Vec<Cause> {
    causes.sort_by_key(|(weight, _)| *weight);
    causes.into_iter().map(|(_, cause)| cause).collect()
}

/// How well a cause is supported. The strongest support comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// A fact that was looked up supports it.
    Fact,
    /// The wording of AWS's message supports it. AWS may change that wording.
    Hint,
    /// Only experience supports it.
    Usual,
    /// A fact that was looked up contradicts it.
    Unlikely,
}

impl Weight {
    pub(super) fn hinted(hinted: bool) -> Self {
        if hinted { Self::Hint } else { Self::Usual }
    }
}

fn denied(refusal: &Refusal, question: &Question<'_>) -> Vec<Cause> {
    let (role, name, account) = (&question.request.role, question.role_name(), question.account());
    let policy = Cause {
        reason: "TrustPolicy",
        what: format!(
            "the trust policy of the role does not let {} in: it names another service account, audience or identity \
             provider",
            shown(&question.request.subject)
        ),
        tells: format!("the role exists in account {account}, and the next command does not say Allow"),
        next: format!("aws iam get-role --role-name {name} | {} -f -", question.plugin("trust")),
    };
    let missing = Cause {
        reason: "RoleMissing",
        what: format!("there is no role {role}: AWS refuses in the same words as for a policy that does not fit"),
        tells: "get-role answers NoSuchEntity, or prints another ARN: the path of a role is part of its ARN".to_owned(),
        next: format!("aws iam get-role --role-name {name} --query Role.Arn --output text"),
    };
    let recent = Cause {
        reason: "RecentChange",
        what: "the role or its policy has just changed, and AWS has not spread the change yet".to_owned(),
        tells: "the change is less than some minutes old, and the same question is accepted later".to_owned(),
        next: question.plugin("probe"),
    };
    let above = Cause {
        reason: "DeniedAbove",
        what: "something beside the trust policy denies it: a resource control policy of the organization, or the \
               policy of a VPC endpoint"
            .to_owned(),
        tells: "the trust policy allows it, and it is refused all the same".to_owned(),
        next: format!(
            "Show whoever looks after the organization and the VPC endpoint the ID of the request, the role and \
             sts:AssumeRoleWithWebIdentity; CloudTrail of account {account} has the request too."
        ),
    };
    let explicit = Weight::hinted(refusal.hints("explicit deny"));
    ordered(vec![(Weight::Usual, policy), (Weight::Usual, missing), (Weight::Usual, recent), (explicit, above)])
}

fn invalid(question: &Question<'_>) -> Vec<Cause> {
    let role = &question.request.role;
    let not_a_role = Cause {
        reason: "NotARole",
        what: format!("AWS does not take {role} for the ARN of a role"),
        tells: "the message speaks of an ARN".to_owned(),
        next: format!("aws iam get-role --role-name {} --query Role.Arn --output text", question.role_name()),
    };
    let request = Cause {
        reason: "Request",
        what: "AWS does not take another part of the request, which is a fault of this product".to_owned(),
        tells: "the message speaks of something else".to_owned(),
        next: "Report it, with the message and the ID of the request.".to_owned(),
    };
    vec![not_a_role, request]
}

fn region_disabled(question: &Question<'_>) -> Cause {
    let region = question.request.endpoint.region().map_or("the region", |region| region.as_str());
    Cause {
        reason: "RegionDisabled",
        what: format!("STS is switched off in {region} for account {}", question.account()),
        tells: "IAM's account settings list the regions in which STS is active".to_owned(),
        next: format!(
            "Activate STS for {region} in IAM's account settings, or have the pods use another region; {} --region \
             REGION asks there.",
            question.plugin("probe")
        ),
    }
}

fn unknown(refusal: &Refusal) -> Cause {
    Cause {
        reason: "Unknown",
        what: format!("AWS answers with a code that has no explanation here: {}", refusal.name().line()),
        tells: "the message of AWS".to_owned(),
        next: "Look the code up among the common errors of the AWS STS API Reference.".to_owned(),
    }
}
