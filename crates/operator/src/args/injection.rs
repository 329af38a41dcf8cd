//! How injection is configured in the cluster: the flags of its pod identity webhook.

use clap::Args;
use podidentity_core::injection::MIN_TOKEN_EXPIRATION;
use podidentity_core::settings::{AwsAccount, Settings, partition};

use super::values;

/// How injection is configured in the cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Injection in this cluster")]
pub(crate) struct InjectionArgs {
    /// The cluster's OIDC issuer, published in every status. Asked of the API server where not given.
    #[arg(long, env = "PODIDENTITY_ISSUER", value_name = "URL", value_parser = values::url)]
    pub(crate) issuer: Option<String>,

    /// Annotation domain of the pod identity webhook (its flag --annotation-prefix).
    #[arg(long, env = "PODIDENTITY_ANNOTATION_DOMAIN", value_name = "DOMAIN", default_value = "eks.amazonaws.com", value_parser = values::domain)]
    annotation_domain: String,

    /// Audience of a token where the service account names none (the webhook's flag --token-audience).
    #[arg(long, env = "PODIDENTITY_TOKEN_AUDIENCE", value_name = "AUDIENCE", default_value = "sts.amazonaws.com", value_parser = values::not_empty)]
    token_audience: String,

    /// Where the webhook mounts the token (its flag --token-mount-path).
    #[arg(
        long,
        env = "PODIDENTITY_TOKEN_MOUNT_PATH",
        value_name = "PATH",
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        value_parser = values::absolute_path
    )]
    token_mount_path: String,

    /// Lifetime of a token in seconds where nothing names one (the webhook's flag --token-expiration). Below 600 it is
    /// raised to 600, as the webhook does.
    #[arg(
        long,
        env = "PODIDENTITY_TOKEN_EXPIRATION",
        value_name = "SECONDS",
        default_value_t = 86400,
        allow_negative_numbers = true
    )]
    token_expiration: i64,

    /// Region that the webhook injects (its flag --aws-default-region). Empty: none.
    #[arg(long, env = "PODIDENTITY_AWS_DEFAULT_REGION", value_name = "REGION")]
    aws_default_region: Option<String>,

    /// Account, or PARTITION:ACCOUNT, with which the webhook completes a role that an annotation gives by its name or path
    /// (its flag --compose-role-arn, which asks the instance metadata service for both).
    #[arg(long, env = "PODIDENTITY_COMPOSE_ROLE_ARN", value_name = "ACCOUNT")]
    compose_role_arn: Option<AwsAccount>,

    /// Whether the webhook injects AWS_STS_REGIONAL_ENDPOINTS by default (its flag --sts-regional-endpoint).
    #[arg(long, env = "PODIDENTITY_STS_REGIONAL_ENDPOINT")]
    sts_regional_endpoint: bool,

    /// Report every pod as able to reach the node's role: for clusters whose nodes do not keep pods from the instance
    /// metadata service.
    #[arg(long, env = "PODIDENTITY_IMDS_OPEN_TO_PODS")]
    imds_open_to_pods: bool,

    /// The AWS account of this cluster, 12 digits: bindings that name a role by spec.role get the role of this account.
    #[arg(long, env = "PODIDENTITY_AWS_ACCOUNT", value_name = "ACCOUNT", help_heading = "Roles")]
    aws_account: Option<AwsAccount>,

    /// The AWS partition of that account, for example aws-cn.
    #[arg(long, env = "PODIDENTITY_AWS_PARTITION", value_name = "PARTITION", default_value = "aws", value_parser = partition, help_heading = "Roles")]
    aws_partition: String,
}

impl InjectionArgs {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            annotation_domain: self.annotation_domain.clone(),
            audience: self.token_audience.clone(),
            mount_path: self.token_mount_path.clone(),
            token_expiration: self.token_expiration.max(MIN_TOKEN_EXPIRATION),
            region: self.aws_default_region.clone().filter(|region| !region.is_empty()),
            sts_regional_endpoints: self.sts_regional_endpoint,
            compose_role: self.compose_role_arn.clone(),
            // It is about service accounts without an annotation, which the operator leaves alone.
            entries: None,
            account: self.aws_account.clone().map(|account| account.in_partition(&self.aws_partition)),
            imds_open_to_pods: self.imds_open_to_pods,
        }
    }
}
