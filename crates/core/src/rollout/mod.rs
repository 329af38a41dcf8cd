//! Judges one workload: whether it needs a restart, may be restarted now, is being restarted, or
//! failed its restart.
//!
//! A verdict depends on the workload, its pods, the wanted identity, and the restart record in the
//! status, and on no other workload. [`crate::schedule`] decides which workload is restarted next.
//!
//! ```text
//! pods' verdicts ──► does a restart help? ──► what stands in its way? ──► phase (+ the mark of the next restart)
//!                    need.rs                  obstacles.rs
//!                    it was restarted ──────► does it come forward? ────► phase
//!                                             progress.rs
//! ```

mod leaving;
mod need;
mod obstacles;
mod progress;
mod reverted;
mod standstill;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, RestartStatus, RevertedStatus, Rollout, WorkloadState, names};

use crate::expectation::Expectation;
use crate::injection::Refusal;
use crate::message::Message;
use crate::objects::{Workload, WorkloadKind};
use crate::restart_mark::RestartMark;
use crate::restart_record::Records;
use crate::role::releases;
use crate::selector;
use crate::settings::Settings;
use crate::verify::{JudgedPod, next_pod_refusal};
use crate::windows::Gate;

pub use need::MAX_ATTEMPTS;
pub(crate) use obstacles::{held_back_from, is_below_partition, settled_at};
pub(crate) use progress::{Progress, Restarted, patience, restarted_at};
use reverted::was_reverted;
pub(crate) use reverted::{MOST_NAMED, lacks_mark, wait_after};

/// How long unready pods have to become ready before they count as stuck. The operator does not
/// wait for a rollout that it did not start if the new pods can never become ready.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The verdict on a workload.
#[derive(Clone, Debug)]
pub struct WorkloadVerdict {
    /// The workload.
    pub workload: Arc<Workload>,
    /// Its live pods.
    pub pods: Vec<JudgedPod>,
    /// Its phase on the way to the identity.
    pub phase: Phase,
    /// Whether the operator's restart of it is under way, paused, or about to be repeated. Such a
    /// restart counts against `rollout.maxConcurrent`.
    pub under_way: bool,
    /// The restart record to keep in the status.
    pub record: Option<RestartStatus>,
    /// Set if it has fewer pods than it should have.
    pub shortage: Option<Shortage>,
    /// Why the API server would refuse its next pods once they are injected.
    pub refusal: Option<Refusal>,
    /// Whether another manager undid a restart of it lately.
    pub reverted: bool,
    /// Whether its restart takes back an identity that failed. Such a restart waits neither for a
    /// window nor for the interval.
    pub undoes: bool,
}

/// The phase of a workload on its way to the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Needs no restart.
    Current {
        /// What else a person should know about it.
        note: Option<Message>,
    },
    /// Has no replicas; its next pods get the identity.
    ScaledToZero,
    /// Is not selected for restarts.
    Excluded,
    /// Lacks the identity, and a restart by the operator would not provide it. A person has to act.
    NotHelped(
        /// What was found, and what to do.
        Message,
    ),
    /// Was restarted by the operator and has not come up with the identity, but not because of the
    /// restart. A person has to look.
    Lapsed(
        /// What to look at, and why the restart is not the cause.
        Message,
    ),
    /// Needs a restart, and something stands in its way.
    Waiting {
        /// The obstacle.
        on: Wait,
        /// When to check again if no event arrives.
        until: Option<Timestamp>,
        /// What a person should know about it.
        message: Option<Message>,
    },
    /// Needs a restart that may be made now.
    Due {
        /// The mark that the restart writes to the pod template.
        mark: RestartMark,
        /// Whether the workload is healthy now. The later failure of an unhealthy workload proves
        /// nothing.
        healthy: bool,
        /// Whether the status records this restart. The operator makes only recorded restarts.
        recorded: bool,
    },
    /// Is being restarted by the operator.
    Rolling {
        /// When to check again if no event arrives.
        until: Option<Timestamp>,
    },
    /// Was restarted by the operator, and was paused before it came up.
    Paused(
        /// How to resume it.
        Message,
    ),
    /// Needs a restart that the API server refuses.
    Refused {
        /// What the API server said.
        message: Message,
        /// When it is tried again.
        until: Timestamp,
    },
    /// The operator's restart of it failed, and the restart is the cause.
    Failed {
        /// What failed.
        cause: Cause,
        /// What to look at.
        message: Message,
    },
}

/// How a restart failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A new pod has run and does not come up. This is evidence against the role.
    NotUp,
    /// No new pod has run and failed: a quota, no node for it, an image that is missing, a node that
    /// is lost. That says nothing about the role.
    NotStarted,
    /// Nothing injects the role, even after repeated restarts. That says nothing about the role.
    InjectionMissed {
        /// Creation time of the last pod that injection missed.
        at: Option<Timestamp>,
        /// The mark of the next restart, if injection works again; `None` while an obstacle stands
        /// in its way.
        next: Option<RestartMark>,
        /// When that obstacle ends by itself.
        not_before: Option<Timestamp>,
    },
}

