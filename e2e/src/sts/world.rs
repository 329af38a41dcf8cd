//! The state of the double: accounts, the time, and faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The account of the identity provider and the roles.
pub const ACCOUNT: &str = "111122223333";

/// The issuer of the harness's control planes.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Everything that can change while the double runs.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Identity providers by their ARN.
    pub providers: BTreeMap<String, Provider>,
    /// Trust policies of roles by the ARN of the role.
    pub roles: BTreeMap<String, String>,
    /// Accounts for which STS is disabled in this region.
    pub disabled: BTreeSet<String>,
    /// How far AWS's clock is ahead.
    pub clock: SignedDuration,
    /// The wording of refusals.
    pub messages: Messages,
    /// Faults of the next requests, one per request.
    pub faults: VecDeque<Fault>,
    /// The fault of every request after these.
    pub always: Option<Fault>,
}

/// An identity provider of IAM.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its URL: the issuer.
    pub url: String,
    /// The audiences that it knows.
    pub client_ids: Vec<String>,
    /// Whether AWS can get its keys; otherwise only the cluster can fetch them.
    pub has_keys: bool,
}

/// Generations of AWS's messages. AWS guarantees none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// Until mid-2026: separate messages for missing providers and unknown audiences.
    #[default]
    Telling,
    /// Since then: one message for both.
    Terse,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// No response for this long.
    Hang(Duration),
    /// The response breaks off in the middle.
    Truncated,
    /// The page of a proxy, with this status.
    Page(u16),
    /// An empty response with this status.
    Empty(u16),
    /// STS throttles the request.
    Throttled,
    /// STS has an internal error.
    Internal,
    /// STS cannot reach the issuer.
    Issuer,
    /// The response is about this subject.
    OtherSubject(String),
}

/// A received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The requested role.
    pub role: String,
    /// The subject of the token, as far as it is readable.
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

    /// Adds a role with this trust policy, or replaces the role's policy.
    pub fn role(&mut self, arn: &str, policy: &str) {
        self.roles.insert(arn.to_owned(), policy.to_owned());
    }

    /// The fault of the request that has just arrived.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front().or_else(|| self.always.clone())
    }
}

/// A typical trust policy for a service account of one of the harness's control planes.
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
