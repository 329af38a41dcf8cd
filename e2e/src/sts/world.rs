//! What the double knows: accounts, the time, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The account of the identity provider and the roles.
pub const ACCOUNT: &str = "111122223333";

/// The issuer of the harness's control planes.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// All that can be changed while the double runs.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Identity providers by their ARN.
    pub providers: BTreeMap<String, Provider>,
    /// Trust policies of roles by the ARN of the role.
    pub roles: BTreeMap<String, String>,
    /// Accounts for which STS is switched off here.
    pub disabled: BTreeSet<String>,
    /// How much the clock of AWS is ahead.
    pub clock: SignedDuration,
    /// In which words it refuses.
    pub messages: Messages,
    /// What goes wrong next: each fault with one request.
    pub faults: VecDeque<Fault>,
    /// What goes wrong with every request after these.
    pub always: Option<Fault>,
}

/// An identity provider of IAM.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its URL: the issuer.
    pub url: String,
    /// The audiences that it knows.
    pub client_ids: Vec<String>,
    /// Whether AWS has its keys; otherwise nobody outside of the cluster can fetch them.
    pub has_keys: bool,
}

/// Generations of AWS's messages. Nobody promises any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// Until mid-2026: missing providers and unknown audiences are told apart.
    #[default]
    Telling,
    /// Since then: one message for both.
    Terse,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// No answer for so long.
    Hang(Duration),
    /// The answer breaks off in the middle.
    Truncated,
    /// The page of a proxy, with this status.
    Page(u16),
    /// Nothing, with this status.
    Empty(u16),
    /// STS is asked too much.
    Throttled,
    /// STS has trouble.
    Internal,
    /// STS cannot reach the issuer.
    Issuer,
    /// The answer is about this subject.
    OtherSubject(String),
}

/// A request that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The role that is asked for.
    pub role: String,
    /// Whose token it is, as far as that can be read.
    pub subject: String,
    /// The name of the session.
    pub session: String,
    /// `Accepted`, the code of the error, or what went wrong.
    pub outcome: String,
}

impl World {
    /// The time of AWS.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + self.clock
    }

    /// Adds the identity provider of an issuer to an account, with the usual audience.
    pub fn provider(&mut self, account: &str, issuer: &str) {
        let provider =
            Provider { url: issuer.to_owned(), client_ids: vec!["sts.amazonaws.com".to_owned()], has_keys: true };
        self.providers.insert(provider_arn(account, issuer), provider);
    }

    /// Adds a role with this trust policy, or gives it another one.
    pub fn role(&mut self, arn: &str, policy: &str) {
        self.roles.insert(arn.to_owned(), policy.to_owned());
    }

    /// What goes wrong with the request that has just come in.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front().or_else(|| self.always.clone())
    }
}

/// A trust policy as people write it, for a service account of a control plane of the harness.
pub fn trust_policy(namespace: &str, account: &str) -> String {
    let host = ISSUER.trim_start_matches("https://");
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(ACCOUNT, ISSUER)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{host}:aud"): "sts.amazonaws.com",
            format!("{host}:sub"): format!("system:serviceaccount:{namespace}:{account}"),
        }},
    }]})
    .to_string()
}

/// The ARN of the identity provider of an issuer.
pub(super) fn provider_arn(account: &str, issuer: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{}", issuer.trim_start_matches("https://"))
}
