//! What the webhook adds for an association of EKS Pod Identity, which is by the names of its flags
//! `--container-credentials-*` with their defaults.
//!
//! The agent of the node gives the credentials of the association's role for the token. Which role
//! that is does not show in the pod.

/// The variable that says where the agent is.
pub const CREDENTIALS_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The variable that names the file of the token for the agent.
pub const AUTHORIZATION_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Where the agent of a node is, by IPv4 and by IPv6.
///
/// Source: "EKS Pod Identity Agent" in the Amazon EKS User Guide.
pub const AGENT_URIS: [&str; 2] = ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"];
/// The audience of the token.
pub const AGENT_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Where the token's volume is mounted.
pub const AGENT_MOUNT_PATH: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
/// The name of the volume and of its mounts.
pub const AGENT_VOLUME: &str = "eks-pod-identity-token";
/// The token's file in the volume.
pub const AGENT_TOKEN_PATH: &str = "eks-pod-identity-token";
/// The label of pods that were given an association's credentials; its value is `enabled`.
pub const AGENT_LABEL: &str = "eks.amazonaws.com/pod-identity";
