//! A roll of ours that is under way: does it come forward?

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{WorkloadState, names};

use super::obstacles::{blocked_by, held_back, paused};
use super::{Judge, STUCK_AFTER, Wait, WorkloadVerdict, created};
use crate::assess::JudgedPod;
use crate::objects::{UpdateStrategy, Workload, WorkloadKind, field_owners};

impl Judge<'_> {
    /// Our roll is under way, waits for a person, or does not come forward.
    pub(super) fn in_flight(&self, mut verdict: WorkloadVerdict) -> WorkloadVerdict {
        if let Some(how) = paused(&verdict.workload) {
            verdict.state = WorkloadState::Paused;
            verdict.wait = Some(Wait::HeldBack);
            verdict.message = Some(format!("is not through with its restart, and {how}"));
            return verdict;
        }
        let deadline = self.deadline(&verdict);
        // A controller that has not seen the workload as it is now (resumed, for example) may have had no chance yet.
        let late = verdict.workload.observed && deadline.is_some_and(|deadline| deadline <= self.now);
        if verdict.workload.deadline_exceeded || late {
            verdict.state = WorkloadState::Halted;
            verdict.failed = true;
            let seconds = self.binding.spec.rollout.progress_deadline_seconds;
            let what = match (verdict.workload.deadline_exceeded, verdict.workload.kind) {
                (true, WorkloadKind::Rollout) => "its restart has failed (Degraded)".to_owned(),
                (true, _) => "its restart made no progress (ProgressDeadlineExceeded)".to_owned(),
                (false, _) => format!("its restart made no progress for {seconds} s"),
            };
            verdict.message = Some(format!("{what}: {}", stuck_on(&verdict)));
        } else {
            verdict.state = WorkloadState::Rolling;
            verdict.in_flight = true;
            verdict.check_at = deadline.filter(|deadline| *deadline > self.now);
        }
        verdict
    }

    /// Whether a template that has our mark is still on its way to pods.
    pub(super) fn reaches_pods(&self, verdict: &WorkloadVerdict) -> bool {
        match verdict.workload.strategy {
            // Pods from the partition on are replaced while those below it lack the identity.
            UpdateStrategy::Partition(_) if !verdict.workload.rolled_out => {
                self.deadline(verdict).is_some_and(|deadline| deadline > self.now)
            }
            _ => held_back(verdict).is_none(),
        }
    }

    /// When a workload that is complete but for a tolerable number of pods is taken for complete. Pods that do not
    /// become ready get a while; those that are not there at all (a node that is down keeps the old one terminating for
    /// ever) get the whole deadline.
    pub(super) fn bearable_at(&self, verdict: &WorkloadVerdict) -> Option<Timestamp> {
        if !verdict.workload.nearly_rolled_out {
            return None;
        }
        let unready = verdict.pods.iter().filter(|judged| !judged.pod.is_ready()).filter_map(created).max();
        let at = unready.map(|created| created + STUCK_AFTER).or_else(|| self.deadline(verdict));
        Some(at.unwrap_or(self.now))
    }

    /// Whether our roll was over before any of the pods was made: then they were not missed by the roll, but when they
    /// were replaced later.
    pub(super) fn were_made_after_the_roll(&self, verdict: &WorkloadVerdict, pods: &[&JudgedPod]) -> bool {
        let workload = &verdict.workload;
        // A Deployment remembers when it was complete. With others, a roll that is not over makes a pod now and then.
        let over = workload.progressed_at.filter(|_| workload.rolled_out).or_else(|| {
            let others = verdict.pods.iter().filter(|judged| is_new(judged, workload) && judged.verdict.is_verified());
            let last = others.filter_map(created).chain(rolled_at(workload)).max()?;
            Some(last + self.patience())
        });
        let later = |judged: &&JudgedPod| created(judged).zip(over).is_some_and(|(created, over)| created > over);
        pods.iter().all(|judged| is_new(judged, workload) && later(judged))
    }

    /// When our roll counts as failed: so long after it last came forward, which is to say that its controller said so
    /// or made a pod of the new template. None for a Rollout: its steps may take days, and it says itself when it has
    /// failed.
    pub(super) fn deadline(&self, verdict: &WorkloadVerdict) -> Option<Timestamp> {
        let workload = &verdict.workload;
        if workload.kind == WorkloadKind::Rollout {
            return None;
        }
        let newest = verdict.pods.iter().filter(|judged| is_new(judged, workload)).filter_map(created).max();
        let progress = [rolled_at(workload), newest, workload.progressed_at].into_iter().flatten().max()?;
        Some(progress + self.patience())
    }

    pub(super) fn patience(&self) -> SignedDuration {
        SignedDuration::from_secs(self.binding.spec.rollout.progress_deadline_seconds.into())
    }
}

/// When we last rolled the workload, from managedFields.
pub(crate) fn rolled_at(workload: &Workload) -> Option<Timestamp> {
    field_owners(&workload.metadata, names::IDENTITY_ANNOTATION, true)
        .find(|owner| owner.manager == names::FIELD_MANAGER)?
        .time
}

/// Whether the pod was made from the template that carries our present mark.
pub(super) fn is_new(judged: &JudgedPod, workload: &Workload) -> bool {
    let mark = workload.template_annotation(names::IDENTITY_ANNOTATION);
    mark.is_some() && judged.pod.annotation(names::IDENTITY_ANNOTATION) == mark
}

/// What to look at where a roll does not come forward.
fn stuck_on(verdict: &WorkloadVerdict) -> String {
    let id = verdict.workload.id();
    let unready = |new: bool| {
        let pods = verdict.pods.iter().filter(|judged| is_new(judged, &verdict.workload) == new);
        pods.filter(|judged| !judged.pod.is_ready()).map(|judged| judged.pod.name()).next()
    };
    match (unready(true), unready(false)) {
        (Some(pod), _) if verdict.workload.ordered => {
            format!(
                "Pod/{pod} is not ready, and {id} replaces no pod before it is; once the cause is mended, delete it"
            )
        }
        (Some(pod), _) => format!("look at Pod/{pod}, which is not ready"),
        (None, Some(pod)) if verdict.workload.ordered => blocked_by(pod, &verdict.workload),
        _ if !verdict.pods.iter().any(|judged| is_new(judged, &verdict.workload)) => {
            format!("it has no new pod: look at the events of {id} and of what makes its pods (a quota, a webhook?)")
        }
        _ => format!("its new pods are ready: look at the events of {id}"),
    }
}
