//! Decides whether a workload needs a restart, and which one.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{RestartStatus, names};

use super::obstacles::{blocked_by, goes, not_ready};
use super::progress::{Progress, Restarted, edited_since, restarted_at};
use super::{Cause, Judge, Phase, is_healthy, is_new};
use crate::finding::Severity;
use crate::message::Message;
use crate::objects::{Workload, WorkloadKind};
use crate::restart_mark::RestartMark;
use crate::restart_record;
use crate::time::whole_seconds;
use crate::verify::JudgedPod;

/// How many times a restart is repeated if injection misses its pods.
pub const MAX_ATTEMPTS: u32 = 3;
/// Delay before the first repetition; each further one waits four times as long.
const FIRST_RETRY_DELAY: SignedDuration = SignedDuration::from_secs(5);
/// Delay before the next round of restarts for the same identity; each further round waits four
/// times as long.
const FIRST_ROUND_DELAY: SignedDuration = SignedDuration::from_secs(60);
/// The upper limit of the delay between rounds.
const LONGEST_ROUND_DELAY: SignedDuration = SignedDuration::from_hours(24);

/// A workload's phase and what goes with it.
pub(super) struct Judged {
    pub(super) phase: Phase,
    pub(super) under_way: bool,
    pub(super) record: Option<RestartStatus>,
}

impl Judged {
    /// The phase of a workload for which no restart of ours is under way or recorded.
    pub(super) fn at_rest(phase: Phase) -> Self {
        Self { phase, under_way: false, record: None }
    }
}

