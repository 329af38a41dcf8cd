//! What pods are expected to have.

use jiff::Timestamp;

use crate::desired_identity::DesiredIdentity;
use crate::injection::{AGENT_AUDIENCE, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, Given, ROLE_ARN, TOKEN_FILE};
use crate::objects::Map;
use crate::settings::{IdentityAnnotation, Settings};

/// What pods are expected to have: the desired identity, since when the service account offers it,
/// and what else the service account sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The desired identity.
    pub identity: DesiredIdentity,
    /// The audience that another manager set on the service account, if the binding declares none.
    pub foreign_audience: Option<String>,
    /// Whether the role comes from the ConfigMap that the webhook watches. The foreign audience is
    /// then that of its entry.
    pub listed: bool,
    /// When the annotations in force were written. `None` if they are not in force, or if the time
    /// is unknown.
    pub annotated_at: Option<Timestamp>,
    /// Earlier roles of the binding, as far as the status records them.
    pub earlier_roles: Vec<String>,
    /// Whether the binding moved to IRSA after pods were verified with EKS Pod Identity. The
    /// operator then assumes that the association is deleted.
    pub left_association: bool,
}

impl From<DesiredIdentity> for Expectation {
    /// The identity alone: not annotated yet, no foreign audience, no earlier roles.
    fn from(identity: DesiredIdentity) -> Self {
        Self {
            identity,
            foreign_audience: None,
            listed: false,
            annotated_at: None,
            earlier_roles: Vec::new(),
            left_association: false,
        }
    }
}

impl Expectation {
    /// The audience that a token has to have. An empty audience annotation of another manager makes
    /// the webhook request a token for the API server. AWS never accepts that token, so the
    /// operator does not expect its audience.
    pub fn effective_audience<'a>(&'a self, settings: &'a Settings) -> &'a str {
        if self.identity.is_of_association() {
            return AGENT_AUDIENCE;
        }
        let foreign = self.foreign_audience.as_deref().filter(|audience| !audience.is_empty());
        self.identity.audience.as_deref().or(foreign).unwrap_or(&settings.audience)
    }

    /// The annotations that the webhook finds on the service account of a new pod: those that the
    /// identity declares, and the audience that another manager set.
    pub fn offered(&self, settings: &Settings) -> Map {
        let mut annotations = self.identity.annotations(settings);
        if let Some(audience) = &self.foreign_audience {
            annotations.entry(settings.annotation(IdentityAnnotation::Audience)).or_insert_with(|| audience.clone());
        }
        annotations.into_iter().collect()
    }

    /// The source from which the webhook injects new pods, if the service account has these
    /// annotations.
    pub fn given<'a>(&self, annotations: &'a Map) -> Given<'a> {
        if self.identity.is_of_association() {
            Given::Association(annotations)
        } else {
            Given::Annotations(annotations)
        }
    }

    /// The two variables by which SDKs find the role. The value of the second is the path of the
    /// token file.
    pub fn variables(&self) -> [&'static str; 2] {
        if self.identity.is_of_association() {
            [CREDENTIALS_URI, AUTHORIZATION_TOKEN_FILE]
        } else {
            [ROLE_ARN, TOKEN_FILE]
        }
    }
}
