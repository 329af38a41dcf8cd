//! Flags of the commands that look at a cluster, as kubectl has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use podidentity_cluster::http::connection::{AnswerTime, Options};
use podidentity_cluster::http::overrides::Overrides;

use super::{WebhookArgs, completion};

/// The `User-Agent` of all requests.
pub(crate) const USER_AGENT: &str = concat!("kubectl-podidentity/", env!("CARGO_PKG_VERSION"));

/// Effectively no limit.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ConnectionArgs {
    /// Path of the kubeconfig file; default: KUBECONFIG, or ~/.kube/config
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Name of the kubeconfig context
    #[arg(long, value_name = "NAME", add = completion::contexts())]
    pub(crate) context: Option<String>,

    /// Name of the kubeconfig cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,

    /// Name of the kubeconfig user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// URL of the API server
    #[arg(short, long, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// File with the certificates of the API server's authority, PEM
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) certificate_authority: Option<String>,

    /// Do not check the API server's certificate
    #[arg(long, conflicts_with = "certificate_authority")]
    pub(crate) insecure_skip_tls_verify: bool,

    /// The name that the API server's certificate has to have
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,

    /// Bearer token. Other users of the machine can see it in the list of processes; a kubeconfig hides it
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// File with the client's certificate, PEM
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) client_certificate: Option<String>,

    /// File with the client's key, PEM
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) client_key: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub(crate) impersonate: Option<String>,

    /// Group to impersonate. Can be repeated
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate", action = ArgAction::Append)]
    pub(crate) impersonate_groups: Vec<String>,

    /// UID to impersonate
    #[arg(long = "as-uid", value_name = "UID", requires = "impersonate")]
    pub(crate) impersonate_uid: Option<String>,

    /// How long one request may take, for example 30s or 2m; 0: as long as it takes
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) request_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,

    /// The cluster's OIDC issuer; default: that of its discovery document
    #[arg(
        long,
        value_name = "URL",
        env = "PODIDENTITY_ISSUER",
        help_heading = "How the cluster's webhook is configured"
    )]
    pub(crate) issuer: Option<String>,

    /// Whether the operator asks for grants (its flag --require-grants); default: it does if it says so of a binding
    #[arg(
        long,
        value_name = "BOOL",
        env = "PODIDENTITY_REQUIRE_GRANTS",
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true,
        help_heading = "How the cluster's operator is configured"
    )]
    pub(crate) require_grants: Option<bool>,
}

impl ConnectionArgs {
    /// The options of the client.
    pub(crate) fn options(&self) -> Options {
        let answers = self
            .request_timeout
            .map_or(AnswerTime::List, |limit| AnswerTime::AtMost(if limit.is_zero() { NO_LIMIT } else { limit }));
        Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            overrides: Overrides {
                server: self.server.clone(),
                certificate_authority: self.certificate_authority.clone(),
                insecure_skip_tls_verify: self.insecure_skip_tls_verify,
                tls_server_name: self.tls_server_name.clone(),
                token: self.token.clone(),
                client_certificate: self.client_certificate.clone(),
                client_key: self.client_key.clone(),
            },
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            answers,
            user_agent: USER_AGENT.to_owned(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// The namespace; default: that of the context
    #[arg(short, long, add = completion::namespaces())]
    pub(crate) namespace: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,

    /// Only bindings, and service accounts without one, with these labels, for example team=a,env!=test
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
}

/// Parses a duration as kubectl does. A bare number means seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::SignedDuration = text.parse().map_err(|_| format!("{text:?} is no duration: write 30s or 2m"))?;
    Duration::try_from(span).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_kubectl() {
        for (text, seconds) in [("0", 0), ("30", 30), ("30s", 30), ("2m", 120), ("1h30m", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(duration("soon").is_err());
        assert!(duration("-3s").is_err());
    }
}
