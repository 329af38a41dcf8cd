//! `plan`: shows what the operator would do, before it does it.
//!
//! ```text
//! cluster ──► Snapshot ──┬──► (with the bindings and service accounts of the files) ──► core's forecast ──► text
//!                        └──► ...or as it is
//! ```

mod overlay;
mod render;

use std::io::Write;

use clap::{ArgAction, Args};
use podidentity_api::Mechanism;
use podidentity_core::assess::Assessment;
use podidentity_core::forecast::{After, Fate, Forecast};
use podidentity_core::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::cluster::{Failure, Session, block_on, not_there, notes};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::flags::{Target, TargetKind, target};
use crate::messages::Messages;
use crate::output::document::{self, Output};
use crate::paint::Paint;
use overlay::Overlay;

/// Show what the operator would do, without doing it
///
/// Tells which service accounts would be annotated, which workloads would restart, how many pods and in which order, and
/// what would be left alone and why. With -f it tells what applying the bindings and service accounts of the files would
/// bring about. Nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Before applying
  kubectl podidentity plan -f deploy/

  # What a binding waits to do
  kubectl podidentity plan pib/my-app

Exit status, as of kubectl diff: 0 if nothing would be written, 1 if something would, 2 if something cannot be read.")]
pub(crate) struct PlanArgs {
    /// Names of bindings, or pib/NAME, sa/NAME; none: all
    #[arg(value_name = "NAME", conflicts_with = "files", add = completion::objects(Some(TargetKind::Binding)))]
    pub(crate) names: Vec<String>,

    /// A file or folder of manifests, YAML or JSON; - is standard input. Can be repeated. Folders are read recursively
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", action = ArgAction::Append)]
    pub(crate) files: Vec<String>,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// What would happen to one identity.
pub(crate) struct Planned {
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    /// The binding that would own the service account.
    pub(crate) binding: String,
    pub(crate) role_arn: String,
    /// What applying the files would do to the binding.
    pub(crate) change: Change,
    /// Bindings of the same service account that would have no effect.
    pub(crate) waiting: Vec<String>,
    pub(crate) forecast: Forecast,
}

/// What applying the files would do to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The binding is already in the cluster, and stays as it is.
    None,
    Created,
    Configured,
}

/// Runs the command.
pub(crate) fn run(args: &PlanArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.names, Some(TargetKind::Binding)).map_err(Failure::Other)?;
        let mut messages = Messages::new();
        let session = Session::open(&args.connection, &args.scope).await?;
        let overlay = Overlay::read(&args.files, &session.connection.namespace, args.scope.namespace.as_deref());
        messages.notes(&overlay.notes);
        messages.problems(&overlay.problems);
        let with_files = !args.files.is_empty();
        let selected = session.selected().await?;
        let part = session.across(overlay.namespaces(session.namespace.as_deref(), with_files));
        // Keep only the plans, because the snapshots of a large cluster take too much memory.
        let reading = part
            .read(with_files, |snapshot| {
                let names = snapshot.bindings.iter().filter_map(|binding| binding.metadata.name.clone());
                let asked = || targets.is_empty() || targets.iter().any(|target| is(&snapshot, target));
                let planned = if with_files {
                    overlay.planned(&snapshot)
                } else {
                    asked().then(|| self::planned(&snapshot, Change::None)).flatten()
                };
                Some((names.collect::<Vec<_>>(), (planned, overlay.warnings(&snapshot))))
            })
            .await?;
        if !with_files || overlay.is_empty() {
            messages.notes(&notes(&reading));
        }
        let nowhere = overlay.nowhere(&reading.results, reading.now, &reading.config);
        let nowhere = nowhere.iter().map(|snapshot| (overlay.planned(snapshot), overlay.warnings(snapshot)));
        let (known, plans): (Vec<_>, Vec<_>) = reading.results.into_values().unzip();
        let (planned, warnings): (Vec<_>, Vec<_>) = plans.into_iter().chain(nowhere).unzip();
        messages.notes(&warnings.concat());
        let mut planned: Vec<Planned> = planned.into_iter().flatten().collect();
        if planned.is_empty() && !targets.is_empty() {
            let meant = not_there(&targets[0].name, &session.place(), known.iter().flatten().map(String::as_str));
            return Err(Failure::Other(format!("there is no {} {}{meant}", targets[0], session.place())));
        }
        if let Some(selected) = selected.filter(|_| !with_files) {
            planned.retain(|planned| selected.has_binding(&planned.namespace, &planned.binding));
        }
        // Unreadable files have no plan, and "no restarts" would be wrong.
        if !planned.is_empty() || overlay.problems.is_empty() {
            write(&planned, args.output, Paint::of_stdout(), out)?;
        }
        let quiet = planned.iter().all(|planned| planned.change == Change::None && planned.forecast.is_quiet());
        Ok(match (overlay.problems.is_empty(), quiet) {
            (false, _) => Exit::Unreadable,
            (true, true) => Exit::Ok,
            (true, false) => Exit::Findings,
        })
    })
}