/// What stands in the way of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The service account does not offer the identity yet.
    Account,
    /// The settle time after annotating is not over.
    Settling,
    /// The workload is in a rollout that the operator did not start.
    OwnRollout,
    /// The delay before the next attempt is not over.
    Retry,
    /// A person has to release the restart.
    Release,
    /// The policy is Never.
    Policy,
    /// The workload is paused or `OnDelete`, its pods are below its partition, or its own rollout
    /// stands still: a person has to act.
    HeldBack,
    /// The binding is suspended.
    Suspended,
    /// Another manager has undone several restarts; the operator tries again later.
    Reverted,
    /// Pods of an earlier template have to go, which they do by themselves.
    Leaving,
}

/// A workload that has fewer pods than it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Number of pods that it should have.
    pub desired: i32,
    /// Number of pods that exist, including terminating ones.
    pub present: usize,
    /// Why its controller cannot create the missing pods, in the API server's words, if the
    /// controller reports it.
    pub failure: Option<String>,
}

impl Shortage {
    /// The shortage of a workload. `present`: the number of its live and terminating pods.
    fn of(workload: &Workload, present: usize) -> Option<Self> {
        let desired = workload.desired;
        // A controller that has not observed the workload yet may want another number of pods. Only
        // having none is certainly too few.
        let seen = workload.observed || present == 0;
        let is_short = seen && usize::try_from(desired).is_ok_and(|desired| present < desired);
        let failure = workload.replica_failure.clone().filter(|_| desired > 0);
        (is_short || failure.is_some()).then_some(Self { desired, present, failure })
    }
}

impl WorkloadVerdict {
    /// Whether its pods have come up: the rollout is complete or nearly complete, or the workload
    /// has pods and all of them are ready.
    pub fn is_up(&self) -> bool {
        let nearly = progress::is_nearly_up(&self.workload, &self.pods);
        // Pods that are about to go show nothing.
        let complete =
            if self.workload.desired == 0 { self.pods.is_empty() } else { self.workload.rolled_out || nearly };
        complete || !self.pods.is_empty() && self.pods.iter().all(|judged| judged.pod.is_ready())
    }

    /// Whether the workload shows that the identity works: it needs no restart, and has come up
    /// with pods that have it.
    pub fn proves_injection(&self) -> bool {
        let through = matches!(self.phase, Phase::Current { .. } | Phase::Waiting { on: Wait::Leaving, .. });
        let mut staying = self.pods.iter().filter(|judged| !self.workload.is_leaving(&judged.pod)).peekable();
        let any = staying.peek().is_some();
        through && any && staying.all(|judged| judged.verdict.is_verified()) && self.is_up()
    }

    /// Whether it is at rest and all of its pods are ready.
    pub fn is_healthy(&self) -> bool {
        is_healthy(&self.workload, &self.pods)
    }

    /// Whether only a person can resume it: it is paused, or its template does not reach its pods.
    pub fn is_held_back(&self) -> bool {
        matches!(self.phase, Phase::Paused(_) | Phase::Waiting { on: Wait::HeldBack, .. })
    }

    /// Whether our restart of it failed.
    pub fn failed(&self) -> bool {
        matches!(self.phase, Phase::Failed { .. })
    }

    /// Whether it needs no restart.
    pub fn is_current(&self) -> bool {
        matches!(self.phase, Phase::Current { .. } | Phase::ScaledToZero)
    }

    /// What stands in the way of a restart that is needed.
    pub fn wait(&self) -> Option<Wait> {
        match &self.phase {
            Phase::Waiting { on, .. } => Some(*on),
            _ => None,
        }
    }

    /// The state for the status. A workload whose recorded restart is due counts as rolling.
    pub fn state(&self) -> WorkloadState {
        match &self.phase {
            Phase::Current { .. } => WorkloadState::Current,
            Phase::ScaledToZero => WorkloadState::ScaledToZero,
            Phase::Excluded => WorkloadState::Excluded,
            Phase::NotHelped { .. } | Phase::Lapsed { .. } | Phase::Failed { .. } => WorkloadState::Halted,
            Phase::Refused { .. } => WorkloadState::Refused,
            Phase::Waiting { on: Wait::HeldBack, .. } | Phase::Paused { .. } => WorkloadState::Paused,
            Phase::Waiting { .. } | Phase::Due { recorded: false, .. } => WorkloadState::Pending,
            Phase::Due { recorded: true, .. } | Phase::Rolling { .. } => WorkloadState::Rolling,
        }
    }

