//! The snapshot with a status that records upcoming restarts, refused restarts, and the answer from
//! AWS.

use std::sync::Arc;

use podidentity_api::{PodIdentityBinding, RestartStatus};

use crate::outcome::Outcome;
use crate::plan::{Intent, Plan};
use crate::preflight;
use crate::restart_record;
use crate::snapshot::Snapshot;

/// `None` if there is nothing to record.
pub(super) fn with(snapshot: &Snapshot, plan: &Plan, outcome: &Outcome) -> Option<Snapshot> {
    // A dry run makes no restarts, so there is no intent to record.
    let intents: &[Intent] = if outcome.withheld.is_empty() { &plan.intents } else { &[] };
    let refused = outcome.problems.iter().any(|problem| problem.workload.is_some());
    if intents.is_empty() && !refused && outcome.answered.is_none() {
        return None;
    }
    let bindings = snapshot.bindings.iter().map(|binding| {
        let of_binding = intents.iter().filter(|intent| intent.binding == binding.metadata.uid);
        let restarts = restarts(snapshot, binding, of_binding.map(|intent| &intent.record), outcome);
        let mut binding = PodIdentityBinding::clone(binding);
        let status = binding.status.get_or_insert_default();
        status.restarts = restarts;
        if let Some(answered) =
            outcome.answered.as_ref().filter(|it| Some(&it.question.declared.uid) == binding.metadata.uid.as_ref())
        {
            status.preflight = Some(preflight::answered(status.preflight.take(), answered, snapshot.now));
        }
        Arc::new(binding)
    });
    Some(Snapshot { bindings: bindings.collect(), ..snapshot.clone() })
}

fn restarts<'a>(
    snapshot: &Snapshot,
    binding: &PodIdentityBinding,
    intents: impl Iterator<Item = &'a RestartStatus>,
    outcome: &Outcome,
) -> Vec<RestartStatus> {
    let intents: Vec<&RestartStatus> = intents.collect();
    let same = |a: &RestartStatus, b: &RestartStatus| (&a.kind, &a.name) == (&b.kind, &b.name);
    let before = binding.status.iter().flat_map(|status| &status.restarts);
    let kept = before.filter(|record| !intents.iter().any(|intent| same(intent, record)));
    let all = kept.chain(intents.iter().copied()).cloned();
    let refused = |record: RestartStatus| {
        let workload = snapshot.workloads.iter().map(|workload| workload.id());
        let mut same = workload.filter(|id| id.kind.as_str() == record.kind && id.name == record.name);
        let message = same.find_map(|id| outcome.refused(&id).map(str::to_owned));
        match message {
            Some(message) => restart_record::refused(record, message, snapshot.now),
            None => record,
        }
    };
    all.map(refused).collect()
}
