//! Flags.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use podidentity_core::injection::MIN_TOKEN_EXPIRATION;
use podidentity_core::settings::{ComposeRole, Settings};
use podidentity_core::wanted::Wanted;

use crate::adopt::AdoptArgs;
use crate::complete::CompleteArgs;
use crate::explain::ExplainArgs;
use crate::plan::PlanArgs;
use crate::probe::ProbeArgs;
use crate::report::ReportArgs;
use crate::status::StatusArgs;
use crate::trust::TrustArgs;
use crate::verify::VerifyArgs;
use crate::write::{ReleaseArgs, ResumeArgs, SuspendArgs};

/// Pods that act as AWS IAM roles: what is wrong with them, before and after they run.
#[derive(Debug, Parser)]
#[command(name = "kubectl-podidentity", bin_name = "kubectl podidentity", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(StatusArgs),
    Explain(ExplainArgs),
    Trust(TrustArgs),
    Probe(ProbeArgs),
    Verify(VerifyArgs),
    Plan(PlanArgs),
    Adopt(AdoptArgs),
    Report(ReportArgs),
    Release(ReleaseArgs),
    Suspend(SuspendArgs),
    Resume(ResumeArgs),
    Lint(LintArgs),
    Inject(InjectArgs),
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
}

/// Print manifests with role and token set by hand, for clusters without a webhook
///
/// Reads manifests and prints all of them. Pods and workloads whose service account has a role get what the EKS pod
/// identity webhook would add when their pods are created: environment variables, a projected token and its mount.
/// Everything else is printed as it is.
///
/// The role is taken from the annotations of the ServiceAccount or from the PodIdentityBinding among the manifests, or
/// from --role-arn. Injecting twice gives the same text. What keeps a container from getting its role is reported on
/// standard error.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Inject what the bindings and service accounts of a folder ask for
  kubectl podidentity inject -f deploy/ | kubectl apply -f -

  # Inject one role into everything that a chart makes for one service account
  helm template my-chart | kubectl podidentity inject -f - \\
    --role-arn arn:aws:iam::111122223333:role/my-role --service-account my-app

  # See what the webhook will make of a pod
  kubectl podidentity inject --as webhook -f pod.yaml -f serviceaccount.yaml

Exit status: 0 if all was read, 2 if some input could not be read (the rest is still printed).")]
pub(crate) struct InjectArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Whose work is done: `hand` sets templates and pods, `webhook` changes pods only, as the webhook does
    #[arg(long = "as", value_enum, default_value_t = Injector::Hand)]
    pub(crate) injector: Injector,

    #[command(flatten)]
    pub(crate) role: RoleArgs,

    /// The file of identities of the webhook's flag --watch-container-credentials-config: the pods of these service accounts
    /// get EKS Pod Identity instead of the role, and nothing is injected into them
    #[arg(long, value_name = "FILE", help_heading = "How the cluster's webhook is configured")]
    pub(crate) container_credentials_config: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Injector {
    Hand,
    Webhook,
}

/// Report what will be wrong with the pods of manifests, without a cluster
///
/// Reads bindings, service accounts and workloads together, predicts the pods that will result where the webhook
/// injects, and judges them as the operator would. Service accounts that are annotated without a binding count as well.
/// Says where a role is meant and nothing comes of it: keys that nothing reads, names that are not there, and more.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Lint a repository
  kubectl podidentity lint -f deploy/

  # Lint what Kustomize or Helm make
  kustomize build overlays/prod | kubectl podidentity lint -f -

  # In GitHub Actions: findings as annotations of the pull request, or for code scanning
  kubectl podidentity lint -f deploy/ -o github
  kubectl podidentity lint -f deploy/ -o sarif > podidentity.sarif