    /// Why it is in this state, if the state alone does not say.
    pub fn message(&self) -> Option<&Message> {
        match &self.phase {
            Phase::Current { note: message } | Phase::Waiting { message, .. } => message.as_ref(),
            Phase::NotHelped(message)
            | Phase::Lapsed(message)
            | Phase::Paused(message)
            | Phase::Refused { message, .. }
            | Phase::Failed { message, .. } => Some(message),
            Phase::ScaledToZero | Phase::Excluded | Phase::Due { .. } | Phase::Rolling { .. } => None,
        }
    }

    /// When to check it again if no event arrives.
    pub fn check_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Waiting { until, .. } | Phase::Rolling { until } => *until,
            Phase::Refused { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// The inputs for judging the workloads of one binding.
pub struct Judge<'a> {
    /// The binding's `spec.rollout`.
    pub rollout: &'a Rollout,
    /// Whether the binding is suspended.
    pub suspended: bool,
    /// What the binding expects of pods.
    pub expected: &'a Expectation,
    /// How injection is configured.
    pub settings: &'a Settings,
    /// Whether the service account offers the identity: it is in force, and the binding is
    /// permitted.
    pub is_offered: bool,
    /// The end of the settle time, after which the webhook is expected to know the annotation.
    pub settled_at: Option<Timestamp>,
    /// Whether a person has released the restarts, under the policy `Manual`.
    pub is_released: bool,
    /// The restart records in the status.
    pub records: Records<'a>,
    /// The status record of restarts that another manager undid.
    pub reverted: Option<&'a RevertedStatus>,
    /// Whether restarts may begin now.
    pub gate: &'a Gate,
    /// The current time, for all decisions.
    pub now: Timestamp,
}

/// Whether the binding's selector selects the workload for restarts.
pub(crate) fn is_selected(workload: &Workload, rollout: &Rollout) -> bool {
    selector::matches(&rollout.workload_selector, &workload.labels)
}

/// Whether the binding's release annotation names its current declaration.
pub(crate) fn is_released(binding: &PodIdentityBinding) -> bool {
    let released = binding.metadata.annotations.as_ref().and_then(|all| all.get(names::RELEASE_ANNOTATION));
    released.is_some_and(|released| releases(binding, released))
}

impl Judge<'_> {
    /// Judges a workload with its live pods. `terminating`: the number of its other pods, which are
    /// terminating.
    pub fn judge(&self, workload: Arc<Workload>, pods: Vec<JudgedPod>, terminating: usize) -> WorkloadVerdict {
        let refusal = next_pod_refusal(&workload.template, self.expected, self.settings);
        let (leaving, mut pods): (Vec<_>, Vec<_>) = pods.into_iter().partition(|it| workload.is_leaving(&it.pod));
        let shortage = Shortage::of(&workload, pods.len() + terminating);
        let need::Judged { mut phase, under_way, record } = self.phase(&workload, &pods);
        if let (Phase::NotHelped(message), Some(refusal)) = (&mut phase, &refusal) {
            let what = "a restart would break it, because the API server refuses its next pods";
            *message = Message::new(what).because(refusal.to_string()).action("change its pod template");
        }
        phase = leaving::with_leaving(phase, &leaving);
        pods.extend(leaving);
        let reverted = self.reverted.is_some_and(|it| was_reverted(it, &workload));
        WorkloadVerdict { workload, pods, phase, under_way, record, shortage, refusal, reverted, undoes: false }
    }

    fn phase(&self, workload: &Workload, pods: &[JudgedPod]) -> need::Judged {
        if !is_selected(workload, self.rollout) {
            return need::Judged::at_rest(Phase::Excluded);
        }
        let patience = patience(workload, self.rollout.progress_deadline_seconds);
        let it = Restarted { workload, pods, patience, now: self.now };
        if pods.iter().any(|judged| judged.verdict.restart_cures()) {
            self.needs_restart(&it)
        } else {
            self.needs_none(&it)
        }
    }
}

/// Whether the workload is at rest and all of its pods are ready. Only then does a later failure
/// mean something. The function counts the pods because the workload's status may be older than the
/// loss of a pod.
fn is_healthy(workload: &Workload, pods: &[JudgedPod]) -> bool {
    let live = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    workload.settled && workload.healthy && live >= workload.needed && pods.iter().all(|judged| judged.pod.is_ready())
}

/// Whether the pod was created from the template with our current mark.
fn is_new(judged: &JudgedPod, workload: &Workload) -> bool {
    let mark = workload.template_annotation(names::IDENTITY_ANNOTATION);
    mark.is_some() && judged.pod.annotation(names::IDENTITY_ANNOTATION) == mark
}

/// What `before` and a pause mean for a workload, and how to resume it; `None` if it is not paused.
fn paused(workload: &Workload, before: &str) -> Option<Message> {
    let (is, action) = match workload.kind {
        WorkloadKind::Rollout => ("is paused", "resume it, or promote the step that it waits at"),
        _ => ("is paused (spec.paused)", "resume it"),
    };
    workload.paused.then(|| Message::new(format!("{before} {is}")).action(action))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
