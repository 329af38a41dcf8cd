//! Progress of a restart: whether the workload has come up, makes progress, or has stopped.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{RestartStatus, names};

use super::{STUCK_AFTER, is_new, paused};
use crate::message::Message;
use crate::objects::{UpdateStrategy, Workload, WorkloadKind, field_owners, last_template_edit};
use crate::verify::JudgedPod;

/// How far a restart has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The workload has come up since.
    Up,
    /// It makes progress. If nothing more happens, it counts as stopped, or as complete, at this
    /// time.
    Coming(Option<Timestamp>),
    /// It is paused. The message says how to resume it.
    Paused(Message),
    /// It has made no progress for so long that the operator gives it up.
    Stopped,
}

/// A restarted workload, with the inputs for judging its restart.
pub(crate) struct Restarted<'a> {
    pub(crate) workload: &'a Workload,
    /// Its live pods.
    pub(crate) pods: &'a [JudgedPod],
    /// How long the restart may go without progress.
    pub(crate) patience: SignedDuration,
    pub(crate) now: Timestamp,
}

impl Restarted<'_> {
    /// How far the restart has come. `settled_pods`: whether the pods are as the restart should
    /// make them.
    pub(crate) fn progress(&self, settled_pods: bool) -> Progress {
        let workload = self.workload;
        if settled_pods && workload.rolled_out && (self.is_news() || self.shows_new_pods()) {
            // Each kind has its own watch, so a workload may look complete before its new pods
            // arrive.
            let seen = workload.desired == 0 || !self.pods.is_empty();
            return if seen { Progress::Up } else { Progress::Coming(None) };
        }
        let bearable_at = if settled_pods { self.bearable_at() } else { None };
        if bearable_at.is_some_and(|at| at <= self.now) {
            return Progress::Up;
        }
        if let Some(message) = paused(workload, "is not through with its restart, and") {
            return Progress::Paused(message);
        }
        let deadline = self.deadline();
        // A controller that has not observed the current workload (just resumed, for example) may
        // have had no chance to act yet.
        let late = workload.observed && deadline.is_some_and(|deadline| deadline <= self.now);
        // The report of a Deployment that it exceeded its own deadline is not final, and that
        // deadline may be shorter than the binding's.
        let gave_up = workload.kind == WorkloadKind::Rollout && workload.deadline_exceeded;
        if gave_up || late {
            return Progress::Stopped;
        }
        let at = [bearable_at, deadline].into_iter().flatten().filter(|at| *at > self.now).min();
        Progress::Coming(at)
    }

    /// Whether the controller's report on the rollout dates from after the restart. For a moment,
    /// the condition of a Deployment still says that the previous rollout is complete.
    fn is_news(&self) -> bool {
        let since = self.workload.progressed_at.zip(restarted_at(self.workload));
        since.is_none_or(|(progressed, restarted)| progressed >= restarted)
    }

    /// Whether the pods show that the restart is complete, whatever the controller's clock says.
    fn shows_new_pods(&self) -> bool {
        let ready = self.new_pods().filter(|judged| judged.pod.is_ready()).count();
        ready == self.pods.len() && i32::try_from(ready).is_ok_and(|ready| ready == self.workload.desired)
    }

    /// When a workload counts as complete although a tolerable number of pods is missing. Pods that
    /// do not become ready get a short while. Pods that do not exist get the whole deadline: a node
    /// that is down keeps the old pod terminating forever.
    pub(super) fn bearable_at(&self) -> Option<Timestamp> {
        if !is_nearly_up(self.workload, self.pods) {
            return None;
        }
        let unready = self.pods.iter().filter(|judged| !judged.pod.is_ready()).filter_map(JudgedPod::created).max();
        let at = unready.map(|created| created + STUCK_AFTER).or_else(|| self.deadline());
        Some(at.unwrap_or(self.now))
    }

    /// When the operator gives up the restart: `patience` after its last progress. Progress is the
    /// restart itself, a report of the controller, or a new pod of the new template. `None` for a
    /// Rollout: its steps may take days, and it reports its own failure.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let workload = self.workload;
        if workload.kind == WorkloadKind::Rollout {
            return None;
        }
        let newest = self.new_pods().filter_map(JudgedPod::created).max();
        let progress = [restarted_at(workload), newest, workload.progressed_at].into_iter().flatten().max()?;
        Some(progress + self.patience)
    }

    /// The live pods of the template with our current mark.
    pub(super) fn new_pods(&self) -> impl Iterator<Item = &JudgedPod> {
        self.pods.iter().filter(|judged| is_new(judged, self.workload))
    }

    /// Whether the template with our mark is still on its way to pods.
    pub(super) fn reaches_pods(&self) -> bool {
        match self.workload.strategy {
            // The controller replaces the pods from the partition up, even while those below it
            // lack the identity.
            UpdateStrategy::Partition(_) if !self.workload.rolled_out => {
                self.deadline().is_some_and(|deadline| deadline > self.now)
            }
            _ => super::obstacles::held_back(self.workload, self.pods).is_none(),
        }
    }
}

