//! Obstacles to a restart that is needed.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::RolloutPolicy;

use super::progress::Restarted;
use super::reverted::left_alone_until;
use super::{Judge, Phase, STUCK_AFTER, Wait, paused};
use crate::message::Message;
use crate::objects::{Pod, UpdateStrategy, Workload};
use crate::verify::JudgedPod;

impl Judge<'_> {
    /// The first obstacle; lasting obstacles come before temporary ones. `retry_at`: when the wait
    /// before another attempt is over, if the restart is one.
    pub(super) fn obstacle(&self, it: &Restarted<'_>, retry_at: Option<Timestamp>) -> Option<Phase> {
        let waiting = |on, until, message: Option<Message>| Some(Phase::Waiting { on, until, message });
        let (workload, now) = (it.workload, self.now);
        if self.rollout.policy == RolloutPolicy::Never {
            let message = Message::new("needs a restart, but rollout.policy is Never").action("restart it yourself");
            return waiting(Wait::Policy, None, Some(message));
        }
        if let Some(message) = held_back(workload, it.pods) {
            return waiting(Wait::HeldBack, None, Some(message));
        }
        if self.suspended {
            return waiting(Wait::Suspended, None, None);
        }
        if !self.is_offered {
            return waiting(Wait::Account, None, None);
        }
        if self.rollout.policy == RolloutPolicy::Manual && !self.is_released {
            return waiting(Wait::Release, None, None);
        }
        if retry_at.is_none() && !workload.settled {
            let at = self.stuck_at(it).or_else(|| it.bearable_at());
            if at.is_none_or(|at| at > now) {
                return Some(it.in_own_rollout(at));
            }
        }
        if let Some((pod, at)) = blocked_at(it) {
            if at > now {
                let name = pod.pod.name();
                let message = Message::new(format!("needs a restart, which waits for Pod/{name} to become ready"));
                return waiting(Wait::OwnRollout, Some(at), Some(message));
            }
            return waiting(Wait::HeldBack, None, Some(blocked_by(pod, workload).prefixed("needs a restart, but ")));
        }
        if let Some(at) = retry_at.filter(|at| *at > now) {
            return waiting(Wait::Retry, Some(at), None);
        }
        if let Some(at) = left_alone_until(self.reverted, workload, &self.expected.identity.hash(), now) {
            let message = Message::new("was restarted several times, and another manager undid it each time")
                .action("let that manager ignore podidentity.dev/identity in the pod template");
            return waiting(Wait::Reverted, Some(at), Some(message));
        }
        let settled_at = self.settled_at.filter(|at| *at > now)?;
        waiting(Wait::Settling, Some(settled_at), None)
    }

    /// When a rollout that we did not start counts as unable to finish: its controller says so, or
    /// every unready pod lacks the identity, which only a restart provides. Elapsed time alone is
    /// no reason, because the pods do not show how long the rollout has been going on.
    fn stuck_at(&self, it: &Restarted<'_>) -> Option<Timestamp> {
        if it.workload.deadline_exceeded {
            return Some(self.now);
        }
        let unready = || it.pods.iter().filter(|judged| !judged.pod.is_ready());
        let crashing = unready().all(|judged| judged.verdict.restart_cures());
        let latest = unready().filter_map(JudgedPod::created).max()?;
        crashing.then(|| latest + STUCK_AFTER)
    }
}

/// The phase of a workload whose pods go without a restart: it is being deleted, or scaled to zero
/// and not paused.
pub(super) fn goes(workload: &Workload) -> Option<Phase> {
    let deleted = workload.metadata.deletion_timestamp.is_some();
    let what = if deleted { "is being deleted" } else { "is being scaled to zero" };
    let message = Some(Message::new(what));
    (workload.desired == 0 && (deleted || !workload.paused)).then_some(Phase::Waiting {
        on: Wait::OwnRollout,
        until: None,
        message,
    })
}

/// The end of the settle time, after which the webhook is expected to know the annotation. Times in
/// the Kubernetes API have whole seconds, so the annotation may have been written up to a second
/// later than `written_at`.
pub(crate) fn settled_at(written_at: Option<Timestamp>, settle_seconds: i32) -> Option<Timestamp> {
    let written = written_at.filter(|_| settle_seconds > 0)?;
    Some(written + SignedDuration::from_secs(i64::from(settle_seconds) + 1))
}