impl Judge<'_> {
    pub(super) fn needs_none(&self, it: &Restarted<'_>) -> Judged {
        let made = self.made(it);
        if let Some(message) = it.pods.iter().find_map(first_error) {
            // Nothing to wait for: the next pods would be no better, so the restart is not the cause.
            let phase = Phase::NotHelped(message.explains("a restart would not help"));
            return Judged { phase, under_way: false, record: made };
        }
        if it.workload.desired == 0 {
            let has_pods = !it.pods.is_empty();
            return Judged::at_rest(if has_pods { Phase::Current { note: None } } else { Phase::ScaledToZero });
        }
        // This includes a restart for an earlier identity: it has brought the wanted identity to
        // the pods, and the workload has to come up with it.
        match made {
            // The record stays until the watch shows the template that the pods come from. Without
            // it, they would look like pods of an undone restart.
            None => Judged { record: self.record_ahead(it), ..Judged::at_rest(Phase::Current { note: None }) },
            Some(record) => self.follow(it, record, true),
        }
    }

    pub(super) fn needs_restart(&self, it: &Restarted<'_>) -> Judged {
        let workload = it.workload;
        if let Some(phase) = goes(workload) {
            return Judged::at_rest(phase);
        }
        let lacking: Vec<&JudgedPod> = it.pods.iter().filter(|judged| judged.verdict.restart_cures()).collect();
        let missed: Vec<&JudgedPod> = lacking.iter().copied().filter(|judged| is_new(judged, workload)).collect();
        let Some(mark) = self.mark_of(workload) else {
            return self.next(it, RestartMark::first(self.expected.identity.hash()), None);
        };
        let Some(record) = self.made(it) else { return self.next_round(it, &mark) };
        if missed.is_empty() && (workload.paused || it.reaches_pods()) {
            // The pods that lack the identity are older than our restart. The restart is still
            // replacing them, or was paused before it could.
            return self.follow(it, record, false);
        }
        if lacking.iter().all(|judged| self.predates_annotation(judged)) {
            return self.next_round(it, &mark);
        }
        let missed_at = missed.iter().filter_map(|judged| judged.created()).max();
        if mark.attempt < MAX_ATTEMPTS {
            let delay = FIRST_RETRY_DELAY * 4_i32.pow(mark.attempt);
            let next = RestartMark { attempt: mark.attempt + 1, ..mark };
            return self.next(it, next, Some(missed_at.map_or(self.now, |at| at + delay)));
        }
        // Injection works again, as another pod of the workload shows.
        let injected = it.pods.iter().filter(|judged| judged.has_all()).filter_map(JudgedPod::created).max();
        if injected > missed_at {
            return self.next_round(it, &mark);
        }
        let found = lacking.iter().find_map(|judged| first_problem(judged)).unwrap_or_default();
        let look = if self.expected.identity.is_of_association() {
            "the service account has an association of EKS Pod Identity"
        } else if self.expected.left_association {
            "its association of EKS Pod Identity is deleted, and the pod identity webhook answers"
        } else {
            "the pod identity webhook answers"
        };
        let message = Message::new(format!("{} restarts did not help", mark.attempt + 1))
            .because(found)
            .action(format!("look whether {look}, then restart it"));
        let (next, not_before) = match self.next_round(it, &mark).phase {
            Phase::Due { mark, .. } => (Some(mark), None),
            Phase::Waiting { until, .. } => (None, until),
            // The status records the last restart, so no refusal of the next one.
            _ => (None, None),
        };
        let cause = Cause::InjectionMissed { at: missed_at, next, not_before };
        Judged { phase: Phase::Failed { cause, message }, under_way: false, record: Some(record) }
    }

    /// A new round of restarts for the same identity. It does not use up the attempts of the
    /// previous round, and rounds must not follow each other too quickly.
    fn next_round(&self, it: &Restarted<'_>, mark: &RestartMark) -> Judged {
        let next = RestartMark { hash: mark.hash.clone(), round: mark.round + 1, attempt: 0 };
        let not_before = round_not_before(it.workload, mark).filter(|at| *at > self.now);
        let judged = self.next(it, next, None);
        match (&judged.phase, not_before) {
            (Phase::Due { .. }, Some(at)) => {
                Judged::at_rest(Phase::Waiting { on: super::Wait::Retry, until: Some(at), message: None })
            }
            _ => judged,
        }
    }

    /// The next restart, unless an obstacle stands in its way. `retry_at`: when it may be made, if
    /// it repeats a restart that injection missed.
    fn next(&self, it: &Restarted<'_>, mark: RestartMark, retry_at: Option<Timestamp>) -> Judged {
        let workload = it.workload;
        // Another restart is to cure what the last one did not.
        let made = self.made(it).map(|record| RestartStatus { failed: None, ..record });
        // A canary that is to be repeated keeps its place, and so does a restart for an earlier
        // identity.
        let keeps_until = fresh_until(it).filter(|_| made.is_some());
        let under_way = retry_at.is_some() || keeps_until.is_some();
        if let Some(mut phase) = self.obstacle(it, retry_at) {
            let keeps = match &mut phase {
                Phase::Waiting { on: super::Wait::Retry, .. } => under_way,
                // As long as the pause lasts.
                Phase::Waiting { on: super::Wait::HeldBack, .. } => workload.paused && made.is_some(),
                Phase::Waiting { on: super::Wait::OwnRollout, until, .. } => {
                    *until = until.iter().copied().chain(keeps_until).min();
                    under_way
                }
                _ => false,
            };
            return Judged { phase, under_way: keeps, record: made };
        }
        // If the workload has not come up since our last restart, its health before that restart
        // counts.
        let down = |record: &&RestartStatus| !workload.rolled_out && edited_since(workload, record).is_none();
        let healthy = match made.as_ref().filter(down) {
            Some(record) => record.healthy,
            None => is_healthy(workload, it.pods),
        };
        let record = self.records.get(workload).filter(|record| record.mark == mark.to_string());
        if let Some((message, until)) = record.and_then(|it| restart_record::refusal(it, workload, self.now)) {
            let message = Message::new("the API server refuses its restart")
                .because(message)
                .action(format!("change what refuses it (tried again at {until})"));
            return Judged { phase: Phase::Refused { message, until }, under_way: false, record: record.cloned() };
        }
        let same = record.filter(|record| restart_record::is_of(record, workload, &mark.to_string()));
        // A restart that was recorded but not made before the window closed is decided again in the
        // next window.
        let same = same.filter(|_| self.gate.opening().is_none() || mark.attempt > 0);
        let phase = Phase::Due { mark, healthy, recorded: same.is_some() };
        let refused = record.filter(|record| record.refused.is_some());
        Judged { phase, under_way: false, record: same.or(refused).cloned().or(made) }
    }

    /// Follows a restart of ours that is not over: it makes progress, waits for a person, or has
    /// stopped.
    fn follow(&self, it: &Restarted<'_>, mut record: RestartStatus, has_identity: bool) -> Judged {
        let (phase, under_way) = match it.progress(has_identity) {
            Progress::Up => return Judged::at_rest(Phase::Current { note: None }),
            Progress::Coming(until) => (Phase::Rolling { until }, true),
            Progress::Paused(message) => (Phase::Paused(message), true),
            Progress::Stopped => {
                let phase = self.stopped(it, &record, has_identity);
                if let Phase::Failed { .. } = phase {
                    record.failed.get_or_insert(Time(whole_seconds(self.now)));
                }
                (phase, false)
            }
        };
        // The API server accepted the restart, so its earlier refusals no longer matter.
        Judged { phase, under_way, record: Some(RestartStatus { refused: None, ..record }) }
    }

    /// The phase after a restart that no longer makes progress. The restart failed only if nothing
    /// else can be the cause.
    fn stopped(&self, it: &Restarted<'_>, record: &RestartStatus, has_identity: bool) -> Phase {
        let what = Self::what_stopped(it);
        if let Some(manager) = edited_since(it.workload, record) {
            return rests(what.and(format!("{manager} has changed its template since")), has_identity);
        }
        if !record.healthy {
            return rests(what.and("it was not healthy before either"), has_identity);
        }
        if !self.is_of_identity(record) {
            return rests(what, has_identity);
        }
        let message = match &it.workload.replica_failure {
            Some(failure) => what.and(format!("its controller says: {failure}")),
            None => what,
        };
        let cause = if it.new_pods().any(|judged| judged.pod.is_failing()) { Cause::NotUp } else { Cause::NotStarted };
        Phase::Failed { cause, message }
    }

    /// What to look at if a restart makes no progress.
    fn what_stopped(it: &Restarted<'_>) -> Message {
        let what = match (it.workload.deadline_exceeded, it.workload.kind) {
            (true, WorkloadKind::Rollout) => "its restart has failed (Degraded)".to_owned(),
            (true, _) => "its restart made no progress (ProgressDeadlineExceeded)".to_owned(),
            (false, _) => format!("its restart made no progress for {} s", it.patience.as_secs()),
        };
        stuck_on(it).explains(what)
    }

    /// Whether the recorded restart is for the identity that is wanted now.
    fn is_of_identity(&self, record: &RestartStatus) -> bool {
        RestartMark::is_for(&record.mark, &self.expected.identity.hash())
    }

    /// The record of a restart whose pods have arrived, while the workload's watch does not show
    /// the restart yet.
    fn record_ahead(&self, it: &Restarted<'_>) -> Option<RestartStatus> {
        let record = self.records.get(it.workload)?;
        let ahead = it.pods.iter().any(|judged| restart_record::is_ahead_of_template(judged, record, it.workload));
        ahead.then(|| record.clone())
    }

    /// Our restart of the workload, if it is not over: the recorded one, or one that only the
    /// template shows because no status could record it. For the latter, it is not known whether
    /// the workload was healthy before.
    fn made(&self, it: &Restarted<'_>) -> Option<RestartStatus> {
        let workload = it.workload;
        let record = self.records.get(workload);
        let made = record.filter(|record| is_started(workload, record) || repeats(workload, record));
        if made.is_some() || self.records.has_status {
            // A failure with an earlier identity says nothing about this one.
            let failed = |record: &RestartStatus| record.failed.clone().filter(|_| self.is_of_identity(record));
            return made.map(|record| RestartStatus { failed: failed(record), ..record.clone() });
        }
        let mark = workload.template_annotation(names::IDENTITY_ANNOTATION)?;
        let made = RestartMark::parse(mark).is_some() && fresh_until(it).is_some();
        let assumed = restart_record::intended(workload, mark.to_owned(), false, restarted_at(workload)?, None);
        made.then(|| RestartStatus { generation: assumed.generation - 1, ..assumed })
    }

    /// The template's mark, if it is for the identity that is wanted now.
    fn mark_of(&self, workload: &Workload) -> Option<RestartMark> {
        let mark = RestartMark::parse(workload.template_annotation(names::IDENTITY_ANNOTATION)?)?;
        (mark.hash == self.expected.identity.hash()).then_some(mark)
    }

    fn predates_annotation(&self, judged: &JudgedPod) -> bool {
        let annotated = self.expected.annotated_at;
        judged.created().zip(annotated).is_some_and(|(created, annotated)| created < annotated)
    }
}

