//! Flags of `lint`.

use clap::Args;

use crate::flags::{InputArgs, WebhookArgs};
use crate::output::Format;

/// Report what will be wrong with the pods of manifests, without a cluster
///
/// Reads bindings, service accounts and workloads together, predicts the pods that will result
/// where the webhook injects, and judges them as the operator would. Service accounts that are
/// annotated without a binding count as well. Says where a role is meant and nothing comes of it:
/// keys that nothing reads, names that are not there, and more.
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

    /// The files are templates: placeholders such as ${account_id} or {{account}}, which Flux, an ApplicationSet or
    /// envsubst fill in later, count as valid values
    #[arg(long)]
    pub(crate) templates: bool,

    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
}
