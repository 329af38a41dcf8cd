//! One workload: does it need a roll, may it be rolled now, is it being rolled, did the roll fail.
//!
//! ```text
//! pods' verdicts ──► does a roll help? ──► what stands in its way? ──► state (+ the mark of the next roll)
//!                    mod.rs                obstacles.rs
//!                    it has been rolled ──► does it come forward? ──► state
//!                                           progress.rs
//! ```

mod obstacles;
mod progress;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, WorkloadState, names};

use crate::assess::{Case, JudgedPod};
use crate::finding::Severity;
use crate::objects::Workload;
use crate::selector;
use crate::wanted::RollMark;
use progress::is_new;
pub(crate) use progress::rolled_at;

/// A missed injection is re-rolled so many times.
pub const MAX_ATTEMPTS: u32 = 3;
/// Delay before the first re-roll; each further one waits four times as long.
const FIRST_RETRY_DELAY: SignedDuration = SignedDuration::from_secs(5);
/// A workload that is in a rollout of its own whose new pods can never become ready is not waited for; its pods are
/// given this long to become ready.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// What is to be done about a workload.
#[derive(Clone, Debug)]
pub struct WorkloadVerdict {
    /// The workload.
    pub workload: Arc<Workload>,
    /// Its live pods.
    pub pods: Vec<JudgedPod>,
    /// Where it is.
    pub state: WorkloadState,
    /// Why, where that is not plain.
    pub message: Option<String>,
    /// What stands in the way of a roll that is needed.
    pub wait: Option<Wait>,
    /// The mark to write when it is rolled; set if a roll is needed and nothing but a slot is missing.
    pub next: Option<RollMark>,
    /// Set if our roll of it failed: then others do not start under `onFailure: Halt`.
    pub failed: bool,
    /// Whether a roll of ours is under way.
    pub in_flight: bool,
    /// When it has to be looked at again without any event.
    pub check_at: Option<Timestamp>,
}

/// What stands in the way of a roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The service account does not offer the identity yet.
    Account,
    /// The settle time after annotating is not over.
    Settling,
    /// The workload is in a rollout that we did not start.
    OwnRollout,
    /// The delay before the next attempt is not over.
    Retry,
    /// A person has to release it.
    Release,
    /// The policy is Never.
    Policy,
    /// It is paused, `OnDelete`, or below its partition: a person has to act.
    HeldBack,
    /// The binding is suspended.
    Suspended,
    /// Another manager has undone several rolls; it is tried again later.
    Reverted,
    /// A free slot.
    Slot,
}

impl WorkloadVerdict {
    /// Whether all live pods have the identity.
    pub fn is_verified(&self) -> bool {
        self.pods.iter().all(|judged| judged.verdict.is_verified())
    }

    /// Whether its pods have come up: the rollout is complete, or as good as, or there are pods, and all are ready.
    pub fn is_up(&self) -> bool {
        let complete = self.workload.rolled_out || self.workload.nearly_rolled_out || self.workload.desired == 0;
        complete || !self.pods.is_empty() && self.pods.iter().all(|judged| judged.pod.is_ready())
    }

    /// Whether the workload shows that injection works: it is done, and it has pods with the identity.
    pub fn proves_injection(&self) -> bool {
        self.state == WorkloadState::Current && !self.pods.is_empty() && self.is_verified()
    }
}

/// Whether the binding's selector selects the workload for restarts.
pub(crate) fn is_selected(workload: &Workload, binding: &PodIdentityBinding) -> bool {
    selector::matches(&binding.spec.rollout.workload_selector, &workload.labels)
}

/// Judges a workload.
pub fn judge(workload: Arc<Workload>, pods: Vec<JudgedPod>, case: &Case, now: Timestamp) -> WorkloadVerdict {
    let verdict = WorkloadVerdict {
        workload,
        pods,
        state: WorkloadState::Current,
        message: None,
        wait: None,
        next: None,
        failed: false,
        in_flight: false,
        check_at: None,
    };
    let judge = Judge { case, binding: &case.binding, now };
    if !is_selected(&verdict.workload, &case.binding) {
        return WorkloadVerdict { state: WorkloadState::Excluded, ..verdict };
    }
    if verdict.pods.iter().any(|judged| judged.verdict.roll_cures()) {
        judge.needs_roll(verdict)
    } else {
        judge.needs_no_roll(verdict)
    }
}

struct Judge<'a> {
    case: &'a Case,
    binding: &'a PodIdentityBinding,
    now: Timestamp,
}

