//! The identity that a binding declares, and its hash.

use std::collections::BTreeMap;

use podidentity_api::{Mechanism, PodIdentityBindingSpec, VerifiedIdentity};
use sha2::{Digest, Sha256};

use crate::settings::{IdentityAnnotation, Settings};

/// The identity that a binding declares for its pods. It never changes; its hash names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredIdentity {
    /// ARN of the role.
    pub role_arn: String,
    /// How pods get the role. With EKS Pod Identity the fields below are `None`.
    pub mechanism: Mechanism,
    /// Audience of the token. `None` if not declared: the audience on the service account, or else
    /// the webhook's default, is expected.
    pub audience: Option<String>,
    /// Lifetime of the token in seconds. `None` if not declared: any lifetime is accepted.
    pub token_expiration: Option<i64>,
    /// Whether SDKs use the regional STS endpoint. `None` if not declared: either is accepted.
    pub sts_regional_endpoints: Option<bool>,
}

impl From<VerifiedIdentity> for DesiredIdentity {
    /// The identity that the status records.
    fn from(identity: VerifiedIdentity) -> Self {
        Self {
            role_arn: identity.role_arn,
            mechanism: identity.mechanism,
            audience: identity.audience,
            token_expiration: identity.token_expiration_seconds,
            sts_regional_endpoints: identity.sts_regional_endpoints,
        }
    }
}

impl From<DesiredIdentity> for VerifiedIdentity {
    fn from(identity: DesiredIdentity) -> Self {
        Self {
            role_arn: identity.role_arn,
            mechanism: identity.mechanism,
            audience: identity.audience,
            token_expiration_seconds: identity.token_expiration,
            sts_regional_endpoints: identity.sts_regional_endpoints,
        }
    }
}

impl DesiredIdentity {
    /// The identity that the spec declares.
    pub fn of(spec: &PodIdentityBindingSpec) -> Self {
        if spec.mechanism == Mechanism::PodIdentity {
            return Self::of_association(&spec.role_arn);
        }
        Self {
            role_arn: spec.role_arn.clone(),
            mechanism: Mechanism::Irsa,
            audience: spec.audience.clone(),
            token_expiration: spec.token_expiration_seconds,
            sts_regional_endpoints: spec.sts_regional_endpoints,
        }
    }

    /// The identity that an association of EKS Pod Identity gives.
    pub fn of_association(role_arn: &str) -> Self {
        Self {
            role_arn: role_arn.to_owned(),
            mechanism: Mechanism::PodIdentity,
            audience: None,
            token_expiration: None,
            sts_regional_endpoints: None,
        }
    }

    /// Whether pods get the role by EKS Pod Identity.
    pub fn is_of_association(&self) -> bool {
        self.mechanism == Mechanism::PodIdentity
    }

    /// What differs from the other identity, in words: the role if it differs, otherwise the other
    /// fields.
    pub fn differences_from(&self, other: &Self) -> String {
        if self.role_arn != other.role_arn {
            return self.role_arn.clone();
        }
        let or_default = |text: Option<String>| text.unwrap_or_else(|| "not declared".to_owned());
        let lifetime = |identity: &Self| identity.token_expiration.map(|seconds| format!("{seconds}"));
        let regional = |identity: &Self| identity.sts_regional_endpoints.map(|regional| format!("{regional}"));
        let parts = [
            ("audience", self.audience.clone(), other.audience.clone()),
            ("tokenExpirationSeconds", lifetime(self), lifetime(other)),
            ("stsRegionalEndpoints", regional(self), regional(other)),
        ];
        let different = parts.into_iter().filter(|(_, own, others)| own != others);
        different.map(|(name, own, _)| format!("{name} {}", or_default(own))).collect::<Vec<_>>().join(" and ")
    }

    /// The annotations of the service account that declare the identity, one for each declared
    /// field. EKS Pod Identity needs none.
    pub fn annotations(&self, settings: &Settings) -> BTreeMap<String, String> {
        let declared = |annotation| Some((settings.annotation(annotation), self.value(annotation)?));
        IdentityAnnotation::ALL.into_iter().filter_map(declared).collect()
    }

    /// The declared value of the annotation; `None` if it is not declared.
    fn value(&self, annotation: IdentityAnnotation) -> Option<String> {
        if self.is_of_association() {
            return None;
        }
        match annotation {
            IdentityAnnotation::RoleArn => Some(self.role_arn.clone()),
            IdentityAnnotation::Audience => self.audience.clone(),
            IdentityAnnotation::TokenExpiration => self.token_expiration.map(|seconds| seconds.to_string()),
            IdentityAnnotation::StsRegionalEndpoints => self.sts_regional_endpoints.map(|it| it.to_string()),
        }
    }

    /// A short hash of the identity for the pod template: the same identity always gives the same
    /// hash. With EKS Pod Identity the hash ignores the role, because pods get a new role without a
    /// restart.
    pub fn hash(&self) -> String {
        if self.is_of_association() {
            return short_hash(self.mechanism.as_str());
        }
        let canonical =
            serde_json::json!([self.role_arn, self.audience, self.token_expiration, self.sts_regional_endpoints]);
        short_hash(&canonical.to_string())
    }
}

/// The first ten hexadecimal digits of the text's SHA-256.
pub(crate) fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(5).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_field_changes_the_hash() {
        let base = DesiredIdentity {
            role_arn: "arn:aws:iam::111122223333:role/a".into(),
            mechanism: Mechanism::Irsa,
            audience: None,
            token_expiration: None,
            sts_regional_endpoints: None,
        };
        let others = [
            DesiredIdentity { role_arn: "arn:aws:iam::111122223333:role/b".into(), ..base.clone() },
            DesiredIdentity { audience: Some("sts.amazonaws.com".into()), ..base.clone() },
            DesiredIdentity { token_expiration: Some(86400), ..base.clone() },
            DesiredIdentity { sts_regional_endpoints: Some(false), ..base.clone() },
            DesiredIdentity::of_association(&base.role_arn),
        ];
        assert!(others.iter().all(|other| other.hash() != base.hash()));
        assert_eq!(base.clone().hash(), base.hash());
    }
}
