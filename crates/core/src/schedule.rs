//! Who is restarted next, and how many at a time.
//!
//! ```text
//! verdicts ──► those that are due, the canary first ──► as many as there are places ──► in a window, not too soon ──► restarts
//!              canary.rs                                                                pace.rs
//! ```
//!
//! Until one workload has proven that the identity arrives, only one is restarted: the canary. It is one that was healthy
//! before, where there is one, so that its failure means something.

mod canary;
mod pace;

use jiff::Timestamp;
use podidentity_api::{FailurePolicy, Rollout};

use crate::injection::{AGENT_VOLUME, VOLUME};
use crate::mark::RollMark;
use crate::rollout::{Cause, Phase, WorkloadVerdict};
use crate::verify::JudgedPod;
use crate::windows::{Opening, Pace};

use canary::in_order;
pub(crate) use pace::not_before;

/// The restarts to make now.
#[derive(Clone, Debug, Default)]
pub struct Schedule<'a> {
    /// Those to make, in order.
    pub starts: Vec<Start<'a>>,
    /// Whether the operator-wide limit keeps further ones from being among them.
    pub wants_slots: bool,
    /// What the next one waits for, if it waits for its time.
    pub waits: Option<Waits<'a>>,
    /// When to look again without any event.
    pub check_at: Option<Timestamp>,
}

/// What a restart waits for that has its place.
#[derive(Clone, Copy, Debug)]
pub enum Waits<'a> {
    /// A restart window.
    Window(&'a Opening),
    /// The binding's interval: the workload, and when it may be restarted.
    Interval(&'a WorkloadVerdict, Timestamp),
}

impl Waits<'_> {
    /// When it is over.
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
    /// Of what.
    pub verdict: &'a WorkloadVerdict,
    /// What it writes.
    pub mark: RollMark,
    /// Whether the workload is healthy now.
    pub healthy: bool,
    /// Whether the status records it already.
    pub recorded: bool,
}

/// The restarts to make now, of workloads of one binding. `slots`: how many the operator-wide limit has left.
pub fn schedule<'a>(
    workloads: &'a [WorkloadVerdict],
    injected_at: Option<Timestamp>,
    rollout: &Rollout,
    pace: &'a Pace,
    slots: usize,
    now: Timestamp,
) -> Schedule<'a> {
    if is_halted(workloads, rollout, injected_at) {
        return Schedule::default();
    }
    let mut due = in_order(workloads, injected_at);
    let proven = workloads.iter().any(WorkloadVerdict::proves_injection);
    let missed = workloads
        .iter()
        .any(|verdict| matches!(verdict.phase, Phase::Failed { cause: Cause::InjectionMissed { .. }, .. }));
    if missed && !proven {
        // Nothing injects, as far as is known: others are tried once each, where the policy goes on at all.
        due.retain(|start| start.mark.attempt == 0);
    }
    let limit = if proven { most_at_once(rollout) } else { 1 };
    let under_way = workloads.iter().filter(|verdict| verdict.under_way).count();
    due.truncate(limit.saturating_sub(under_way));
    // What has not begun by then waits for the next window.
    let closes_at = pace.gate.closes_at().filter(|_| !due.is_empty());
    let waits = pace::keep(&mut due, workloads, pace, now);
    let wants_slots = due.len() > slots;
    due.truncate(slots);
    let looks = [again_at(workloads, injected_at, now), closes_at, waits.map(|waits| waits.until())];
    Schedule { starts: due, wants_slots, waits, check_at: looks.into_iter().flatten().min() }
}

/// `rollout.maxConcurrent`; at least one, also in a spec from before the validation.
pub(crate) fn most_at_once(rollout: &Rollout) -> usize {
    usize::try_from(rollout.max_concurrent).unwrap_or(1).max(1)
}

/// Whether a failed restart keeps others from starting. One that was only missed by injection does not once injection is
/// back.
fn is_halted(workloads: &[WorkloadVerdict], rollout: &Rollout, injected_at: Option<Timestamp>) -> bool {
    let stops = |verdict: &WorkloadVerdict| match &verdict.phase {
        Phase::Failed { cause: Cause::InjectionMissed { at, .. }, .. } => injected_at <= *at,
        Phase::Failed { .. } => true,
        _ => false,
    };
    rollout.on_failure != FailurePolicy::Continue && workloads.iter().any(stops)
}

/// When a restart that injection has missed may be repeated on another occasion.
fn again_at(workloads: &[WorkloadVerdict], injected_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let at = |verdict: &WorkloadVerdict| match &verdict.phase {
        Phase::Failed { cause: Cause::InjectionMissed { at, not_before, .. }, .. } if injected_at > *at => *not_before,
        _ => None,
    };
    workloads.iter().filter_map(at).filter(|at| *at > now).min()
}

/// When the newest of the pods was created that have the identity, and have it by injection.
pub(crate) fn injected_at<'a>(pods: impl Iterator<Item = &'a JudgedPod>) -> Option<Timestamp> {
    let injected = |judged: &&JudgedPod| {
        let is_injected = |name: &str| [VOLUME, AGENT_VOLUME].contains(&name);
        judged.verdict.is_verified() && judged.pod.spec.volumes.iter().any(|volume| is_injected(&volume.name))
    };
    pods.filter(injected).filter_map(JudgedPod::created).max()
}