impl Judge<'_> {
    fn needs_no_roll(&self, mut verdict: WorkloadVerdict) -> WorkloadVerdict {
        let ours = self.mark_of(&verdict.workload).is_some();
        if let Some(message) = verdict.pods.iter().find_map(first_error) {
            // Nothing to wait for: the next pods would be no better.
            verdict.state = WorkloadState::Halted;
            verdict.failed = ours;
            verdict.message = Some(format!("a restart would not help: {message}"));
        } else if verdict.workload.desired == 0 && verdict.pods.is_empty() {
            verdict.state = WorkloadState::ScaledToZero;
        } else if has_mark(&verdict.workload) && !self.was_done() {
            // Also where the mark is of an earlier identity: the roll has brought this one, and has to come up with it.
            return self.rolled_out(verdict);
        }
        verdict
    }

    /// A workload whose pods are all right since our roll: is it complete?
    fn rolled_out(&self, verdict: WorkloadVerdict) -> WorkloadVerdict {
        let late = self.deadline(&verdict).is_some_and(|deadline| deadline <= self.now);
        let rolling = |verdict, check_at| WorkloadVerdict {
            state: WorkloadState::Rolling,
            in_flight: !late,
            check_at,
            ..verdict
        };
        if verdict.workload.rolled_out {
            // Kinds are watched one by one: a workload may be seen complete before its new pods are seen.
            return if verdict.pods.is_empty() { rolling(verdict, None) } else { verdict };
        }
        match self.bearable_at(&verdict) {
            Some(at) if at <= self.now => verdict,
            Some(at) => rolling(verdict, Some(at)),
            None => self.in_flight(verdict),
        }
    }

    fn needs_roll(&self, mut verdict: WorkloadVerdict) -> WorkloadVerdict {
        let current = self.mark_of(&verdict.workload);
        let workload = Arc::clone(&verdict.workload);
        let born_of_mark = |judged: &JudgedPod| is_new(judged, &workload);
        let lacking: Vec<&JudgedPod> = verdict.pods.iter().filter(|judged| judged.verdict.roll_cures()).collect();

        let next = match current {
            None => RollMark::first(self.case.wanted.hash()),
            // The pods that lack it are older than our roll: it is still replacing them.
            Some(_) if !lacking.iter().any(|judged| born_of_mark(judged)) && self.reaches_pods(&verdict) => {
                return self.in_flight(verdict);
            }
            // Another occasion: it must not use up the attempts of this one.
            Some(mark)
                if lacking.iter().all(|judged| self.predates_annotation(judged))
                    || self.were_made_after_the_roll(&verdict, &lacking) =>
            {
                RollMark { round: mark.round + 1, attempt: 0, ..mark }
            }
            Some(mark) if mark.attempt >= MAX_ATTEMPTS => {
                verdict.state = WorkloadState::Halted;
                verdict.failed = true;
                let found = lacking.iter().find_map(|judged| first_problem(judged)).unwrap_or_default();
                verdict.message = Some(format!(
                    "{} restarts did not help: {found}; look whether the pod identity webhook answers, then restart it",
                    mark.attempt + 1
                ));
                return verdict;
            }
            Some(mark) => {
                let born =
                    lacking.iter().filter(|judged| born_of_mark(judged)).filter_map(|judged| created(judged)).max();
                let delay = FIRST_RETRY_DELAY * 4_i32.pow(mark.attempt);
                verdict.check_at = born.map(|born| born + delay).filter(|at| *at > self.now);
                RollMark { attempt: mark.attempt + 1, ..mark }
            }
        };
        let retrying = next.attempt > 0;
        verdict.wait = Some(self.what_stands_in_the_way(&mut verdict, retrying));
        verdict.state = match verdict.wait {
            Some(Wait::HeldBack) => WorkloadState::Paused,
            _ => WorkloadState::Pending,
        };
        verdict.next = (verdict.wait == Some(Wait::Slot)).then_some(next);
        verdict
    }

    /// The template's mark, if it is for the identity that is wanted now.
    fn mark_of(&self, workload: &Workload) -> Option<RollMark> {
        let mark = RollMark::parse(workload.template_annotation(names::IDENTITY_ANNOTATION)?)?;
        (mark.hash == self.case.wanted.hash()).then_some(mark)
    }

    /// Whether all workloads were done with this role before: then one that is not settled was not unsettled by us.
    fn was_done(&self) -> bool {
        self.binding.status.as_ref().is_some_and(|status| {
            let rolled = |it: &Condition| it.type_ == condition::WORKLOADS_ROLLED && it.status == "True";
            status.role_arn.as_ref() == Some(&self.case.wanted.role_arn) && status.conditions.iter().any(rolled)
        })
    }

    fn predates_annotation(&self, judged: &JudgedPod) -> bool {
        let annotated = self.case.wanted.annotated_at;
        created(judged).zip(annotated).is_some_and(|(created, annotated)| created < annotated)
    }
}

fn has_mark(workload: &Workload) -> bool {
    workload.template_annotation(names::IDENTITY_ANNOTATION).and_then(RollMark::parse).is_some()
}

fn created(judged: &JudgedPod) -> Option<Timestamp> {
    judged.pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

fn first_error(judged: &JudgedPod) -> Option<String> {
    let error = judged.verdict.findings.iter().find(|finding| finding.severity == Severity::Error)?;
    Some(error.message.clone())
}

/// What a restart was to cure, in short: the finding has the rest.
fn first_problem(judged: &JudgedPod) -> Option<String> {
    let finding = judged.verdict.findings.iter().find(|finding| finding.roll_cures)?;
    Some(format!("{} still has the finding {}", finding.object, finding.reason))
}
