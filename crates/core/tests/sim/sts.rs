//! AWS STS, and the token of the question.

use std::collections::BTreeSet;

use jiff::Timestamp;
use podidentity_core::preflight::{Answered, NoToken, Verdict};
use podidentity_core::step::Question;
use podidentity_core::sts::{self, Answer, Claims, Endpoint, Request, Unavailable, Unreachable};

use super::{ACCOUNT, Cluster, NAMESPACE};

/// How AWS answers, and which questions it received.
#[derive(Clone, Debug, Default)]
pub struct Sts {
    /// Roles that no one can assume.
    pub refuses: BTreeSet<String>,
    /// Whether AWS does not answer.
    pub away: bool,
    /// Whether the API server creates no tokens for the operator.
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
    /// Asks AWS with a token of the service account in its current state.
    pub fn ask(&mut self, question: &Question) -> Answered {
        let verdict = self.sts.verdict(question);
        let passed = verdict == Verdict::Passed;
        self.sts.asked.push(Asked { at: self.now, question: question.clone(), passed });
        Answered { question: question.clone(), verdict }
    }
}

impl Sts {
    fn verdict(&self, question: &Question) -> Verdict {
        if self.no_tokens {
            let words = "serviceaccounts \"my-app\" is forbidden: cannot create resource \"serviceaccounts/token\"";
            return Verdict::no_token(&NoToken::Forbidden(words.to_owned()), NAMESPACE, ACCOUNT);
        }
        let subject = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        let request = Request {
            role: question.role_arn.parse().unwrap(),
            subject: subject.clone(),
            session: "podidentity-preflight".parse().unwrap(),
            endpoint: Endpoint::custom("https://sts.eu-central-1.amazonaws.com", None).unwrap(),
        };
        let claims = Claims {
            key_id: None,
            algorithm: "RS256".to_owned(),
            issuer: "https://issuer.example.com".to_owned(),
            subject,
            audiences: vec![question.audience.clone()],
            issued_at: None,
            expires_at: None,
        };
        let binding = format!("pib/{}", question.declared.binding);
        let asked =
            sts::Question { request: &request, claims: &claims, namespace: NAMESPACE, object: &binding, keys: None };
        Verdict::of_answer(&self.answer(&request), &asked)
    }

    fn answer(&self, request: &Request) -> Answer {
        if self.away {
            return Answer::Unavailable(Unavailable::new(Unreachable::TimedOut, "no answer within 10s"));
        }
        if self.refuses.contains(request.role.as_str()) {
            return Answer::read(request, 403, None, REFUSAL.as_bytes());
        }
        let role = request.role.as_str().replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
        let accepted = ACCEPTED.replace("{role}", &role).replace("{subject}", &request.subject);
        Answer::read(request, 200, None, accepted.as_bytes())
    }
}

const REFUSAL: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform \
                       sts:AssumeRoleWithWebIdentity</Message></Error><RequestId>1-2-3</RequestId></ErrorResponse>";

const ACCEPTED: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
                        <SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken>\
                        <AssumedRoleUser><Arn>{role}/podidentity-preflight</Arn></AssumedRoleUser>\
                        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
