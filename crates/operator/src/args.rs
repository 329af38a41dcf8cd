//! Flags. Each can also be given as an environment variable.

use clap::{Parser, ValueEnum};
use podidentity_core::settings::Settings;
use tracing_subscriber::EnvFilter;

/// Links service accounts to AWS IAM roles and proves that running pods have them.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// How many workloads of the whole cluster may be in a restart of ours at the same time.
    #[arg(long, env = "PODIDENTITY_MAX_CONCURRENT_ROLLOUTS", default_value_t = 10, value_parser = positive)]
    pub(crate) max_concurrent_rollouts: usize,

    /// How many identities are worked on at the same time.
    #[arg(long, env = "PODIDENTITY_CONCURRENCY", default_value_t = 16, value_parser = positive)]
    pub(crate) concurrency: usize,

    /// Act only on bindings whose role the namespace grants by its annotation podidentity.dev/allowed-role-arns.
    #[arg(long, env = "PODIDENTITY_REQUIRE_GRANTS")]
    pub(crate) require_grants: bool,

    /// The cluster's OIDC issuer, published in every status. Asked of the API server where not given.
    #[arg(long, env = "PODIDENTITY_ISSUER")]
    pub(crate) issuer: Option<String>,

    /// Annotation domain of the pod identity webhook (its flag --annotation-prefix).
    #[arg(long, env = "PODIDENTITY_ANNOTATION_DOMAIN", default_value = "eks.amazonaws.com")]
    annotation_domain: String,

    /// Audience of a token where the service account names none (the webhook's flag --token-audience).
    #[arg(long, env = "PODIDENTITY_TOKEN_AUDIENCE", default_value = "sts.amazonaws.com")]
    token_audience: String,

    /// Where the webhook mounts the token (its flag --token-mount-path).
    #[arg(
        long,
        env = "PODIDENTITY_TOKEN_MOUNT_PATH",
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    )]
    token_mount_path: String,

    /// Lifetime of a token in seconds where nothing names one (the webhook's flag --token-expiration).
    #[arg(long, env = "PODIDENTITY_TOKEN_EXPIRATION", default_value_t = 86400, value_parser = clap::value_parser!(i64).range(600..))]
    token_expiration: i64,

    /// Region that the webhook injects (its flag --aws-default-region).
    #[arg(long, env = "PODIDENTITY_AWS_DEFAULT_REGION")]
    aws_default_region: Option<String>,

    /// Whether the webhook injects AWS_STS_REGIONAL_ENDPOINTS by default (its flag --sts-regional-endpoint).
    #[arg(long, env = "PODIDENTITY_STS_REGIONAL_ENDPOINT")]
    sts_regional_endpoint: bool,

    /// Report every pod as able to reach the node's role: for clusters whose nodes do not keep pods from the instance
    /// metadata service.
    #[arg(long, env = "PODIDENTITY_IMDS_OPEN_TO_PODS")]
    imds_open_to_pods: bool,

    /// How logs are written. What is logged is set by RUST_LOG, for example RUST_LOG=info,podidentity_cluster=debug.
    #[arg(long, env = "PODIDENTITY_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// What is logged. The client library calls every request that fails an error, also where a try follows that succeeds;
/// whoever asked logs what the failure means. So the library is silent unless RUST_LOG names it.
fn directives(rust_log: Option<&str>) -> String {
    const CLIENT: &str = "kube_client::client::builder";
    match rust_log.filter(|wanted| !wanted.trim().is_empty()).unwrap_or("info") {
        wanted if wanted.contains("kube_client") => wanted.to_owned(),
        wanted => format!("{wanted},{CLIENT}=off"),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

impl Args {
    pub(crate) fn init_logging(&self) {
        let filter = EnvFilter::new(directives(std::env::var("RUST_LOG").ok().as_deref()));
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => logs.init(),
            LogFormat::Json => logs.json().init(),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            annotation_domain: self.annotation_domain.clone(),
            audience: self.token_audience.clone(),
            mount_path: self.token_mount_path.clone(),
            token_expiration: self.token_expiration,
            region: self.aws_default_region.clone(),
            sts_regional_endpoints: self.sts_regional_endpoint,
            imds_open_to_pods: self.imds_open_to_pods,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_failed_request_is_logged_by_whoever_asked_and_not_as_an_error_of_the_library() {
        assert_eq!(directives(None), "info,kube_client::client::builder=off");
        assert_eq!(directives(Some("debug")), "debug,kube_client::client::builder=off");
        assert_eq!(directives(Some("info,kube_client=debug")), "info,kube_client=debug");
    }

    #[test]
    fn defaults_are_those_of_the_webhook() {
        let args = Args::parse_from(["podidentity-operator"]);
        assert_eq!(args.settings(), Settings::default());
    }
}