fn is(snapshot: &Snapshot, target: &Target) -> bool {
    match target.kind {
        TargetKind::ServiceAccount => snapshot.service_account_name == target.name,
        _ => snapshot.bindings.iter().any(|binding| binding.metadata.name.as_ref() == Some(&target.name)),
    }
}

/// What would happen to the identity; `None` if no binding would name it.
pub(crate) fn planned(snapshot: &Snapshot, change: Change) -> Option<Planned> {
    let assessment = Assessment::of(snapshot);
    let case = assessment.owner.as_ref()?;
    let names = assessment.waiting.iter().filter_map(|waiting| waiting.metadata.name.clone());
    Some(Planned {
        namespace: snapshot.namespace.clone(),
        service_account: snapshot.service_account_name.clone(),
        binding: case.binding.metadata.name.clone().unwrap_or_default(),
        role_arn: case.expected.identity.role_arn.clone(),
        change,
        waiting: names.collect(),
        forecast: Forecast::of(snapshot),
    })
}

pub(crate) fn write(planned: &[Planned], output: Output, paint: Paint, out: &mut dyn Write) -> Result<(), Failure> {
    let value = || Value::Array(planned.iter().map(to_json).collect());
    match output {
        Output::Text => render::text(planned, paint).print(out)?,
        Output::Json => document::json(&value(), out)?,
        Output::Yaml => document::yaml(&value(), out)?,
    }
    Ok(())
}

fn to_json(planned: &Planned) -> Value {
    let forecast = &planned.forecast;
    let annotations = forecast.annotations.iter();
    let annotations = annotations.map(|it| json!({"key": it.key, "from": it.from, "to": it.to})).collect::<Value>();
    let workloads = forecast.workloads.iter().map(|workload| {
        let fate = match &workload.fate {
            Fate::Restart { turn, canary, after } => {
                let at = match after {
                    Some(After::Window(opening)) => Some(opening.at.to_string()),
                    _ => None,
                };
                let after = after.as_ref().map(After::to_string);
                let mut fate = json!({"action": "Restart", "turn": turn, "canary": canary, "after": after});
                if let Some(at) = at {
                    fate["notBefore"] = at.into();
                }
                fate
            }
            Fate::Restarting => json!({"action": "Restarting"}),
            Fate::LeftAlone(why) => json!({"action": "LeftAlone", "why": why}),
            Fate::Untouched(why) => json!({"action": "None", "why": why}),
        };
        json!({"workload": workload.workload.to_string(), "pods": workload.pods, "lacking": workload.lacking, "plan": fate})
    });
    let blocked = forecast.blocked.as_ref();
    let mut value = json!({
        "namespace": planned.namespace,
        "serviceAccount": planned.service_account,
        "binding": planned.binding,
        "change": format!("{:?}", planned.change),
        "roleArn": planned.role_arn,
        "annotations": annotations,
        "blocked": blocked.map(|(reason, message)| json!({"reason": reason, "message": message})),
        "workloads": workloads.collect::<Value>(),
        "unmanagedPods": forecast.unmanaged_pods,
    });
    if forecast.waits_for_association {
        value["mechanism"] = Mechanism::PodIdentity.as_str().into();
    }
    if let Some(interval) = &forecast.interval {
        value["interval"] = interval.clone().into();
    }
    value
}