/// Until when the restart of the template's mark may go without progress; `None` if that time is
/// over.
fn fresh_until(it: &Restarted<'_>) -> Option<Timestamp> {
    Some(restarted_at(it.workload)? + it.patience).filter(|until| *until > it.now)
}

/// Whether the template has the mark of the record.
fn is_started(workload: &Workload, record: &RestartStatus) -> bool {
    workload.template_annotation(names::IDENTITY_ANNOTATION) == Some(&record.mark)
}

/// Whether the record announces the next attempt of the restart that the template's mark names.
/// That restart is then not over.
fn repeats(workload: &Workload, record: &RestartStatus) -> bool {
    let made = workload.template_annotation(names::IDENTITY_ANNOTATION).and_then(RestartMark::parse);
    let made = made.map(|made| RestartMark { attempt: made.attempt + 1, ..made });
    made.is_some() && made == RestartMark::parse(&record.mark)
}

/// When the next round of restarts for the identity of this mark may begin.
fn round_not_before(workload: &Workload, mark: &RestartMark) -> Option<Timestamp> {
    let delay = FIRST_ROUND_DELAY * 4_i32.pow(mark.round.min(10));
    Some(restarted_at(workload)? + delay.min(LONGEST_ROUND_DELAY))
}

/// The phase of a workload that did not come up after a restart, if the restart is not the cause.
fn rests(message: Message, has_identity: bool) -> Phase {
    if has_identity { Phase::Current { note: Some(message) } } else { Phase::Lapsed(message) }
}