Exit status: 0 if there is no error, 1 if there are findings of severity Error (with --strict: or Warning), 2 if some \
input could not be read.")]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,

    /// Fail on warnings as well
    #[arg(long)]
    pub(crate) strict: bool,

    /// Judge the manifests as they are, for clusters without a webhook: what `inject` prints passes
    #[arg(long)]
    pub(crate) without_webhook: bool,

    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line for each finding, to read and to grep
    Text,
    /// All that is known, to process
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// A file or folder of manifests, YAML or JSON; - is standard input. Can be repeated. Folders are read recursively
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", required = true, action = ArgAction::Append)]
    pub(crate) files: Vec<String>,

    /// The namespace of objects that name none
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Role")]
pub(crate) struct RoleArgs {
    /// The role for every workload that is read, whatever its service account says
    #[arg(long, value_name = "ARN", value_parser = role_arn)]
    role_arn: Option<String>,

    /// Give --role-arn only to workloads that run as this service account. Can be repeated
    #[arg(long, value_name = "NAME", requires = "role_arn", action = ArgAction::Append)]
    service_account: Vec<String>,

    /// Audience of the token
    #[arg(long, requires = "role_arn")]
    audience: Option<String>,

    /// Lifetime of the token in seconds, 600 to 86400
    #[arg(long, value_name = "SECONDS", requires = "role_arn", value_parser = clap::value_parser!(i64).range(600..=86400))]
    token_expiration: Option<i64>,

    /// Whether SDKs call the regional STS endpoint
    #[arg(long, value_name = "BOOL", requires = "role_arn", num_args = 0..=1, default_missing_value = "true")]
    sts_regional_endpoints: Option<bool>,
}

fn role_arn(text: &str) -> Result<String, String> {
    match text.parse::<podidentity_core::arn::RoleArn>() {
        Ok(arn) => Ok(arn.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

impl RoleArgs {
    /// What the flags ask for, if they apply to workloads of this service account.
    pub(crate) fn wanted(&self, service_account: &str) -> Option<Wanted> {
        let applies =
            self.service_account.is_empty() || self.service_account.iter().any(|name| name == service_account);
        let role_arn = self.role_arn.clone().filter(|_| applies)?;
        Some(Wanted {
            role_arn,
            audience: self.audience.clone(),
            foreign_audience: None,
            token_expiration: self.token_expiration,
            sts_regional_endpoints: self.sts_regional_endpoints,
            annotated_at: None,
            earlier_roles: Vec::new(),
        })
    }

    /// Whether a role is given.
    pub(crate) fn is_given(&self) -> bool {
        self.role_arn.is_some()
    }
}

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

    /// Lifetime of a token in seconds where nothing names one; below 600 it is raised to 600, as the webhook does
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

    /// Account, or PARTITION:ACCOUNT, with which the webhook completes a role that the annotation gives by its name or path
    /// (its flag --compose-role-arn)
    #[arg(long, value_name = "ACCOUNT", env = "PODIDENTITY_COMPOSE_ROLE_ARN")]
    compose_role_arn: Option<ComposeRole>,

    /// Take the ConfigMap pod-identity-webhook, which the webhook watches (its flag --watch-config-map): from the files, or
    /// from this namespace of the cluster
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "PODIDENTITY_WATCH_CONFIG_MAP",
        num_args = 0..=1,
        default_missing_value = "kube-system",
        require_equals = true
    )]
    pub(crate) watch_config_map: Option<String>,

    /// Whether the regional STS endpoint is the default (the webhook's flag --sts-regional-endpoint)
    #[arg(long, env = "PODIDENTITY_STS_REGIONAL_ENDPOINT")]
    default_sts_regional_endpoint: bool,
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
            imds_open_to_pods: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_those_that_the_webhook_takes() {
        for (flags, expected) in [
            (&["--default-token-expiration", "60"][..], Settings { token_expiration: 600, ..Settings::default() }),
            (&["--default-token-expiration", "-1"], Settings { token_expiration: 600, ..Settings::default() }),
            (&["--aws-default-region", ""], Settings::default()),
        ] {
            let args = ["kubectl-podidentity", "lint", "-f", "-"].iter().chain(flags);
            let Command::Lint(args) = Cli::parse_from(args).command else { panic!("not lint") };
            assert_eq!(args.webhook.settings(), expected, "{flags:?}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_webhook() {
        let Command::Lint(args) = Cli::parse_from(["kubectl-podidentity", "lint", "-f", "-"]).command else {
            panic!("not lint")
        };
        assert_eq!(args.webhook.settings(), Settings::default());
    }
}
