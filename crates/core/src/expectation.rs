//! What pods are expected to have.

use jiff::Timestamp;

use crate::desired_identity::DesiredIdentity;
use crate::injection::{AGENT_AUDIENCE, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, Given, ROLE_ARN, TOKEN_FILE};
use crate::objects::Map;
use crate::settings::{IdentityAnnotation, Settings};

/// What pods are expected to have: the desired identity, and since when and with what else the
/// service account offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The desired identity.
    pub identity: DesiredIdentity,
    /// The audience that somebody else has annotated the service account with, where none is
    /// declared.
    pub foreign_audience: Option<String>,
    /// When the annotations in force were written; `None`: they are not in force, or it is not
    /// known.
    pub annotated_at: Option<Timestamp>,
    /// Roles that the binding had before, as far as the status knows.
    pub earlier_roles: Vec<String>,
    /// Whether pods were proven to get the role by EKS Pod Identity before, and are to get it by IRSA now: then the
    /// association is taken for deleted.
    pub left_association: bool,
}

impl From<DesiredIdentity> for Expectation {
    /// The identity alone: not annotated yet, nothing beside it, nothing before it.
    fn from(identity: DesiredIdentity) -> Self {
        Self {
            identity,
            foreign_audience: None,
            annotated_at: None,
            earlier_roles: Vec::new(),
            left_association: false,
        }
    }
}

impl Expectation {
    /// The audience that a token has to have. An empty annotation of somebody else asks for a token
    /// for the API server, which AWS never takes: nobody expects it, though the webhook gives it.
    pub fn effective_audience<'a>(&'a self, settings: &'a Settings) -> &'a str {
        if self.identity.is_of_association() {
            return AGENT_AUDIENCE;
        }
        let foreign = self.foreign_audience.as_deref().filter(|audience| !audience.is_empty());
        self.identity.audience.as_deref().or(foreign).unwrap_or(&settings.audience)
    }

    /// The annotations that new pods find on the service account: ours, and what others set beside
    /// them.
    pub fn offered(&self, settings: &Settings) -> Map {
        let mut annotations = self.identity.annotations(settings);
        if let Some(audience) = &self.foreign_audience {
            annotations.entry(settings.annotation(IdentityAnnotation::Audience)).or_insert_with(|| audience.clone());
        }
        annotations.into_iter().collect()
    }

    /// What new pods are injected by, where the service account has these annotations.
    pub fn given<'a>(&self, annotations: &'a Map) -> Given<'a> {
        if self.identity.is_of_association() {
            Given::Association(annotations)
        } else {
            Given::Annotations(annotations)
        }
    }

    /// The two variables by which SDKs find the role: of the second one the value is the token's file.
    pub fn variables(&self) -> [&'static str; 2] {
        if self.identity.is_of_association() {
            [CREDENTIALS_URI, AUTHORIZATION_TOKEN_FILE]
        } else {
            [ROLE_ARN, TOKEN_FILE]
        }
    }
}
