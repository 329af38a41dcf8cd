//! `adopt`: bindings for service accounts that are annotated already.
//!
//! ```text
//! cluster ──► Snapshot of an account without binding ──► candidates, the fullest first ──► core's forecast of each
//!                                                    ──► the first that restarts nothing ──► YAML with comments
//! ```

mod propose;

use std::io::Write;

use clap::Args;
use podidentity_core::owners::owners;
use podidentity_core::snapshot::Snapshot;

use crate::cluster::args::{ConnectionArgs, ScopeArgs};
use crate::cluster::{Failure, Session, Target, TargetKind, block_on, did_you_mean, notes, target};
use crate::complete;
use crate::exit::Exit;
use crate::messages::Messages;
use crate::view::counted;

pub(crate) use propose::{Proposal, propose};

/// Print bindings for service accounts that are annotated today
///
/// Applying them restarts nothing: each is proven against the pods that run, by the operator's own plan. Where pods lack
/// the role, the binding waits for a release before it restarts them. Comments say who wrote and who keeps the annotation.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kubectl podidentity adopt -A > bindings.yaml
  kubectl podidentity plan -f bindings.yaml
  kubectl apply -f bindings.yaml

  # Only what eksctl has made
  kubectl podidentity adopt -A --with-eksctl-labels")]
pub(crate) struct AdoptArgs {
    /// Names of service accounts, or sa/NAME; none: all that are annotated and have no binding
    #[arg(value_name = "NAME", add = complete::objects(Some(TargetKind::ServiceAccount)))]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Only service accounts that eksctl keeps (app.kubernetes.io/managed-by=eksctl)
    #[arg(long)]
    pub(crate) with_eksctl_labels: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Runs the command.
pub(crate) fn run(args: &AdoptArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::ServiceAccount)).map_err(Failure::Other)?;
        let session = Session::open(&args.connection, &args.scope).await?;
        let selected = session.selected().await?;
        let reading = session.read(false, Some).await?;
        let mut messages = Messages::new();
        messages.notes(&notes(&reading));
        let mut accounts: Vec<&Snapshot> = reading.results.values().collect();
        if let Some(selected) = &selected {
            accounts.retain(|it| selected.has_account(&it.namespace, &it.service_account_name));
        }
        check_names(&accounts, &targets, &session)?;
        accounts.retain(|snapshot| is_asked_for(snapshot, &targets, args.with_eksctl_labels));
        let proposals: Vec<Proposal> = accounts.into_iter().filter_map(propose).collect();
        write(&proposals, out)?;
        messages.note(&summary(&proposals, &session.place()));
        Ok(Exit::Ok)
    })
}

fn check_names(accounts: &[&Snapshot], targets: &[Target], session: &Session) -> Result<(), Failure> {
    for target in targets {
        let found = accounts.iter().find(|snapshot| snapshot.service_account_name == target.name);
        match found {
            Some(snapshot) if !snapshot.bindings.is_empty() => {
                let name = snapshot.bindings[0].metadata.name.as_deref().unwrap_or_default();
                return Err(Failure::Other(format!("{target} is bound already, by pib/{name}")));
            }
            Some(_) => {}
            None => {
                let names = accounts.iter().map(|snapshot| snapshot.service_account_name.as_str());
                let meant = did_you_mean(&target.name, names);
                return Err(Failure::Other(format!("no {target} {} is annotated with a role{meant}", session.place())));
            }
        }
    }
    Ok(())
}

fn is_asked_for(snapshot: &Snapshot, targets: &[Target], only_eksctl: bool) -> bool {
    let named = targets.is_empty() || targets.iter().any(|target| target.name == snapshot.service_account_name);
    let by_eksctl = || {
        let account = snapshot.service_account.as_ref();
        account.is_some_and(|account| owners(&account.metadata).iter().any(|owner| owner.tool == "eksctl"))
    };
    named && (!only_eksctl || by_eksctl())
}

/// YAML documents.
pub(crate) fn write(proposals: &[Proposal], out: &mut dyn Write) -> Result<(), Failure> {
    for (index, proposal) in proposals.iter().enumerate() {
        if index > 0 {
            writeln!(out, "---")?;
        }
        for comment in &proposal.comments {
            writeln!(out, "# {comment}")?;
        }
        if let Some(binding) = &proposal.binding {
            crate::output::document::yaml(binding, out)?;
        }
    }
    Ok(())
}

pub(crate) fn summary(proposals: &[Proposal], place: &str) -> String {
    if proposals.is_empty() {
        return format!("no service account {place} is annotated without a binding");
    }
    let bound = proposals.iter().filter(|proposal| proposal.binding.is_some()).count();
    let waiting = proposals.iter().filter(|proposal| proposal.waits).count();
    let not = proposals.len() - bound;
    let waiting = if waiting == 0 {
        String::new()
    } else {
        format!(", {waiting} waiting for a release because pods lack the role")
    };
    let not = if not == 0 { String::new() } else { format!("; {not} cannot be bound: see the comments") };
    format!("{}{waiting}{not}; applying them restarts nothing", counted(bound, "binding"))
}