/// Whether the rollout is complete except for pods that may be missing. The update strategy may
/// allow many: at most one of those that exist may be unready, whatever it says.
pub(super) fn is_nearly_up(workload: &Workload, pods: &[JudgedPod]) -> bool {
    workload.nearly_rolled_out && pods.iter().filter(|judged| !judged.pod.is_ready()).count() <= 1
}

/// How long a restart may go without progress: the binding's deadline or the workload's own,
/// whichever is longer.
pub(crate) fn patience(workload: &Workload, progress_deadline_seconds: i32) -> SignedDuration {
    let declared = i64::from(progress_deadline_seconds);
    let own = workload.progress_deadline.map(i64::from);
    // A controller without a deadline of its own reports no progress while a pod is ready but not
    // yet available.
    let least = own.unwrap_or_else(|| declared.saturating_add(workload.min_ready.into()));
    SignedDuration::from_secs(declared.max(least))
}

/// When the operator last wrote its mark into the template, from managedFields.
pub(crate) fn restarted_at(workload: &Workload) -> Option<Timestamp> {
    field_owners(&workload.metadata, names::IDENTITY_ANNOTATION, true)
        .find(|owner| owner.manager == names::FIELD_MANAGER)?
        .time
}

/// The manager that changed the template after the restart. That change, and not the restart, then
/// decides whether the workload comes up.
pub(crate) fn edited_since<'a>(workload: &'a Workload, record: &RestartStatus) -> Option<&'a str> {
    // The restart itself raised the generation by one. Up to there, nothing else has changed.
    if workload.metadata.generation.unwrap_or_default() <= record.generation + 1 {
        return None;
    }
    let (edited, manager) = last_template_edit(&workload.metadata)?;
    // A change after the restart has failed is no excuse for the failure.
    let failed_before = record.failed.as_ref().is_some_and(|failed| edited >= failed.0);
    let since = restarted_at(workload).is_none_or(|restarted| edited >= restarted);
    (since && !failed_before).then_some(manager)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::Deployment;

    #[test]
    fn a_restart_may_go_without_progress_for_the_longer_of_two_deadlines() {
        let seconds = |own: Option<i32>, min_ready: i32| {
            let spec = json!({"progressDeadlineSeconds": own, "minReadySeconds": min_ready});
            let web = serde_json::from_value::<Deployment>(json!({"metadata": {"name": "web"}, "spec": spec})).unwrap();
            patience(&web.into(), 300).as_secs()
        };
        assert_eq!(seconds(None, 0), 300);
        assert_eq!(seconds(None, 20), 320, "its pods report nothing while they become available");
        assert_eq!(seconds(Some(301), 20), 301);
        assert_eq!(seconds(Some(299), 20), 300);
    }
}