fn first_error(judged: &JudgedPod) -> Option<Message> {
    let error = judged.verdict.findings.iter().find(|finding| finding.severity == Severity::Error)?;
    Some(error.message.clone())
}

/// The first problem that a restart should fix, in short. The finding has the details.
fn first_problem(judged: &JudgedPod) -> Option<String> {
    let finding = judged.verdict.findings.iter().find(|finding| finding.restart_cures)?;
    Some(format!("{} still has the finding {}", finding.object, finding.reason))
}

/// What to look at if a restart makes no progress.
fn stuck_on(it: &Restarted<'_>) -> Message {
    let (workload, id) = (it.workload, it.workload.id());
    let unready = |new: bool| it.pods.iter().find(|judged| is_new(judged, workload) == new && !judged.pod.is_ready());
    match (unready(true), unready(false)) {
        (Some(pod), _) | (None, Some(pod)) if workload.ordered => blocked_by(pod, workload),
        (Some(pod), _) => not_ready(pod.pod.name()),
        _ if !it.pods.iter().any(|judged| is_new(judged, workload)) => Message::new("it has no new pod")
            .action(format!("look at the events of {id} and of what makes its pods (a quota, a webhook?)")),
        _ => Message::new("its new pods are ready").action(format!("look at the events of {id}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::Deployment;

    #[test]
    fn each_further_round_waits_four_times_as_long_up_to_a_day() {
        let field = format!("f:{}", names::IDENTITY_ANNOTATION);
        let fields = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {field: {}}}}}});
        let ours = json!({"manager": names::FIELD_MANAGER, "operation": "Apply", "time": "1970-01-01T00:00:00Z",
            "fieldsV1": fields});
        let web = json!({"metadata": {"name": "web", "managedFields": [ours]}});
        let web = Workload::from(serde_json::from_value::<Deployment>(web).unwrap());
        let waits = [(0, 60), (1, 240), (2, 960), (5, 61440), (6, 86400), (10, 86400), (11, 86400), (65535, 86400)];
        for (round, seconds) in waits {
            let mark = RestartMark { round, ..RestartMark::first("0a".to_owned()) };
            assert_eq!(round_not_before(&web, &mark).map(Timestamp::as_second), Some(seconds), "{round}");
        }
    }
}
