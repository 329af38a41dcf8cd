//! The story of one reconcile.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::act::act;
use podidentity_cluster::clock;
use podidentity_cluster::index::IdentityKey;
use podidentity_cluster::preflight::Asked;
use podidentity_cluster::report::{self, Reported};
use podidentity_core::outcome::{Outcome, Problem, ProblemKind};
use podidentity_core::status::{Report, farewells, reports, step_events, transitions};
use tokio::time::Instant;

use crate::context::{Context, Decision};

/// A write that fails is mentioned in the status from this failure in a row on: most failures pass by themselves.
const FAILURES_WORTH_TELLING: u32 = 3;

/// A question for which AWS was asked too much already is asked this much later.
const POSTPONED: Duration = Duration::from_secs(1);

/// Looks at one identity, does what is to be done, and reports. Returns when it is due again without any event.
///
/// Intent before act: a restart is planned only once the status has recorded it, so the status comes first and the restart in
/// the next round.
pub(crate) async fn reconcile(context: Arc<Context>, key: IdentityKey) -> Option<Instant> {
    let decision = context.decide(&key)?;
    let acted = match context.only_shown(&key, &decision.plan) {
        Some(shown) => shown,
        None => act(&context.client, &context.preflights, &key.namespace, &decision.plan).await,
    };
    let mut outcome = Outcome::of(&decision.assessment, acted.done, acted.problems);
    outcome.withheld = acted.withheld;
    if let Some(Asked { answered, took }) = acted.asked {
        context.metrics.asked(&answered.verdict, took);
        outcome.answered = Some(answered);
    }
    context.acted(&key, &decision.plan, &outcome);
    outcome.restored = outcome.restored.or_else(|| context.untold_restoration(&key));
    announce(&context, &decision, &outcome).await;

    // The status speaks of the time after: what was written is known already.
    for object in acted.written {
        context.index.refresh(object);
    }
    let progressed = !outcome.done.is_empty() || !outcome.problems.is_empty();
    let after = if progressed { context.decide(&key)? } else { decision };
    if more_follows_at_once(&after, &outcome) {
        return Some(Instant::now());
    }
    let problem = outcome.problems.iter().find(|problem| !is_recorded(problem)).map(|problem| problem.kind);
    if context.failures(&key) < FAILURES_WORTH_TELLING {
        outcome.problems.retain(|problem| problem.kind != ProblemKind::Failed);
    }
    let reports = reports(&after.snapshot, &after.assessment, &after.plan, &outcome);
    let reported = write_reports(&context, &key, &after.snapshot.bindings, &reports, &outcome).await;

    let reported_problem = reported.as_ref().err().copied();
    if reported_problem.is_some() {
        context.keep_untold(&key, outcome.restored);
    }
    if let Some(kind) = problem.or(reported_problem) {
        return Some(Instant::now() + context.failed(&key, kind));
    }
    context.succeeded(&key);
    let now = Instant::now();
    let due = after.plan.check_at.map(|at| now + until(at));
    let postponed = acted.postponed.then(|| now + POSTPONED);
    [progressed.then_some(now), reported.ok().flatten(), due, postponed].into_iter().flatten().min()
}

/// Announces what was done, and what is said of bindings that were let go.
async fn announce(context: &Context, decision: &Decision, outcome: &Outcome) {
    let Decision { snapshot, assessment, .. } = decision;
    for (binding, farewell) in farewells(snapshot, assessment, outcome) {
        context.announcer.announce(&binding, vec![farewell]).await;
    }
    let restarts = step_events(snapshot, outcome);
    if let Some(binding) =
        assessment.owning_binding().or_else(|| assessment.deleting.first().map(|deletion| &deletion.binding))
        && !restarts.is_empty()
    {
        context.announcer.announce(binding, restarts).await;
    }
}

/// Whether the status records the problem, with the time of the next try: a restart that is refused.
fn is_recorded(problem: &Problem) -> bool {
    problem.workload.is_some() && matches!(problem.kind, ProblemKind::Refused | ProblemKind::Rewritten)
}

/// Whether a status would only say what is out of date in a moment. Not where restarts or a restoration have to be told.
fn more_follows_at_once(after: &Decision, outcome: &Outcome) -> bool {
    !outcome.done.is_empty() && !outcome.is_worth_telling() && !after.plan.steps.is_empty()
}

/// Writes statuses, and announces what they say that is new. Returns when to look again: at once after a change of substance,
/// which the next decision may build on; later if counts were held back.
async fn write_reports(
    context: &Context,
    key: &IdentityKey,
    bindings: &[Arc<PodIdentityBinding>],
    reports: &[Report],
    outcome: &Outcome,
) -> Result<Option<Instant>, ProblemKind> {
    if reports.is_empty() {
        context.reported(key);
    }
    if reports.is_empty() || !context.reports() {
        return Ok(None);
    }
    let urgent = reports.iter().any(|report| report.urgent);
    if !urgent && let Some(again_at) = context.may_report_counts_at(key) {
        return Ok(Some(again_at));
    }
    let Reported { written, refused, problem } =
        report::write(&context.client, &context.index, &key.namespace, reports).await;
    context.reported(key);
    context.metrics.statuses_refused(refused);
    // What was written will not be new any more when the others are tried again.
    for report in written {
        let name = Some(&report.binding.name);
        if let Some(binding) = bindings.iter().find(|binding| binding.metadata.name.as_ref() == name) {
            let news = transitions(binding.status.as_ref(), &report.status, outcome);
            context.announcer.announce(binding, news).await;
        }
    }
    match problem {
        Some(problem) => Err(problem.kind),
        None => Ok(urgent.then(Instant::now)),
    }
}

fn until(at: Timestamp) -> Duration {
    // A little later rather than a little too early: too early would only mean to look once more.
    at.duration_since(clock::now()).try_into().unwrap_or(Duration::ZERO) + Duration::from_millis(10)
}