/// The unready pod that keeps a StatefulSet from replacing any pod, including itself, and until
/// when it has a chance to become ready. A pod that lacks the identity gets a short while.
fn blocked_at<'a>(it: &Restarted<'a>) -> Option<(&'a JudgedPod, Timestamp)> {
    let unready = it.pods.iter().filter(|judged| !judged.pod.is_ready());
    let (_, pod) = unready.map(|judged| (judged.pod.name(), judged)).min_by_key(|(name, _)| *name)?;
    let chance = if pod.verdict.restart_cures() { STUCK_AFTER } else { it.patience };
    it.workload.ordered.then(|| Some((pod, pod.created()? + chance)))?
}

/// What to do about a pod that is not ready.
pub(super) fn not_ready(pod: &str) -> Message {
    Message::new(format!("Pod/{pod} is not ready")).action(look_at(pod))
}

/// How to find out why a pod is not ready.
pub(super) fn look_at(pod: &str) -> String {
    format!("look at the events and the log of Pod/{pod}")
}

/// What to do about a pod that a StatefulSet waits for. Its successor has the identity.
pub(super) fn blocked_by(pod: &JudgedPod, workload: &Workload) -> Message {
    let (id, name) = (workload.id(), pod.pod.name());
    let message =
        Message::new(format!("Pod/{name} is not ready, and {id} replaces no pod before it is (podManagementPolicy)"));
    if pod.verdict.restart_cures() {
        message.action("delete it")
    } else {
        message.action(format!("{}; once the cause is mended, delete it", look_at(name)))
    }
}

/// Why a changed template would not reach the pods that need it; `None` if it would.
pub(crate) fn held_back(workload: &Workload, pods: &[JudgedPod]) -> Option<Message> {
    held_back_from(workload, pods.iter().filter(|judged| judged.verdict.restart_cures()).map(|judged| &*judged.pod))
}

/// Why a changed template would not reach these pods; `None` if it would reach one of them.
pub(crate) fn held_back_from<'a>(workload: &Workload, mut pods: impl Iterator<Item = &'a Pod>) -> Option<Message> {
    if let Some(message) = paused(workload, "needs a restart, but") {
        return Some(message);
    }
    match workload.strategy {
        UpdateStrategy::Replace => None,
        UpdateStrategy::ExternalTemplate => {
            let what = "needs a restart, but its template is another workload's";
            Some(Message::new(what).action("restart that one"))
        }
        UpdateStrategy::OnDelete => {
            let what = "needs a restart, but its updateStrategy is OnDelete";
            Some(Message::new(what).action("delete its pods one by one"))
        }
        UpdateStrategy::Partition(partition) => pods.all(|pod| is_below_partition(workload, pod)).then(|| {
            Message::new(format!("needs a restart of pods below number {partition}, its partition"))
                .action("lower that or delete the pods")
        }),
    }
}

/// Whether the workload's controller leaves the pod as it is because its number is below the
/// partition.
pub(crate) fn is_below_partition(workload: &Workload, pod: &Pod) -> bool {
    let UpdateStrategy::Partition(partition) = workload.strategy else { return false };
    ordinal(pod.name()).is_some_and(|ordinal| ordinal < partition)
}

fn ordinal(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_pod_is_what_follows_its_last_hyphen() {
        for (pod, number) in
            [("db-0", Some(0)), ("db-1", Some(1)), ("my-db-12", Some(12)), ("db", None), ("db-x", None)]
        {
            assert_eq!(ordinal(pod), number, "{pod}");
        }
    }

    /// Times of the Kubernetes API have whole seconds, hence the second more.
    #[test]
    fn the_settle_time_ends_a_second_after_its_length() {
        let written = Timestamp::UNIX_EPOCH;
        let seconds = |settle| settled_at(Some(written), settle).map(Timestamp::as_second);
        for (settle, ends) in [(-1, None), (0, None), (1, Some(2)), (30, Some(31))] {
            assert_eq!(seconds(settle), ends, "{settle}");
        }
    }
}
