//! Which workloads are restarted next, and how many at a time.
//!
//! ```text
//! verdicts ──► those that are due, the canary first ──► as many as there are places ──► in a window, not too soon ──► restarts
//!              canary.rs                                                                pace.rs
//! ```
//!
//! Until one workload has proven that the identity arrives, only one workload is restarted: the
//! canary. If possible, the canary was healthy before, so that its failure means something.

mod canary;
mod pace;

use jiff::Timestamp;
use podidentity_api::Rollout;

use crate::injection::is_injected_volume;
use crate::restart_mark::RestartMark;
use crate::rollout::{Cause, Phase, WorkloadVerdict};
use crate::verify::JudgedPod;
use crate::windows::{Opening, Pace};

use canary::in_order;
pub(crate) use pace::not_before;

/// The restarts to make now.
#[derive(Clone, Debug, Default)]
pub struct Schedule<'a> {
    /// The restarts, in order.
    pub starts: Vec<Start<'a>>,
    /// Whether the operator-wide limit defers further restarts.
    pub wants_slots: bool,
    /// What the next restart waits for, if it waits for a window or the interval.
    pub waits: Option<Waits<'a>>,
    /// When to check again if no event arrives.
    pub check_at: Option<Timestamp>,
}

/// What a restart waits for although the concurrency limit allows it.
#[derive(Clone, Copy, Debug)]
pub enum Waits<'a> {
    /// A restart window.
    Window(&'a Opening),
    /// The binding's interval, with the workload and when it may be restarted.
    Interval(&'a WorkloadVerdict, Timestamp),
}

impl Waits<'_> {
    /// When the wait is over.
    pub fn until(&self) -> Timestamp {
        match self {
            Self::Window(opening) => opening.at,
            Self::Interval(_, at) => *at,
        }
    }
}

/// A restart to make.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The workload to restart.
    pub verdict: &'a WorkloadVerdict,
    /// The mark that the restart writes to the pod template.
    pub mark: RestartMark,
    /// Whether the workload is healthy now.
    pub healthy: bool,
    /// Whether the status already records the restart.
    pub recorded: bool,
}

/// The inputs for the schedule of one binding's workloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) workloads: &'a [WorkloadVerdict],
    /// When the newest pod that got the identity by injection was created.
    pub(crate) injected_at: Option<Timestamp>,
    pub(crate) rollout: &'a Rollout,
    pub(crate) pace: &'a Pace,
    /// Whether a failed restart keeps others from starting.
    pub(crate) halts: bool,
}

/// The restarts to make now for the workloads of one binding. `slots`: the number of free slots of
/// the operator-wide limit.
pub(crate) fn schedule<'a>(inputs: &Inputs<'a>, slots: usize, now: Timestamp) -> Schedule<'a> {
    let Inputs { workloads, injected_at, rollout, pace, halts } = *inputs;
    if halts && is_halted(workloads, injected_at) {
        return Schedule::default();
    }
    let mut due = in_order(workloads, injected_at);
    let proven = workloads.iter().any(WorkloadVerdict::proves_injection);
    let missed = workloads
        .iter()
        .any(|verdict| matches!(verdict.phase, Phase::Failed { cause: Cause::InjectionMissed { .. }, .. }));
    if missed && !proven {
        // As far as is known, nothing injects. If the failure policy continues at all, each other
        // workload is tried once.
        due.retain(|start| start.mark.attempt == 0);
    }
    let limit = if proven { most_at_once(rollout) } else { 1 };
    let under_way = workloads.iter().filter(|verdict| verdict.under_way).count();
    let places = limit.saturating_sub(under_way);
    if places == 0 {
        due.clear();
    }
    // Restarts that have not begun when the window closes wait for the next one.
    let closes_at = pace.gate.closes_at().filter(|_| !due.is_empty());
    // Those that have to wait for the interval leave their place to others.
    let waits = pace::keep(&mut due, workloads, pace, now);
    due.truncate(places);
    let wants_slots = due.len() > slots;
    due.truncate(slots);
    let looks = [again_at(workloads, injected_at), closes_at, waits.map(|waits| waits.until())];
    Schedule { starts: due, wants_slots, waits, check_at: looks.into_iter().flatten().min() }
}

/// `rollout.maxConcurrent`, and at least one: a spec from before the validation may have less.
pub(crate) fn most_at_once(rollout: &Rollout) -> usize {
    usize::try_from(rollout.max_concurrent).unwrap_or(1).max(1)
}

/// Whether a failed restart keeps others from starting. A restart that failed because injection
/// missed it no longer does so once injection works again.
fn is_halted(workloads: &[WorkloadVerdict], injected_at: Option<Timestamp>) -> bool {
    let stops = |verdict: &WorkloadVerdict| match &verdict.phase {
        Phase::Failed { cause: Cause::InjectionMissed { at, .. }, .. } => !is_injected_since(injected_at, *at),
        // A failure is recorded, and stands until the workload comes up.
        _ => verdict.record.as_ref().is_some_and(|record| record.failed.is_some()),
    };
    workloads.iter().any(stops)
}

/// Whether a pod was injected after a restart was missed, so that injection works again.
fn is_injected_since(injected_at: Option<Timestamp>, missed_at: Option<Timestamp>) -> bool {
    injected_at > missed_at
}

/// When the next round may begin for a restart that injection missed.
fn again_at(workloads: &[WorkloadVerdict], injected_at: Option<Timestamp>) -> Option<Timestamp> {
    let at = |verdict: &WorkloadVerdict| match &verdict.phase {
        Phase::Failed { cause: Cause::InjectionMissed { at, not_before, .. }, .. }
            if is_injected_since(injected_at, *at) =>
        {
            *not_before
        }
        _ => None,
    };
    workloads.iter().filter_map(at).min()
}

/// Creation time of the newest pod that has the identity by injection.
pub(crate) fn injected_at<'a>(pods: impl Iterator<Item = &'a JudgedPod>) -> Option<Timestamp> {
    let injected = |judged: &&JudgedPod| {
        judged.has_all() && judged.pod.spec.volumes.iter().any(|volume| is_injected_volume(&volume.name))
    };
    pods.filter(injected).filter_map(JudgedPod::created).max()
}
