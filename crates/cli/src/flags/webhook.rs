//! Flags that say how the cluster's webhook is configured.

use clap::Args;
use podidentity_core::injection::MIN_TOKEN_EXPIRATION;
use podidentity_core::settings::{AwsAccount, Settings, partition};

/// Flags and environment are those of the operator.
#[derive(Debug, Args)]
#[command(next_help_heading = "How the cluster's webhook is configured")]
pub(crate) struct WebhookArgs {
    /// Annotation domain (the webhook's flag --annotation-prefix)
    #[arg(long, value_name = "DOMAIN", env = "PODIDENTITY_ANNOTATION_DOMAIN", default_value = "eks.amazonaws.com")]
    annotation_domain: String,

    /// Audience of a token where the service account names none
    #[arg(long, value_name = "AUDIENCE", env = "PODIDENTITY_TOKEN_AUDIENCE", default_value = "sts.amazonaws.com")]
    default_audience: String,

    /// Where the token is mounted
    #[arg(
        long,
        value_name = "PATH",
        env = "PODIDENTITY_TOKEN_MOUNT_PATH",
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    )]
    token_mount_path: String,

    /// Lifetime of a token in seconds where nothing names one; below 600 it is raised to 600, as
    /// the webhook does
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PODIDENTITY_TOKEN_EXPIRATION",
        default_value_t = 86400,
        allow_negative_numbers = true
    )]
    default_token_expiration: i64,

    /// Region that is injected (the webhook's flag --aws-default-region); empty: none
    #[arg(long, value_name = "REGION", env = "PODIDENTITY_AWS_DEFAULT_REGION")]
    aws_default_region: Option<String>,

    /// Account, or PARTITION:ACCOUNT, with which the webhook completes a role that the annotation
    /// gives by its name or path (its flag --compose-role-arn)
    #[arg(long, value_name = "ACCOUNT", env = "PODIDENTITY_COMPOSE_ROLE_ARN")]
    compose_role_arn: Option<AwsAccount>,

    /// Take the ConfigMap pod-identity-webhook, which the webhook watches (its flag
    /// --watch-config-map): from the files, or from this namespace of the cluster
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "PODIDENTITY_WATCH_CONFIG_MAP",
        num_args = 0..=1,
        default_missing_value = "kube-system",
        require_equals = true
    )]
    pub(crate) watch_config_map: Option<String>,

    /// Whether the regional STS endpoint is the default (the webhook's flag
    /// --sts-regional-endpoint)
    #[arg(long, env = "PODIDENTITY_STS_REGIONAL_ENDPOINT")]
    default_sts_regional_endpoint: bool,

    /// The AWS account whose roles bindings name by spec.role (the operator's flag --aws-account), 12 digits
    #[arg(
        long,
        value_name = "ACCOUNT",
        env = "PODIDENTITY_AWS_ACCOUNT",
        help_heading = "How the cluster's operator is configured"
    )]
    aws_account: Option<AwsAccount>,

    /// The AWS partition of that account (the operator's flag --aws-partition)
    #[arg(
        long,
        value_name = "PARTITION",
        env = "PODIDENTITY_AWS_PARTITION",
        default_value = "aws",
        value_parser = partition,
        help_heading = "How the cluster's operator is configured"
    )]
    aws_partition: String,
}

impl WebhookArgs {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            annotation_domain: self.annotation_domain.clone(),
            audience: self.default_audience.clone(),
            mount_path: self.token_mount_path.clone(),
            token_expiration: self.default_token_expiration.max(MIN_TOKEN_EXPIRATION),
            region: self.aws_default_region.clone().filter(|region| !region.is_empty()),
            sts_regional_endpoints: self.default_sts_regional_endpoint,
            compose_role: self.compose_role_arn.clone(),
            entries: None,
            account: self.aws_account.clone().map(|account| account.in_partition(&self.aws_partition)),
            imds_open_to_pods: false,
        }
    }
}
