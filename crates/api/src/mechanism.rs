//! How pods get the credentials of a role.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How pods get the credentials of the role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mechanism {
    /// IAM roles for service accounts: the service account is annotated with the role, and pods exchange a token for its
    /// credentials at AWS STS.
    #[default]
    #[serde(rename = "IRSA")]
    Irsa,
    /// EKS Pod Identity: an association in EKS names the role, and pods ask the agent of their node for its credentials.
    PodIdentity,
}

impl Mechanism {
    /// As it stands in a spec: `IRSA` or `PodIdentity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Irsa => "IRSA",
            Self::PodIdentity => "PodIdentity",
        }
    }

    /// Whether it is the default, IRSA.
    pub fn is_irsa(&self) -> bool {
        *self == Self::Irsa
    }
}
