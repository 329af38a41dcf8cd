//! The order of the due restarts. The first one is the canary.

use jiff::Timestamp;

use super::{Start, is_injected_since};
use crate::restart_record;
use crate::rollout::{Cause, Phase, WorkloadVerdict};

/// The restarts that may be made, in order. Those that take back a failed identity come first, and
/// those that the API server refused before, or that another manager undid, come last. Otherwise,
/// recorded and repeated restarts come before new ones, and healthy workloads come
/// before others.
pub(super) fn in_order(workloads: &[WorkloadVerdict], injected_at: Option<Timestamp>) -> Vec<Start<'_>> {
    let mut due: Vec<Start<'_>> = workloads.iter().filter_map(|verdict| start(verdict, injected_at)).collect();
    due.sort_by_key(|start| {
        let refused = start.verdict.record.as_ref().is_some_and(|record| record.refused.is_some());
        (
            !start.verdict.undoes,
            refused || start.verdict.reverted,
            !(start.recorded || start.mark.attempt > 0),
            !start.healthy,
            start.verdict.workload.id(),
        )
    });
    due
}

fn start(verdict: &WorkloadVerdict, injected_at: Option<Timestamp>) -> Option<Start<'_>> {
    match &verdict.phase {
        Phase::Due { mark, healthy, recorded } => {
            Some(Start { verdict, mark: mark.clone(), healthy: *healthy, recorded: *recorded })
        }
        Phase::Failed { cause: Cause::InjectionMissed { at, next: Some(next), .. }, .. }
            if is_injected_since(injected_at, *at) =>
        {
            let record = verdict.record.as_ref();
            let recorded = record.is_some_and(|it| restart_record::is_of(it, &verdict.workload, &next.to_string()));
            Some(Start { verdict, mark: next.clone(), healthy: false, recorded })
        }
        _ => None,
    }
}
