//! What a binding wants of its pods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use podidentity_api::{PodIdentityBindingSpec, VerifiedIdentity};
use sha2::{Digest, Sha256};

use crate::objects::Map;
use crate::settings::Settings;

/// The identity that a binding wants its pods to have, and since when the service account offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// ARN of the role.
    pub role_arn: String,
    /// Audience of the token; `None`: not declared, that of the service account or the webhook's default is expected.
    pub audience: Option<String>,
    /// The audience that somebody else has annotated the service account with, where none is declared.
    pub foreign_audience: Option<String>,
    /// Lifetime of the token in seconds; `None`: not declared, any will do.
    pub token_expiration: Option<i64>,
    /// Regional STS endpoint; `None`: not declared, any will do.
    pub sts_regional_endpoints: Option<bool>,
    /// When the annotations in force were written; `None`: they are not in force, or it is not known.
    pub annotated_at: Option<Timestamp>,
    /// Roles that the binding had before, as far as the status knows.
    pub earlier_roles: Vec<String>,
}

impl Wanted {
    /// What the spec declares.
    pub fn of(spec: &PodIdentityBindingSpec) -> Self {
        Self {
            role_arn: spec.role_arn.clone(),
            audience: spec.audience.clone(),
            foreign_audience: None,
            token_expiration: spec.token_expiration_seconds,
            sts_regional_endpoints: spec.sts_regional_endpoints,
            annotated_at: None,
            earlier_roles: Vec::new(),
        }
    }

    /// What the status remembers of it.
    pub fn identity(&self) -> VerifiedIdentity {
        VerifiedIdentity {
            role_arn: self.role_arn.clone(),
            audience: self.audience.clone(),
            token_expiration_seconds: self.token_expiration,
            sts_regional_endpoints: self.sts_regional_endpoints,
        }
    }

    /// The same with another identity.
    #[must_use]
    pub fn with(self, identity: VerifiedIdentity) -> Self {
        Self {
            role_arn: identity.role_arn,
            audience: identity.audience,
            token_expiration: identity.token_expiration_seconds,
            sts_regional_endpoints: identity.sts_regional_endpoints,
            ..self
        }
    }

    /// What tells it from the other one, in words: the role, or what else differs.
    pub fn told_from(&self, other: &Self) -> String {
        if self.role_arn != other.role_arn {
            return self.role_arn.clone();
        }
        let or_default = |text: Option<String>| text.unwrap_or_else(|| "not declared".to_owned());
        let lifetime = |wanted: &Self| wanted.token_expiration.map(|seconds| format!("{seconds}"));
        let regional = |wanted: &Self| wanted.sts_regional_endpoints.map(|regional| format!("{regional}"));
        let parts = [
            ("audience", self.audience.clone(), other.audience.clone()),
            ("tokenExpirationSeconds", lifetime(self), lifetime(other)),
            ("stsRegionalEndpoints", regional(self), regional(other)),
        ];
        let told = parts.into_iter().filter(|(_, own, others)| own != others);
        told.map(|(name, own, _)| format!("{name} {}", or_default(own))).collect::<Vec<_>>().join(" and ")
    }

    /// The audience that a token has to have. An empty annotation of somebody else asks for a token for the API server,
    /// which AWS never takes: it does not count as wanted, though it is what the webhook gives.
    pub fn effective_audience<'a>(&'a self, settings: &'a Settings) -> &'a str {
        let foreign = self.foreign_audience.as_deref().filter(|audience| !audience.is_empty());
        self.audience.as_deref().or(foreign).unwrap_or(&settings.audience)
    }

    /// The annotations that new pods find on the service account: ours, and what others set beside them.
    pub fn offered(&self, settings: &Settings) -> Map {
        let mut annotations = self.annotations(settings);
        if let Some(audience) = &self.foreign_audience {
            annotations.entry(settings.key("audience")).or_insert_with(|| audience.clone());
        }
        annotations.into_iter().collect()
    }

    /// The annotations of the service account that declare the identity: one for each field that is set.
    pub fn annotations(&self, settings: &Settings) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::from([(settings.key("role-arn"), self.role_arn.clone())]);
        if let Some(audience) = &self.audience {
            annotations.insert(settings.key("audience"), audience.clone());
        }
        if let Some(seconds) = self.token_expiration {
            annotations.insert(settings.key("token-expiration"), seconds.to_string());
        }
        if let Some(regional) = self.sts_regional_endpoints {
            annotations.insert(settings.key("sts-regional-endpoints"), regional.to_string());
        }
        annotations
    }

    /// A short hash of the identity for the pod template: the same identity always gives the same hash.
    pub fn hash(&self) -> String {
        let canonical =
            serde_json::json!([self.role_arn, self.audience, self.token_expiration, self.sts_regional_endpoints]);
        short_hash(&canonical.to_string())
    }
}

/// Ten hexadecimal digits of a text's SHA-256.
pub(crate) fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(5).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_field_changes_the_hash() {
        let base = Wanted {
            role_arn: "arn:aws:iam::111122223333:role/a".into(),
            audience: None,
            foreign_audience: None,
            token_expiration: None,
            sts_regional_endpoints: None,
            annotated_at: None,
            earlier_roles: Vec::new(),
        };
        let others = [
            Wanted { role_arn: "arn:aws:iam::111122223333:role/b".into(), ..base.clone() },
            Wanted { audience: Some("sts.amazonaws.com".into()), ..base.clone() },
            Wanted { token_expiration: Some(86400), ..base.clone() },
            Wanted { sts_regional_endpoints: Some(false), ..base.clone() },
        ];
        assert!(others.iter().all(|other| other.hash() != base.hash()));
        let unhashed = Wanted { annotated_at: Some(Timestamp::UNIX_EPOCH), ..base.clone() };
        assert_eq!(unhashed.hash(), base.hash());
    }
}
