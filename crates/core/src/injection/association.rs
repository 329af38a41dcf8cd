//! What the webhook adds for an association of EKS Pod Identity: the defaults of its flags
//! `--container-credentials-*`.
//!
//! The agent on the node exchanges the token for credentials of the association's role. The pod
//! does not show which role that is.

use super::VOLUME;
use crate::objects::Pod;

/// The variable that holds the URI of the agent.
pub const CREDENTIALS_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The variable that holds the path of the token file for the agent.
pub const AUTHORIZATION_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The URIs of the agent on a node, by IPv4 and by IPv6.
///
/// Source: "EKS Pod Identity Agent" in the Amazon EKS User Guide.
pub const AGENT_URIS: [&str; 2] = ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"];
/// The audience of the token.
pub const AGENT_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Where the token's volume is mounted.
pub const AGENT_MOUNT_PATH: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
/// The name of the volume and of its mounts.
pub const AGENT_VOLUME: &str = "eks-pod-identity-token";
/// The path of the token file in the volume.
pub const AGENT_TOKEN_PATH: &str = "eks-pod-identity-token";
/// The label that the webhook sets on pods with an association's credentials; its value is
/// `enabled`.
pub const AGENT_LABEL: &str = "eks.amazonaws.com/pod-identity";

/// Whether the pod has the volume with the agent's token, as every pod that is injected for an
/// association does.
pub fn has_agent_volume(pod: &Pod) -> bool {
    pod.spec.volumes.iter().any(|volume| volume.name == AGENT_VOLUME)
}

/// Whether injection gives its volumes this name, for a role or for an association.
pub(crate) fn is_injected_volume(name: &str) -> bool {
    name == VOLUME || name == AGENT_VOLUME
}
