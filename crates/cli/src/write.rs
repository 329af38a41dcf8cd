//! `release`, `suspend` and `resume`: the only commands that write, and only to bindings.

use std::io::Write;

use clap::{Args, ValueEnum};
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::read::ReadError;
use podidentity_cluster::write::edit::{Edit, Store, edit, get};

use crate::cluster::{Failure, Session, block_on, not_there};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::flags::{TargetKind, target};
use crate::messages::Messages;
use crate::terminal_text::Sheet;

/// Let the restarts of a binding with rollout.policy Manual go ahead
///
/// Holds for the binding as it is now: after its next change it has to be released again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # See first what would restart
  kubectl podidentity plan pib/my-app

  kubectl podidentity release pib/my-app")]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Keep the operator from writing anything for a binding
///
/// Pods are still verified and reported.
#[derive(Debug, Args)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Let the operator go on with a binding that is suspended
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// pib/NAME or just NAME. Can be repeated
    #[arg(value_name = "NAME", add = completion::objects(Some(TargetKind::Binding)), required_unless_present = "selector")]
    pub(crate) names: Vec<String>,

    /// The namespace; default: that of the context
    #[arg(short, long, add = completion::namespaces())]
    pub(crate) namespace: Option<String>,

    /// All bindings with these labels, for example team=a,env!=test
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    pub(crate) selector: Option<String>,

    /// server: let the API server check it and store nothing; client: ask it for nothing but what there is
    #[arg(long, value_enum, default_value_t = DryRun::None, default_missing_value = "client", num_args = 0..=1, require_equals = true)]
    pub(crate) dry_run: DryRun,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    None,
    Client,
    Server,
}

/// Runs one of the commands.
pub(crate) fn run(args: &WriteArgs, what: Edit, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::Binding)).map_err(Failure::Other)?;
        if let Some(other) = targets.iter().find(|target| target.kind != TargetKind::Binding) {
            return Err(Failure::Other(format!("{other} is no binding: write pib/NAME")));
        }
        let scope = ScopeArgs { namespace: args.namespace.clone(), all_namespaces: false, selector: None };
        let session = Session::open(&args.connection, &scope).await?;
        let namespace = session.namespace.clone().unwrap_or_default();
        let mut names: Vec<String> = targets.into_iter().map(|target| target.name).collect();
        if let Some(selector) = &args.selector {
            names = all_names(&session, Some(selector)).await?;
            if names.is_empty() {
                return Err(Failure::Other(format!("no binding {} has these labels", session.place())));
            }
        }
        // Read all bindings before the first write, so that a wrong name changes nothing.
        let mut bindings = Vec::new();
        for name in &names {
            match get(&session.connection.client, &namespace, name).await? {
                Some(binding) => bindings.push(binding),
                None => return Err(not_found(&session, name).await),
            }
        }
        for binding in &bindings {
            one(&session, binding, what, args.dry_run, out).await?;
        }
        Ok(Exit::Ok)
    })
}

async fn one(
    session: &Session,
    binding: &PodIdentityBinding,
    what: Edit,
    dry_run: DryRun,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = binding.metadata.name.as_deref().unwrap_or_default();
    if what == Edit::Release && binding.spec.rollout.policy != podidentity_api::RolloutPolicy::Manual {
        Messages::new().note(&format!(
            "pib/{name} has rollout.policy {:?}, which waits for no release",
            binding.spec.rollout.policy
        ));
    }
    let (verb, same) = match what {
        Edit::Release => ("released", false),
        Edit::Suspend(true) => ("suspended", binding.spec.suspend),
        Edit::Suspend(false) => ("resumed", !binding.spec.suspend),
    };
    let verb = if same { "unchanged" } else { verb };
    let store = match dry_run {
        DryRun::None => Some(Store::Yes),
        DryRun::Server => Some(Store::DryRun),
        DryRun::Client => None,
    };
    if let Some(store) = store.filter(|_| !same) {
        let edited = edit(&session.connection.client, binding, what, store).await;
        edited.map_err(|error| Failure::Other(format!("pib/{name} was not changed: {error}")))?;
    }
    let suffix = match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let mut sheet = Sheet::new();
    sheet.line(format_args!("podidentitybinding.podidentity.dev/{name} {verb}{suffix}"));
    sheet.print(out)?;
    Ok(())
}

async fn not_found(session: &Session, name: &str) -> Failure {
    let names = all_names(session, None).await.unwrap_or_default();
    let meant = not_there(name, &session.place(), names.iter().map(String::as_str));
    Failure::Other(format!("there is no pib/{name} {}{meant}", session.place()))
}

async fn all_names(session: &Session, selector: Option<&str>) -> Result<Vec<String>, ReadError> {
    let lister = session.connection.lister(session.namespace.as_deref());
    let names = lister.selected::<PodIdentityBinding>("podidentitybindings", selector.unwrap_or_default()).await?;
    Ok(names.into_iter().map(|(_, name)| name).collect())
}
