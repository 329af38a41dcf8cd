//! `verify`: whether every pod has its role, for people and for pipelines.
//!
//! ```text
//! cluster ──► views ──► table, JSON, YAML, JUnit or SARIF, and an exit status
//!    ▲           │
//! changes ◄──────┘ until it is as it should be, or only a person can help, or time is up
//! ```

mod junit;
mod sarif;
mod table;

use std::io::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cluster::{Failure, Picture, Session, Views, block_on};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs, duration};
use crate::flags::{Target, TargetKind, target};
use crate::messages::Messages;
use crate::output::document;
use crate::paint::Paint;
use crate::status;
use crate::view::{State, View};

/// Fail unless every pod has its role
///
/// Judges every live pod of every binding, and of service accounts that are annotated without one, as the operator does.
/// Bindings without pods pass; so do warnings, which are shown.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # In a pipeline, after a deployment
  kubectl podidentity verify my-app --wait --timeout 5m

  # The whole cluster, for code scanning or a test report
  kubectl podidentity verify -A -o sarif > podidentity.sarif
  kubectl podidentity verify -A -o junit > podidentity.xml

Exit status: 0 if all is verified, 1 if something is not, 2 if the cluster cannot be read.")]
pub(crate) struct VerifyArgs {
    /// Names of bindings, or pib/NAME, sa/NAME, deploy/NAME, pod/NAME, ...
    #[arg(value_name = "NAME", add = completion::objects(Some(TargetKind::Binding)))]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,

    /// Wait until all is verified. Ends earlier where only a person can help
    #[arg(long)]
    pub(crate) wait: bool,

    /// How long to wait, for example 90s or 10m; 0: look once
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// To read
    Table,
    /// All that is known
    Json,
    /// The same as YAML
    Yaml,
    /// A test report: one test for each binding
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::Binding)).map_err(Failure::Other)?;
        let session = Session::open(&args.connection, &args.scope).await?;
        let mut messages = Messages::new();
        let Views { mut views, notes } = session.views().await?;
        if args.wait {
            wait(&session, &targets, args.timeout, &mut views, &mut messages).await?;
        }
        let views = status::named(views, &targets, &session.place())?;
        messages.notes(&notes);
        if views.is_empty() {
            messages.note(&format!("no bindings and no annotated service accounts {}", session.place()));
        }
        write(&views, args.output, Paint::of_stdout(), args.scope.all_namespaces, out)?;
        Ok(exit(&views))
    })
}

/// Keeps the views up to date until they are as they should be, or only a person can help, or time
/// is up.
async fn wait(
    session: &Session,
    targets: &[Target],
    timeout: Duration,
    views: &mut Vec<View>,
    messages: &mut Messages,
) -> Result<(), Failure> {
    let Some(mut last) = waiting_for(views, targets) else { return Ok(()) };
    let mut problem = None;
    let end = async {
        messages.note(&format!("waiting: {last}"));
        let mut picture = Picture::open(session).await?;
        loop {
            views.clone_from(&picture.views);
            problem.clone_from(&picture.problem);
            let Some(progress) = waiting_for(views, targets) else { return Ok(()) };
            let progress = problem.clone().unwrap_or(progress);
            if progress != last {
                messages.note(&format!("waiting: {progress}"));
                last = progress;
            }
            picture.next().await;
        }
    };
    let ended = tokio::time::timeout(timeout, end).await;
    match (ended, problem) {
        (Ok(ended), _) => ended,
        // The last views do not show the current state of the cluster.
        (Err(_), Some(problem)) => Err(Failure::Other(problem)),
        (Err(_), None) => {
            messages.note(&format!("gave up after {}s, still waiting: {last}", timeout.as_secs()));
            Ok(())
        }
    }
}

/// What the command waits for. `None` if it waits for nothing.
fn waiting_for(views: &[View], targets: &[Target]) -> Option<String> {
    if status::missing(views, targets).is_some() {
        return Some("it does not exist yet".to_owned());
    }
    let working = || views.iter().filter(|view| view.state == State::Working && status::is_named(view, targets));
    let first = working().next()?;
    let others = match working().count() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    Some(format!("{}/{}: {}{others}", first.namespace, first.title(), first.message))
}

pub(crate) fn exit(views: &[View]) -> Exit {
    if views.iter().all(View::is_right) { Exit::Ok } else { Exit::Findings }
}

pub(crate) fn write(
    views: &[View],
    output: Output,
    paint: Paint,
    namespaces: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match output {
        Output::Table => table::table(views, namespaces, paint).print(out)?,
        Output::Json => document::json(&status::document(views), out)?,
        Output::Yaml => document::yaml(&status::document(views), out)?,
        Output::Junit => junit::write(views, out)?,
        Output::Sarif => document::json(&sarif::log(views), out)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_under_way_is_waited_for() {
        let view = |state| {
            let mut view = crate::view::sample();
            view.state = state;
            view
        };
        let over = |views: &[View]| waiting_for(views, &[]).is_none();
        assert!(over(&[view(State::Verified), view(State::Idle)]));
        assert!(over(&[view(State::Failing)]), "only a person can help");
        assert!(!over(&[view(State::Failing), view(State::Working)]));
        let absent = target::parse(&["other".to_owned()], Some(TargetKind::Binding)).unwrap();
        assert!(waiting_for(&[view(State::Verified)], &absent).is_some(), "it may come");
        assert_eq!(exit(&[view(State::Verified), view(State::Idle)]), Exit::Ok);
        assert_eq!(exit(&[view(State::Working)]), Exit::Findings, "under way is not verified");
    }
}
