//! Flags of `inject`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use podidentity_api::Mechanism;
use podidentity_core::arn::{ArnError, RoleArn};
use podidentity_core::aws_partition::Partition;
use podidentity_core::desired_identity::DesiredIdentity;

use crate::flags::{InputArgs, WebhookArgs};

/// Print manifests with role and token set by hand, for clusters without a webhook
///
/// Reads manifests and prints all of them. Pods and workloads whose service account has a role get
/// what the EKS pod identity webhook would add when their pods are created: environment variables,
/// a projected token and its mount. Everything else is printed as it is.
///
/// The role is taken from the annotations of the ServiceAccount or from the PodIdentityBinding
/// among the manifests, or from --role-arn. Injecting twice gives the same text. What keeps a
/// container from getting its role is reported on standard error.
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

    /// Whose work is done: `hand` sets templates and pods, `webhook` changes pods only, as the
    /// webhook does
    #[arg(long = "as", value_enum, default_value_t = Injector::Hand)]
    pub(crate) injector: Injector,

    #[command(flatten)]
    pub(crate) role: RoleArgs,

    /// The file of identities of the webhook's flag --watch-container-credentials-config: the pods
    /// of these service accounts have an association of EKS Pod Identity and get its credentials
    /// instead of the role, as do those of a binding with mechanism PodIdentity
    #[arg(long, value_name = "FILE", help_heading = "How the cluster's webhook is configured")]
    pub(crate) container_credentials_config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Injector {
    Hand,
    Webhook,
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
    let arn: RoleArn = text.parse().map_err(|error: ArnError| error.to_string())?;
    // AWS may have made a partition since; one that is nearly another's name is a slip.
    match arn.unknown_partition().filter(|_| Partition::meant(arn.partition()).is_some()) {
        Some(why) => Err(why),
        None => Ok(arn.to_string()),
    }
}

impl RoleArgs {
    /// The identity that the flags ask for, if they apply to workloads of this service account.
    pub(crate) fn desired(&self, service_account: &str) -> Option<DesiredIdentity> {
        let applies =
            self.service_account.is_empty() || self.service_account.iter().any(|name| name == service_account);
        let role_arn = self.role_arn.clone().filter(|_| applies)?;
        Some(DesiredIdentity {
            role_arn,
            mechanism: Mechanism::Irsa,
            audience: self.audience.clone(),
            token_expiration: self.token_expiration,
            sts_regional_endpoints: self.sts_regional_endpoints,
        })
    }

    /// Whether the flags give a role.
    pub(crate) fn is_given(&self) -> bool {
        self.role_arn.is_some()
    }
}
