//! A rollout that the operator did not start and that makes no progress.

use jiff::Timestamp;

use super::obstacles::{look_at, not_ready};
use super::progress::Restarted;
use super::{Phase, Wait};
use crate::message::Message;
use crate::objects::{WorkloadKind, last_template_edit};
use crate::verify::JudgedPod;

impl Restarted<'_> {
    /// The phase of a workload whose own rollout has to finish before a restart. `until`: when the
    /// operator no longer waits for it. After a while without progress, a person has to look at it:
    /// a restart might not reach its pods, or do what the user has stopped.
    pub(super) fn in_own_rollout(&self, until: Option<Timestamp>) -> Phase {
        match self.stands_still() {
            Some((pod, at)) if at <= self.now => {
                let message =
                    self.stuck_at_pod(pod).prefixed("needs a restart, but is in a rollout that stands still: ");
                Phase::Waiting { on: Wait::HeldBack, until, message: Some(message) }
            }
            still => {
                let until = until.into_iter().chain(still.map(|(_, at)| at)).min();
                let message = Message::new("is in a rollout already, which has to finish first");
                Phase::Waiting { on: Wait::OwnRollout, until, message: Some(message) }
            }
        }
    }

    /// The pod that a rollout waits for, and when the rollout counts as standing still. `None` if
    /// its controller reports that itself, or if all pods are ready, so that the controller goes on.
    fn stands_still(&self) -> Option<(&str, Timestamp)> {
        let workload = self.workload;
        let reports = workload.kind == WorkloadKind::Rollout || workload.progressed_at.is_some();
        let unready = || self.pods.iter().filter(|judged| !judged.pod.is_ready());
        let (_, pod) = unready().filter_map(|judged| Some((judged.created()?, judged.pod.name()))).max()?;
        let newest = self.pods.iter().filter_map(JudgedPod::created).max()?;
        let edited = last_template_edit(&workload.metadata).map(|(at, _)| at);
        (workload.observed && !reports).then(|| (pod, edited.map_or(newest, |at| at.max(newest)) + self.patience))
    }

    fn stuck_at_pod(&self, pod: &str) -> Message {
        let message = not_ready(pod);
        if !self.workload.ordered {
            return message;
        }
        message
            .and(format!("{} replaces no pod before it is", self.workload.id()))
            .action(format!("{}; once the cause is mended, delete it", look_at(pod)))
    }
}
