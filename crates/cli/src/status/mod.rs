//! `status`: shows the bindings, and whether their pods have their roles.
//!
//! ```text
//! cluster ──► views ──► those that are named ──► tree, table, JSON, YAML, or a template of kubectl's
//! ```

mod live;
mod output;
mod screen;
mod signals;
mod tree;

use std::io::Write;

use clap::Args;

use crate::cluster::{Failure, Session, Views, block_on, not_there};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::flags::{Target, TargetKind, target};
use crate::messages::Messages;
use crate::operators::note_of_left_out;
use crate::paint::Paint;
use crate::view::View;

pub(crate) use output::of as document;
pub(crate) use output::{Form, Output, write};
pub(crate) use tree::{Detail, tree};

use output::FORMS;

/// Show bindings, their workloads and pods, and what is wrong with them
///
/// Looks at every PodIdentityBinding, and at every service account that is annotated with a role without one. What needs
/// somebody comes first and is shown down to the container; what is right is one line. With a name, everything is shown.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # The namespace of the context
  kubectl podidentity status

  # One binding, down to each container
  kubectl podidentity status my-app

  # The whole cluster, live
  kubectl podidentity status -A -w")]
pub(crate) struct StatusArgs {
    /// Names of bindings, or pib/NAME, sa/NAME, deploy/NAME, pod/NAME, ...
    #[arg(value_name = "NAME", add = completion::objects(Some(TargetKind::Binding)))]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// How it is printed: tree (the default), wide (a line for each), json, yaml, name, or a template of kubectl's
    ///
    /// jsonpath and custom-columns take what they take in kubectl get: jsonpath='{.totals}',
    /// custom-columns=BINDING:.binding,ROLE:.roleArn
    #[arg(short, long, value_name = FORMS, default_value = "tree", hide_default_value = true)]
    pub(crate) output: Output,

    /// Go on showing it as it changes, until Ctrl-C
    #[arg(short, long, conflicts_with = "output")]
    pub(crate) watch: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::Binding)).map_err(Failure::Other)?;
        let session = Session::open(&args.connection, &args.scope).await?;
        let detail = Detail { namespaces: args.scope.all_namespaces, everything: !targets.is_empty() };
        if args.watch {
            return live::show(&session, &targets, detail, out).await;
        }
        let Views { views, notes } = session.views().await?;
        Messages::new().notes(&notes);
        Messages::new().notes(left_out(&session, &views).await.as_slice());
        if views.is_empty() && targets.is_empty() {
            Messages::new().note(&format!("no bindings and no annotated service accounts {}", session.place()));
            if args.output == Output::Form(Form::Tree) {
                return Ok(Exit::Ok);
            }
        }
        let wanted = named(views, &targets, &session.place())?;
        write(&wanted, &args.output, detail, Paint::of_stdout(), out)?;
        Ok(Exit::Ok)
    })
}

/// A note about the namespaces of views that no operator has looked at, if none will.
async fn left_out(session: &Session, views: &[View]) -> Option<String> {
    let unseen = views.iter().filter(|view| !view.observed).map(|view| view.namespace.as_str()).collect();
    note_of_left_out(session, unseen).await
}

/// The views that `targets` name, or all views if `targets` is empty. Fails if a target is missing.
pub(crate) fn named(mut views: Vec<View>, targets: &[Target], place: &str) -> Result<Vec<View>, Failure> {
    if let Some(target) = missing(&views, targets) {
        return Err(not_found(&views, target, place));
    }
    views.retain(|view| is_named(view, targets));
    Ok(views)
}

/// The first target that no view contains.
pub(crate) fn missing<'a>(views: &[View], targets: &'a [Target]) -> Option<&'a Target> {
    targets.iter().find(|target| !views.iter().any(|view| is(view, target)))
}

/// Whether a target names the view. Without targets, every view counts as named.
pub(crate) fn is_named(view: &View, targets: &[Target]) -> bool {
    targets.is_empty() || targets.iter().any(|target| is(view, target))
}

fn is(view: &View, target: &Target) -> bool {
    names(view, target.kind).contains(&target.name.as_str())
}

/// The names of all objects of the kind in the view.
fn names(view: &View, kind: TargetKind) -> Vec<&str> {
    match kind {
        TargetKind::Binding => view.binding.as_deref().into_iter().collect(),
        TargetKind::ServiceAccount => vec![&view.service_account],
        TargetKind::Pod => view.pods().map(|pod| pod.name.as_str()).collect(),
        TargetKind::Workload(kind) => {
            let workloads = view.workloads.iter().filter(|workload| workload.kind == kind);
            workloads.map(|workload| workload.name.as_str()).collect()
        }
    }
}

fn not_found(views: &[View], target: &Target, place: &str) -> Failure {
    // A user who names a binding may mean a service account without one.
    let unbound = views.iter().find(|view| view.binding.is_none() && view.service_account == target.name);
    if let Some(view) = unbound.filter(|_| target.kind == TargetKind::Binding) {
        let account = &view.service_account;
        return Failure::Other(format!(
            "there is no binding {account} {place}, but a service account that is annotated without one; did you mean \
             sa/{account}?"
        ));
    }
    let names = views.iter().flat_map(|view| names(view, target.kind));
    let with_role = if target.kind == TargetKind::Binding { "" } else { " with a role" };
    let meant = not_there(&target.name, place, names);
    Failure::Other(format!("there is no {target}{with_role} {place}{meant}"))
}
