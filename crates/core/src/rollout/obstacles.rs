//! What stands in the way of a roll that is needed.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, RolloutPolicy, names};

use super::{Judge, STUCK_AFTER, Wait, WorkloadVerdict, created, rolled_at};
use crate::account::AccountState;
use crate::assess::JudgedPod;
use crate::objects::{UpdateStrategy, Workload, WorkloadKind};
use crate::reverts;

impl Judge<'_> {
    /// The first obstacle, the lasting ones before the passing ones.
    pub(super) fn what_stands_in_the_way(&self, verdict: &mut WorkloadVerdict, retrying: bool) -> Wait {
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
        if verdict.workload.desired == 0 {
            say(verdict, "is being scaled to zero");
            return Wait::OwnRollout;
        }
        if self.binding.spec.suspend {
            return Wait::Suspended;
        }
        if !self.case.is_permitted() || self.case.account.state != AccountState::InForce {
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
                    // It may be one of ours, for an identity that was wanted before.
                    let until = rolled_at(&verdict.workload).map(|rolled| rolled + self.patience());
                    verdict.in_flight = until.is_some_and(|until| until > self.now);
                    say(verdict, "is in a rollout already, which has to finish first");
                    return Wait::OwnRollout;
                }
            }
        }
        if let Some((pod, at)) = blocked_at(verdict) {
            if at > self.now {
                verdict.check_at = Some(at);
                say(verdict, &format!("needs a restart, which waits for Pod/{pod} to become ready"));
                return Wait::OwnRollout;
            }
            verdict.check_at = None;
            let why = blocked_by(&pod, &verdict.workload);
            say(verdict, &format!("needs a restart, but {why}"));
            return Wait::HeldBack;
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

/// The pod that, not being ready, keeps a StatefulSet from replacing any, itself included; and until when it is given
/// a chance to become ready.
fn blocked_at(verdict: &WorkloadVerdict) -> Option<(String, Timestamp)> {
    let lacking = verdict.pods.iter().filter(|judged| judged.verdict.roll_cures() && !judged.pod.is_ready());
    let (pod, created) = lacking.filter_map(|judged| Some((judged.pod.name(), created(judged)?))).min()?;
    verdict.workload.ordered.then(|| (pod.to_owned(), created + STUCK_AFTER))
}

/// What to do about a pod that a StatefulSet waits for.
pub(super) fn blocked_by(pod: &str, workload: &Workload) -> String {
    format!(
        "Pod/{pod} is not ready, and {} replaces no pod before it is (podManagementPolicy): delete it",
        workload.id()
    )
}

/// How a workload that is paused is set going again.
pub(super) fn paused(workload: &Workload) -> Option<&'static str> {
    workload.paused.then_some(match workload.kind {
        WorkloadKind::Rollout => "is paused: resume it, or promote the step that it waits at",
        _ => "is paused (spec.paused): resume it",
    })
}

/// Why a changed template would not reach the pods that need it.
pub(super) fn held_back(verdict: &WorkloadVerdict) -> Option<String> {
    if let Some(how) = paused(&verdict.workload) {
        return Some(format!("needs a restart, but {how}"));
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
                format!(
                    "needs a restart of pods below number {partition}, its partition: lower that or delete the pods"
                )
            })
        }
    }
}

fn ordinal(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}
