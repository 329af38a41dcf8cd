//! Restart windows, and the minimum time between the restarts of two workloads.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::RestartStatus;

use super::{Start, Waits};
use crate::objects::Workload;
use crate::rollout::{WorkloadVerdict, restarted_at};
use crate::windows::Pace;

/// Keeps only the restarts that may be made now: repetitions of a restart that has begun, those that
/// take back a failed identity, and new restarts unless all windows are closed. With an interval, it
/// keeps at most one new restart, if the last restart of every other workload is long enough ago.
/// Returns why the next restart waits.
pub(super) fn keep<'a>(
    due: &mut Vec<Start<'a>>,
    workloads: &[WorkloadVerdict],
    pace: &'a Pace,
    now: Timestamp,
) -> Option<Waits<'a>> {
    let has_begun = |start: &Start<'_>| start.mark.attempt > 0 || start.verdict.undoes;
    if let Some(opening) = pace.gate.opening() {
        let before = due.len();
        due.retain(has_begun);
        return (due.len() < before).then_some(Waits::Window(opening));
    }
    let interval = pace.interval?;
    let (mut begins, mut waiting) = (false, Vec::new());
    due.retain(|start| {
        if has_begun(start) {
            return true;
        }
        let others = workloads.iter().filter(|other| !std::ptr::eq(*other, start.verdict));
        let others = others.map(|other| (&*other.workload, other.record.as_ref()));
        match not_before(others, interval).filter(|at| *at > now) {
            Some(at) => {
                waiting.push((start.verdict, at));
                false
            }
            // The next restart is considered once this one has been made.
            None => !std::mem::replace(&mut begins, true),
        }
    });
    let next = waiting.into_iter().min_by_key(|(_, at)| *at);
    next.map(|(verdict, at)| Waits::Interval(verdict, at))
}

/// When the next workload may be restarted, counted from the last restart among the others. Times
/// in the Kubernetes API have whole seconds, so that restart may have been up to a second later
/// than its time says.
pub(crate) fn not_before<'a>(
    others: impl Iterator<Item = (&'a Workload, Option<&'a RestartStatus>)>,
    interval: SignedDuration,
) -> Option<Timestamp> {
    // A restart that the API server refuses is not made.
    let decided = |record: &RestartStatus| record.refused.is_none().then_some(record.since.0);
    let last = others.flat_map(|(workload, record)| [restarted_at(workload), record.and_then(decided)]);
    Some(last.flatten().max()? + interval + SignedDuration::from_secs(1))
}
