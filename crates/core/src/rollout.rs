//! One workload: does it need a roll, may it be rolled now, is it being rolled, did the roll fail.
//!
//! ```text
//! pods' verdicts ──► does a roll help? ──► what stands in its way? ──► state (+ the mark of the next roll)
//! ```

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, RolloutPolicy, WorkloadState, names};

use crate::account::AccountState;
use crate::assess::{Case, JudgedPod};
use crate::finding::Severity;
use crate::objects::{UpdateStrategy, Workload, WorkloadKind, field_owners};
use crate::reverts;
use crate::selector;
use crate::wanted::RollMark;

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

    /// Whether the workload shows that injection works: it is done, and it has pods with the identity.
    pub fn proves_injection(&self) -> bool {
        self.state == WorkloadState::Current && !self.pods.is_empty() && self.is_verified()
    }
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
    let labels = verdict.workload.metadata.labels.as_ref();
    if !selector::matches(&case.binding.spec.rollout.workload_selector, labels) {
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
        } else if ours && !self.was_done() {
            return self.rolled_out(verdict);
        }
        verdict
    }

    /// A workload whose pods are all right since our roll: is it complete?
    fn rolled_out(&self, verdict: WorkloadVerdict) -> WorkloadVerdict {
        let deadline = self.deadline(&verdict.workload);
        let late = deadline.is_some_and(|deadline| deadline <= self.now);
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
        let text = verdict.workload.template_annotation(names::IDENTITY_ANNOTATION).map(str::to_owned);
        let born_of_mark =
            |judged: &JudgedPod| text.is_some() && judged.pod.annotation(names::IDENTITY_ANNOTATION) == text.as_deref();
        let lacking: Vec<&JudgedPod> = verdict.pods.iter().filter(|judged| judged.verdict.roll_cures()).collect();

        let next = match current {
            None => RollMark::first(self.case.wanted.hash()),
            // The pods that lack it are older than our roll: it is still replacing them.
            Some(_) if !lacking.iter().any(|judged| born_of_mark(judged)) && self.reaches_pods(&verdict) => {
                return self.in_flight(verdict);
            }
            Some(mark) if lacking.iter().all(|judged| self.predates_annotation(judged)) => {
                RollMark { round: mark.round + 1, attempt: 0, ..mark }
            }
            Some(mark) if mark.attempt >= MAX_ATTEMPTS => {
                verdict.state = WorkloadState::Halted;
                verdict.failed = true;
                let error = lacking.iter().find_map(|judged| first_problem(judged)).unwrap_or_default();
                verdict.message = Some(format!("{} restarts did not help: {error}", mark.attempt + 1));
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

    /// The first obstacle, the lasting ones before the passing ones.
    fn what_stands_in_the_way(&self, verdict: &mut WorkloadVerdict, retrying: bool) -> Wait {
        let rollout = &self.binding.spec.rollout;
        let say = |verdict: &mut WorkloadVerdict, text: &str| verdict.message = Some(text.to_owned());
        if rollout.policy == RolloutPolicy::Never {
            say(verdict, "needs a restart, but rollout.policy is Never: restart it yourself");
            return Wait::Policy;
        }
        if let Some(why) = held_back(verdict) {
            say(verdict, &why);
            return Wait::HeldBack;
        }
        if self.binding.spec.suspend {
            return Wait::Suspended;
        }
        let may_act = self.case.invalid.is_none() && self.case.grant.permits();
        if !may_act || self.case.account.state != AccountState::InForce {
            return Wait::Account;
        }
        if rollout.policy == RolloutPolicy::Manual && !is_released(self.binding) {
            return Wait::Release;
        }
        if !retrying && !verdict.workload.settled {
            match self.stuck_at(verdict).or_else(|| self.bearable_at(verdict)) {
                Some(at) if at <= self.now => {}
                at => {
                    verdict.check_at = at;
                    say(verdict, "is in a rollout of its own, which has to finish first");
                    return Wait::OwnRollout;
                }
            }
        }
        if verdict.check_at.is_some() {
            return Wait::Retry;
        }
        if let Some(at) = reverts::left_alone_until(self.binding, &verdict.workload, self.now) {
            verdict.check_at = Some(at);
            say(
                verdict,
                "was restarted several times, and another manager undid it each time: let that manager ignore podidentity.dev/identity in the pod template",
            );
            return Wait::Reverted;
        }
        if let Some(at) = self.settled_at().filter(|at| *at > self.now) {
            verdict.check_at = Some(at);
            return Wait::Settling;
        }
        Wait::Slot
    }

    /// Our roll is under way, or has taken too long.
    fn in_flight(&self, mut verdict: WorkloadVerdict) -> WorkloadVerdict {
        let deadline = self.deadline(&verdict.workload);
        let late = deadline.is_some_and(|deadline| deadline <= self.now);
        if verdict.workload.deadline_exceeded || late {
            verdict.state = WorkloadState::Halted;
            verdict.failed = true;
            let seconds = self.binding.spec.rollout.progress_deadline_seconds;
            verdict.message = Some(if verdict.workload.deadline_exceeded {
                match verdict.workload.kind {
                    WorkloadKind::Rollout => "its restart has failed (Degraded): look at its new pods".to_owned(),
                    _ => "its restart made no progress (ProgressDeadlineExceeded): look at its new pods".to_owned(),
                }
            } else {
                format!("its restart did not complete within {seconds} s: look at its new pods")
            });
        } else {
            verdict.state = WorkloadState::Rolling;
            verdict.in_flight = true;
            verdict.check_at = deadline;
        }
        verdict
    }

    /// Whether a template that has our mark is still on its way to pods.
    fn reaches_pods(&self, verdict: &WorkloadVerdict) -> bool {
        match verdict.workload.strategy {
            // Pods from the partition on are replaced while those below it lack the identity.
            UpdateStrategy::Partition(_) if !verdict.workload.rolled_out => {
                self.deadline(&verdict.workload).is_some_and(|deadline| deadline > self.now)
            }
            _ => held_back(verdict).is_none(),
        }
    }

    /// When a workload that is complete but for a tolerable number of pods is taken for complete. Pods that do not
    /// become ready get a while; those that are not there at all (a node that is down keeps the old one terminating for
    /// ever) get the whole deadline.
    fn bearable_at(&self, verdict: &WorkloadVerdict) -> Option<Timestamp> {
        if !verdict.workload.nearly_rolled_out {
            return None;
        }
        let unready = verdict.pods.iter().filter(|judged| !judged.pod.is_ready()).filter_map(created).max();
        let at = unready.map(|created| created + STUCK_AFTER).or_else(|| self.deadline(&verdict.workload));
        Some(at.unwrap_or(self.now))
    }

    /// None for a Rollout: its steps may take days, and it says itself when it has failed.
    fn deadline(&self, workload: &Workload) -> Option<Timestamp> {
        if workload.kind == WorkloadKind::Rollout {
            return None;
        }
        let seconds = self.binding.spec.rollout.progress_deadline_seconds;
        Some(rolled_at(workload)? + SignedDuration::from_secs(seconds.into()))
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

    /// When the webhook may be taken to know the annotation. Times on the wire have whole seconds, so the annotation
    /// may have been written up to a second later than it says.
    fn settled_at(&self) -> Option<Timestamp> {
        let settle = self.binding.spec.rollout.settle_seconds;
        let written = self.case.account.written_at.filter(|_| settle > 0)?;
        Some(written + SignedDuration::from_secs(i64::from(settle) + 1))
    }

    /// When a rollout that we did not start counts as one that cannot finish: its controller says so, or every pod
    /// that is not ready lacks the identity, and only a roll gives it to them. How long it has been going on cannot be
    /// told from its pods, so time alone is no reason.
    fn stuck_at(&self, verdict: &WorkloadVerdict) -> Option<Timestamp> {
        if verdict.workload.deadline_exceeded {
            return Some(self.now);
        }
        let unready = || verdict.pods.iter().filter(|judged| !judged.pod.is_ready());
        let crashing = unready().all(|judged| judged.verdict.roll_cures());
        let latest = unready().filter_map(created).max()?;
        crashing.then(|| latest + STUCK_AFTER)
    }
}

/// Whether the binding's release annotation names its present generation.
fn is_released(binding: &PodIdentityBinding) -> bool {
    let released = binding.metadata.annotations.as_ref().and_then(|all| all.get(names::RELEASE_ANNOTATION));
    let generation = binding.metadata.generation.map(|generation| generation.to_string());
    released.is_some() && released == generation.as_ref()
}

/// When we last rolled the workload, from managedFields.
fn rolled_at(workload: &Workload) -> Option<Timestamp> {
    field_owners(&workload.metadata, names::IDENTITY_ANNOTATION, true)
        .find(|owner| owner.manager == names::FIELD_MANAGER)?
        .time
}

/// Why a changed template would not reach the pods that need it.
fn held_back(verdict: &WorkloadVerdict) -> Option<String> {
    if verdict.workload.paused && verdict.workload.kind == WorkloadKind::Rollout {
        return Some("needs a restart, but is paused: resume it, or promote the step that it waits at".to_owned());
    }
    if verdict.workload.paused {
        return Some("needs a restart, but is paused (spec.paused): resume it".to_owned());
    }
    match verdict.workload.strategy {
        UpdateStrategy::Replace => None,
        UpdateStrategy::Elsewhere => Some("needs a restart, but its template is another workload's".to_owned()),
        UpdateStrategy::OnDelete => {
            Some("needs a restart, but its updateStrategy is OnDelete: delete its pods one by one".to_owned())
        }
        UpdateStrategy::Partition(partition) => {
            let below = |judged: &&JudgedPod| ordinal(judged.pod.name()).is_some_and(|ordinal| ordinal < partition);
            let lacking = verdict.pods.iter().filter(|judged| judged.verdict.roll_cures());
            let all_below = lacking.into_iter().all(|judged| below(&judged));
            all_below.then(|| {
                format!("needs a restart of pods below its partition {partition}: lower the partition or delete them")
            })
        }
    }
}

fn ordinal(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

fn created(judged: &JudgedPod) -> Option<Timestamp> {
    judged.pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

fn first_error(judged: &JudgedPod) -> Option<String> {
    let error = judged.verdict.findings.iter().find(|finding| finding.severity == Severity::Error)?;
    Some(error.message.clone())
}

fn first_problem(judged: &JudgedPod) -> Option<String> {
    Some(judged.verdict.findings.iter().find(|finding| finding.roll_cures)?.message.clone())
}
