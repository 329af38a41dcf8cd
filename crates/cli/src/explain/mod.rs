//! `explain`: why a pod has its role, or lacks it.
//!
//! ```text
//! cluster ──► identity of the object ──► subject (the pod) ──► steps, cause, next step ──► text
//! ```

mod around;
mod cause;
mod containers;
mod find;
mod mechanism;
mod next;
mod render;
mod steps;
mod subject;

use std::io::Write;

use clap::Args;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::trust::TrustPolicy;
use serde::Serialize;

use crate::cluster::{Failure, Session, block_on};
use crate::exit::Exit;
use crate::flags::completion;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::flags::{Target, target};
use crate::output::document::{self, Output};
use crate::paint::{Mark, Paint};

pub(crate) use around::Around;
pub(crate) use find::{Found, find};
pub(crate) use subject::Subject;
#[cfg(test)]
pub(crate) use subject::contains;

/// Tell why a pod has its role, or has not
///
/// Tells the story in its order: does the workload name the service account; is that annotated, by whom, since when; was
/// the pod created before or after; what would the webhook have done; what has each container; which credentials would
/// an SDK in it pick; what has the role's trust policy to contain. Ends with the one thing to do next.
///
/// Where you may list mutatingwebhookconfigurations and mutatingadmissionpolicies it says what injects, and whether that
/// looks at the pod.
///
/// Of a workload, service account or binding it tells about the pod that is worst off.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kubectl podidentity explain pod/my-app-7d4b9c6f5-x2x7k
  kubectl podidentity explain deploy/my-app
  kubectl podidentity explain sa/my-service-account -n team-a
  kubectl podidentity explain pib/my-app")]
pub(crate) struct ExplainArgs {
    /// pod/NAME, deploy/NAME, sts/NAME, ds/NAME, rollout/NAME, sa/NAME or pib/NAME
    #[arg(value_name = "KIND/NAME", required = true, add = completion::objects(None))]
    pub(crate) object: Vec<String>,

    /// The namespace; default: that of the context
    #[arg(short, long, add = completion::namespaces())]
    pub(crate) namespace: Option<String>,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Everything that `explain` says about an object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// For example `Pod shop/web-1`.
    pub(crate) title: String,
    pub(crate) cause: Cause,
    pub(crate) steps: Vec<Step>,
    /// The trust policy that the role needs. Absent if no role is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust_policy: Option<TrustPolicy>,
    /// The one thing to do next.
    pub(crate) next: String,
}

/// The root cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cause {
    #[serde(skip)]
    pub(crate) mark: Mark,
    /// In CamelCase: the reason of a finding, or of the binding's condition `Ready`.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// What to do, if the cause determines it.
    #[serde(skip)]
    pub(crate) next: Option<String>,
}

/// One question of the explanation and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    #[serde(skip)]
    pub(crate) mark: Mark,
    pub(crate) heading: String,
    pub(crate) text: String,
    /// Pairs of name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<(String, String)>,
    /// The index of the decisive detail, which is highlighted.
    #[serde(skip)]
    pub(crate) decisive: Option<usize>,
}

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let targets = target::parse(&args.object, None).map_err(Failure::Other)?;
        let [target] = targets.as_slice() else {
            return Err(Failure::Other("explain takes one object at a time".to_owned()));
        };
        let scope = ScopeArgs { namespace: args.namespace.clone(), all_namespaces: false, selector: None };
        let mut session = Session::open(&args.connection, &scope).await?;
        let issuer = session.discover_issuer().await;
        let mut around = Around::default();
        let Found { snapshot, bindings_known } = find(&session, target, |snapshot| around.note(snapshot)).await?;
        around.without_bindings = !bindings_known;
        let no_issuer = issuer.err().map(|why| why.to_string());
        look_around(&session, &snapshot, target, &mut around).await?;
        write(&tell(&snapshot, target, no_issuer.as_deref(), &around), args.output, Paint::of_stdout(), out)?;
        Ok(Exit::Ok)
    })
}

/// Reads what an explanation needs beyond the identity. Leaves out what the user may not read.
async fn look_around(
    session: &Session,
    snapshot: &Snapshot,
    target: &Target,
    around: &mut Around,
) -> Result<(), Failure> {
    around.injectors = Some(session.injectors().await?);
    if snapshot.service_account.is_none() {
        for (namespace, name) in session.account_names().await? {
            if namespace != snapshot.namespace {
                around.add_account(&namespace, &name, false);
            }
        }
    }
    let pod = Subject::of(snapshot, target, around).pod.map(|pod| pod.name().to_owned());
    if let Some(pod) = pod {
        around.pod_labels = session.pod_labels(&snapshot.namespace, &pod).await?;
    }
    Ok(())
}

/// The explanation of an object in the snapshot. `no_issuer` says why the cluster's issuer is
/// unknown, if it was looked up.
pub(crate) fn tell(snapshot: &Snapshot, target: &Target, no_issuer: Option<&str>, around: &Around) -> Explanation {
    let subject = Subject::of(snapshot, target, around);
    let cause = cause::of(&subject);
    let steps = steps::of(&subject, no_issuer);
    Explanation {
        title: subject.title(target),
        next: next::of(&subject, &cause),
        trust_policy: steps::trust_policy(&subject),
        cause,
        steps,
    }
}

pub(crate) fn write(
    explanation: &Explanation,
    output: Output,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match output {
        Output::Text => render::text(explanation, paint).print(out)?,
        Output::Json => document::json(explanation, out)?,
        Output::Yaml => document::yaml(explanation, out)?,
    }
    Ok(())
}
