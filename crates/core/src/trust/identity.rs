//! The identity that asks for the role, and the values that its request has for condition keys.

use crate::arn::RoleArn;

use super::operator::Actual;
use super::provider_name;

/// A web identity: the claims of a service account's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// `iss`, for example `https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE`.
    pub issuer: String,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// `aud`, for example `sts.amazonaws.com`.
    pub audience: String,
}

/// The partition and account of a role and of its identity provider, which must be the same for
/// both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) partition: String,
    pub(super) account: String,
}

impl From<&RoleArn> for Home {
    fn from(role: &RoleArn) -> Self {
        Self { partition: role.partition().to_owned(), account: role.account().to_owned() }
    }
}

impl Home {
    /// The ARN of the identity provider with this name.
    pub(super) fn provider(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:oidc-provider/{name}", self.partition, self.account)
    }
}

/// Splits the ARN of an identity provider into partition, account and name.
pub(super) fn provider_parts(arn: &str) -> Option<(&str, &str, &str)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::")?;
    let (account, name) = rest.split_once(":oidc-provider/")?;
    Some((partition, account, name))
}

/// Whether the text is the number of an AWS account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Everything that conditions can refer to.
#[derive(Clone, Debug)]
pub(super) struct Context<'a> {
    pub(super) identity: &'a WebIdentity,
    /// The issuer without `https://`.
    pub(super) provider: &'a str,
    pub(super) home: Option<Home>,
}

/// Keys that only requests of users and roles have, who sign their requests.
const NEVER: [&str; 3] = ["sts:externalid", "aws:multifactorauthpresent", "aws:multifactorauthage"];

impl<'a> Context<'a> {
    pub(super) fn new(identity: &'a WebIdentity, home: Option<Home>) -> Self {
        Self { identity, provider: provider_name(&identity.issuer), home }
    }

    /// The key of a claim of the token, for example `HOST/PATH:sub`.
    pub(super) fn key(&self, claim: &str) -> String {
        format!("{}:{claim}", self.provider)
    }

    /// Whether the key is that of the claim. Names of keys are case-insensitive.
    pub(super) fn is(&self, key: &str, claim: &str) -> bool {
        key.eq_ignore_ascii_case(&self.key(claim))
    }

    pub(super) fn provider_arn(&self) -> Option<String> {
        self.home.as_ref().map(|home| home.provider(self.provider))
    }

    /// The value that the request has for a key.
    pub(super) fn actual(&self, key: &str) -> Actual {
        let lower = key.to_ascii_lowercase();
        if self.is(key, "sub") {
            Actual::Present(self.identity.subject.clone())
        } else if self.is(key, "aud") {
            Actual::Present(self.identity.audience.clone())
        } else if lower == "aws:securetransport" {
            // STS listens on HTTPS only.
            Actual::Present("true".to_owned())
        } else if lower == "aws:federatedprovider" {
            self.provider_arn().map_or(Actual::Unknown, Actual::Present)
        } else if NEVER.contains(&lower.as_str()) {
            Actual::Absent
        } else if ["aws:", "sts:", "iam:"].iter().any(|prefix| lower.starts_with(prefix)) {
            Actual::Unknown
        } else {
            Actual::Absent
        }
    }
}
