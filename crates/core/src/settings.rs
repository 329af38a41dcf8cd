//! The configuration of injection in the cluster.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use podidentity_api::names;

use crate::arn::RoleArn;
use crate::webhook_config::Entries;

/// Settings of the EKS pod identity webhook, with its defaults. They are flags of the operator
/// because a cluster may start the webhook with other values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Domain of the annotations; default `eks.amazonaws.com`.
    pub annotation_domain: String,
    /// Audience of a token if the service account names none; default `sts.amazonaws.com`.
    pub audience: String,
    /// Mount path of the token's volume; default
    /// `/var/run/secrets/eks.amazonaws.com/serviceaccount`.
    pub mount_path: String,
    /// Lifetime of a token in seconds if nothing sets one; default 86400.
    pub token_expiration: i64,
    /// Region to inject; default none.
    pub region: Option<String>,
    /// Whether SDKs use the regional STS endpoint if the service account does not say; default
    /// false.
    pub sts_regional_endpoints: bool,
    /// The account that completes a role's name or path in the annotation to an ARN (the webhook's
    /// `--compose-role-arn`); default none.
    pub compose_role: Option<AwsAccount>,
    /// Entries of the ConfigMap that the webhook watches (its `--watch-config-map`); default none.
    pub entries: Option<Arc<Entries>>,
    /// The AWS account of the roles that `spec.role` of a binding names (`--aws-account`), if it is
    /// known. Not a setting of the webhook.
    pub account: Option<AwsAccount>,
    /// Whether to report a pod without hostNetwork as able to reach the node's role, for clusters
    /// whose nodes do not keep pods from the instance metadata service; default false. Not a
    /// setting of the webhook.
    pub imds_open_to_pods: bool,
}

/// An AWS account, which completes a role's name or path to an ARN. The webhook itself asks the
/// instance metadata service for the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsAccount {
    /// For example `aws`.
    pub partition: String,
    /// 12 digits.
    pub account: String,
}

impl AwsAccount {
    /// The same account in `partition`, unless it names a partition other than `aws`.
    #[must_use]
    pub fn in_partition(self, partition: &str) -> Self {
        let partition = if self.partition == "aws" { partition.to_owned() } else { self.partition };
        Self { partition, ..self }
    }

    /// The ARN of a role of the account. `role`: path and name, for example `team-a/my-role`.
    pub fn role_arn(&self, role: &str) -> String {
        let Self { partition, account } = self;
        format!("arn:{partition}:iam::{account}:role/{role}")
    }
}

/// Reads the name of an AWS partition, for example `aws-cn`.
pub fn partition(text: &str) -> Result<String, String> {
    let arn = format!("arn:{text}:iam::111122223333:role/x").parse::<RoleArn>();
    let advice = "must be an AWS partition, for example aws, aws-cn or aws-us-gov";
    arn.map(|arn| arn.partition().to_owned()).map_err(|_| advice.to_owned())
}

impl FromStr for AwsAccount {
    type Err = String;

    /// Reads `ACCOUNT` or `PARTITION:ACCOUNT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (partition, account) = text.rsplit_once(':').unwrap_or(("aws", text));
        let composed = Self { partition: partition.to_owned(), account: account.to_owned() };
        match composed.role_arn("x").parse::<RoleArn>() {
            Ok(_) => Ok(composed),
            Err(_) => Err(format!(
                "{text:?} is no account: write its 12 digits, or PARTITION:ACCOUNT as in aws-cn:111122223333"
            )),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            annotation_domain: names::EKS_DOMAIN.to_owned(),
            audience: "sts.amazonaws.com".to_owned(),
            mount_path: "/var/run/secrets/eks.amazonaws.com/serviceaccount".to_owned(),
            token_expiration: 86400,
            region: None,
            sts_regional_endpoints: false,
            compose_role: None,
            entries: None,
            account: None,
            imds_open_to_pods: false,
        }
    }
}

/// An annotation of a service account that declares a part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAnnotation {
    /// The role.
    RoleArn,
    /// The audience of the token.
    Audience,
    /// The lifetime of the token.
    TokenExpiration,
    /// Whether SDKs call the regional STS endpoint.
    StsRegionalEndpoints,
}

impl IdentityAnnotation {
    /// All identity annotations.
    pub const ALL: [Self; 4] = [Self::RoleArn, Self::Audience, Self::TokenExpiration, Self::StsRegionalEndpoints];

    /// The annotation's name, without the webhook's domain.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoleArn => "role-arn",
            Self::Audience => "audience",
            Self::TokenExpiration => "token-expiration",
            Self::StsRegionalEndpoints => "sts-regional-endpoints",
        }
    }

    /// The annotation with this name, without the webhook's domain.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|annotation| annotation.name() == name)
    }
}

impl Settings {
    /// The key of an identity annotation, for example `eks.amazonaws.com/role-arn`.
    pub fn annotation(&self, annotation: IdentityAnnotation) -> String {
        self.key(annotation.name())
    }

    /// The key of an annotation or label in the webhook's domain, for example
    /// `eks.amazonaws.com/role-arn`.
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.annotation_domain)
    }

    /// The region that the webhook sets, if it sets one.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref().filter(|region| !region.is_empty())
    }

    /// Whether this value of the annotation `role-arn` makes the webhook inject. If the webhook
    /// completes names, an empty value does so too.
    pub fn names_role(&self, annotated: &str) -> bool {
        !annotated.is_empty() || self.compose_role.is_some()
    }

    /// The role that pods get for this value of the annotation `role-arn`.
    pub fn role<'a>(&self, annotated: &'a str) -> Cow<'a, str> {
        match &self.compose_role {
            Some(account) if !annotated.contains("arn:") => Cow::Owned(account.role_arn(annotated)),
            _ => Cow::Borrowed(annotated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_completed_as_the_webhook_does() {
        let compose_role = Some("aws-cn:111122223333".parse().unwrap());
        let settings = Settings { compose_role, ..Settings::default() };
        for (annotated, role) in [
            ("app", "arn:aws-cn:iam::111122223333:role/app"),
            ("team/app", "arn:aws-cn:iam::111122223333:role/team/app"),
            ("", "arn:aws-cn:iam::111122223333:role/"),
            ("arn:aws:iam::444455556666:role/app", "arn:aws:iam::444455556666:role/app"),
            ("xarn:y", "xarn:y"),
        ] {
            assert_eq!(settings.role(annotated), role);
            assert!(settings.names_role(annotated));
        }
        assert!(!Settings::default().names_role(""));
        for text in ["", "app", "11112222333", "azure:111122223333", "a:b:c"] {
            assert!(text.parse::<AwsAccount>().is_err(), "{text}");
        }
    }
}
