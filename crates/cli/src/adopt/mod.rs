//! `adopt`: prints bindings for service accounts that already have a role annotation.
//!
//! ```text
//! cluster ──► Snapshot of an account without binding ──► candidates, the fullest first ──► core's forecast of each
//!                                                    ──► the first that restarts nothing ──► YAML with comments
//! ```

mod comment;
mod propose;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use podidentity_api::ConflictPolicy;
use podidentity_cluster::index::IdentityKey;
use podidentity_core::message::counted;
use podidentity_core::objects::managed_by;
use podidentity_core::snapshot::Snapshot;

use crate::cluster::{Failure, Session, block_on, did_you_mean, notes};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::flags::{Target, TargetKind, target};
use crate::messages::Messages;

pub(crate) use propose::{Proposal, propose};

/// Print bindings for service accounts that are annotated today
///
/// Applying them restarts nothing: each is proven against the pods that run, by the operator's own plan. Where pods lack
/// the role, the binding waits for a release before it restarts them. Comments say since when the account is annotated, and
/// which tool keeps it.
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
    #[arg(value_name = "NAME", add = completion::objects(Some(TargetKind::ServiceAccount)))]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Only service accounts that eksctl keeps (app.kubernetes.io/managed-by=eksctl)
    #[arg(long)]
    pub(crate) with_eksctl_labels: bool,

    /// Let the bindings have the annotations from now on (onConflict: TakeOver): for annotations of kubectl annotate, of a
    /// restore, or of a tool that no longer writes them
    #[arg(long)]
    pub(crate) take_over: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl AdoptArgs {
    pub(crate) fn on_conflict(&self) -> ConflictPolicy {
        if self.take_over { ConflictPolicy::TakeOver } else { ConflictPolicy::Report }
    }
}

/// Runs the command.
pub(crate) fn run(args: &AdoptArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::ServiceAccount)).map_err(Failure::Other)?;
        let session = Session::open(&args.connection, &args.scope).await?;
        let selected = session.selected().await?;
        // Keep only the proposals, because the snapshots of a large cluster take too much memory.
        let reading = session
            .read(false, |snapshot| {
                let asked = is_asked_for(&snapshot, &targets, args.with_eksctl_labels);
                let bound_by = snapshot.bindings.first().and_then(|binding| binding.metadata.name.clone());
                Some(Account { bound_by, proposal: asked.then(|| propose(&snapshot, args.on_conflict())).flatten() })
            })
            .await?;
        let mut messages = Messages::new();
        messages.notes(&notes(&reading));
        let mut accounts = reading.results;
        if let Some(selected) = &selected {
            accounts.retain(|key, _| selected.has_account(&key.namespace, &key.service_account));
        }
        check_names(&accounts, &targets, &session)?;
        let proposals: Vec<Proposal> = accounts.into_values().filter_map(|account| account.proposal).collect();
        write(&proposals, out)?;
        for proposal in &proposals {
            messages.notes(&proposal.notes);
        }
        messages.note(&summary(&proposals, &session.place()));
        Ok(Exit::Ok)
    })
}

/// A service account with a role.
struct Account {
    /// The binding that already names the service account.
    bound_by: Option<String>,
    /// `None` if the service account is bound already or was not asked for.
    proposal: Option<Proposal>,
}

fn check_names(
    accounts: &BTreeMap<IdentityKey, Account>,
    targets: &[Target],
    session: &Session,
) -> Result<(), Failure> {
    for target in targets {
        let found = accounts.iter().find(|(key, _)| key.service_account == target.name);
        match found {
            Some((_, Account { bound_by: Some(name), .. })) => {
                return Err(Failure::Other(format!("{target} is bound already, by pib/{name}")));
            }
            Some(_) => {}
            None => {
                let meant = did_you_mean(&target.name, accounts.keys().map(|key| key.service_account.as_str()));
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
        account.is_some_and(|account| managed_by(account).iter().any(|owner| owner.tool == "eksctl"))
    };
    named && (!only_eksctl || by_eksctl())
}

/// Writes the proposals as YAML documents.
pub(crate) fn write(proposals: &[Proposal], out: &mut dyn Write) -> Result<(), Failure> {
    for (index, proposal) in proposals.iter().enumerate() {
        if index > 0 {
            writeln!(out, "---")?;
        }
        for comment in &proposal.comments {
            writeln!(out, "{comment}")?;
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
