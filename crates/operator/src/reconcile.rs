//! The story of one reconcile.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::reason;
use podidentity_cluster::act::{Acted, act};
use podidentity_cluster::index::IdentityKey;
use podidentity_cluster::report;
use podidentity_core::account::AccountState;
use podidentity_core::assess::Assessment;
use podidentity_core::outcome::ProblemKind;
use podidentity_core::plan::Step;
use podidentity_core::status::{Report, Transition, reports, transitions};
use tokio::time::Instant;

use crate::context::{Context, Decision};

/// A write that fails is mentioned in the status from this failure in a row on: most failures pass by themselves.
const FAILURES_WORTH_TELLING: u32 = 3;

/// Looks at one identity, does what is to be done, and reports. Returns when it is due again without any event.
pub(crate) async fn reconcile(context: Arc<Context>, key: IdentityKey) -> Option<Instant> {
    let Decision { snapshot, assessment, plan } = context.decide(&key)?;
    let mut acted = act(&context.client, &key.namespace, &plan).await;
    let restored = restored(&assessment, &acted);
    publish_release(&context, &assessment, &acted).await;

    // The status speaks of the time after: what was written is known already.
    for object in acted.written.drain(..) {
        context.index.refresh(object);
    }
    let progressed = !acted.done.is_empty();
    let (snapshot, assessment) = if progressed { context.look_again(&key)? } else { (snapshot, assessment) };
    let problem = acted.outcome.problems.first().map(|problem| problem.kind);
    if context.failures(&key) < FAILURES_WORTH_TELLING {
        acted.outcome.problems.retain(|problem| problem.kind != ProblemKind::Failed);
    }
    let reports = reports(&snapshot, &assessment, &acted.outcome, restored.is_some());
    let reported = write_reports(&context, &key, &snapshot.bindings, &reports, &acted.done, restored.as_deref()).await;

    if let Some(kind) = problem.or(reported.problem) {
        return Some(Instant::now() + context.failed(&key, kind));
    }
    context.succeeded(&key);
    let now = Instant::now();
    let due = plan.check_at.map(|at| now + until(at));
    [progressed.then_some(now), reported.again_at, due].into_iter().flatten().min()
}

struct Reported {
    problem: Option<ProblemKind>,
    /// When counts that were held back may be written.
    again_at: Option<Instant>,
}

async fn write_reports(
    context: &Context,
    key: &IdentityKey,
    bindings: &[Arc<PodIdentityBinding>],
    reports: &[Report],
    done: &[Step],
    restored: Option<&str>,
) -> Reported {
    if reports.is_empty() {
        return Reported { problem: None, again_at: None };
    }
    if reports.iter().all(|report| !report.urgent)
        && let Some(again_at) = context.may_report_counts_at(key)
    {
        return Reported { problem: None, again_at: Some(again_at) };
    }
    let written = report::write(&context.client, &context.index, &key.namespace, reports).await;
    context.reported(key);
    if let Err(problem) = written {
        return Reported { problem: Some(problem.kind), again_at: None };
    }
    for report in reports {
        let name = Some(&report.binding.name);
        if let Some(binding) = bindings.iter().find(|binding| binding.metadata.name.as_ref() == name) {
            let events = transitions(binding.status.as_ref(), &report.status, done, restored);
            report::publish(&context.recorder, binding, events).await;
        }
    }
    Reported { problem: None, again_at: None }
}

/// What had happened to the annotation, if carrying out the plan restored it.
fn restored(assessment: &Assessment, acted: &Acted) -> Option<String> {
    let AccountState::Outdated { drift, .. } = &assessment.case.as_ref()?.account.state else { return None };
    let annotated = acted.done.iter().any(|step| matches!(step, Step::Annotate { .. }));
    drift.clone().filter(|_| annotated)
}

/// Says that a deleted binding has released its service account; no status will say it.
async fn publish_release(context: &Context, assessment: &Assessment, acted: &Acted) {
    let released = acted.done.iter().find_map(|step| match step {
        Step::Annotate { account, annotations, .. } if annotations.is_empty() => Some(account),
        Step::Annotate { .. } | Step::SetFinalizer { .. } | Step::Roll { .. } => None,
    });
    let Some(account) = released else { return };
    for binding in &assessment.claim.deleting {
        let note = format!("gave up the annotations of service account {}", account.name);
        let released = Transition { warning: false, reason: reason::RELEASED, note };
        report::publish(&context.recorder, binding, vec![released]).await;
    }
}

fn until(at: Timestamp) -> Duration {
    // A little later rather than a little too early: too early would only mean to look once more.
    at.duration_since(Timestamp::now()).try_into().unwrap_or(Duration::ZERO) + Duration::from_millis(10)
}
