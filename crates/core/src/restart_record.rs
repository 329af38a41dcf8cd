//! Restart records in the status: written before a restart, kept until the workload has come up
//! once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PodIdentityBinding, RefusedStatus, RestartStatus, names};

use crate::objects::{Workload, WorkloadId, last_template_edit};
use crate::time::whole_seconds;
use crate::verify::JudgedPod;

/// The wait after the first refusal of a restart; each further refusal doubles it.
const FIRST_REFUSAL_DELAY: SignedDuration = SignedDuration::from_secs(30);
/// The upper limit of that wait.
const LONGEST_REFUSAL_DELAY: SignedDuration = SignedDuration::from_mins(30);

/// The longest time that a restart holds a slot of the operator-wide limit, whatever its binding's
/// deadline. One tenant's deadline must not delay the restarts of others.
const LONGEST_PLACE: SignedDuration = SignedDuration::from_mins(30);

/// The restarts that a binding's status records.
#[derive(Clone, Debug, Default)]
pub struct Records<'a> {
    by_workload: BTreeMap<(&'a str, &'a str), &'a RestartStatus>,
    /// Whether the status is that of an owner, which would record a restart. A binding that was
    /// restored from a backup has no status. The status of a binding that waited for another owner
    /// does not have that owner's restarts.
    pub has_status: bool,
}

impl<'a> Records<'a> {
    /// The records in the binding's status.
    pub fn of(binding: &'a PodIdentityBinding) -> Self {
        let status = binding.status.as_ref();
        let restarts = status.into_iter().flat_map(|status| &status.restarts);
        Self {
            by_workload: restarts.map(|it| ((it.kind.as_str(), it.name.as_str()), it)).collect(),
            // Only an owner's status names the subject.
            has_status: status.is_some_and(|status| status.subject.is_some()),
        }
    }

    /// The workload's record, unless it belongs to an earlier workload with the same name.
    pub fn get(&self, workload: &Workload) -> Option<&'a RestartStatus> {
        let name = workload.metadata.name.as_deref().unwrap_or_default();
        let record = self.by_workload.get(&(workload.kind.as_str(), name)).copied()?;
        (record.uid == workload.metadata.uid).then_some(record)
    }
}

/// The record of a restart that is about to be made.
/// `before`: the workload's present record.
pub(crate) fn intended(
    workload: &Workload,
    mark: String,
    healthy: bool,
    now: Timestamp,
    before: Option<&RestartStatus>,
) -> RestartStatus {
    // Refusals of the same restart go on counting if only the number of replicas has changed since.
    let same = before.filter(|before| before.mark == mark && before.uid == workload.metadata.uid);
    let refused = same.and_then(|before| before.refused.clone()).filter(|it| !edited_since(it, workload));
    let WorkloadId { kind, name } = workload.id();
    RestartStatus {
        kind: kind.as_str().to_owned(),
        name,
        uid: workload.metadata.uid.clone(),
        mark,
        generation: workload.metadata.generation.unwrap_or_default(),
        since: Time(whole_seconds(now)),
        healthy,
        failed: None,
        refused,
    }
}

/// The same record after the API server has refused the restart once more.
pub(crate) fn refused(record: RestartStatus, message: String, now: Timestamp) -> RestartStatus {
    let count = record.refused.as_ref().map_or(0, |refused| refused.count).saturating_add(1);
    let refused = RefusedStatus { count, at: Time(whole_seconds(now)), message };
    RestartStatus { refused: Some(refused), ..record }
}

/// Until when a restart that is under way holds a slot of the operator-wide limit.
pub(crate) fn holds_place_until(record: &RestartStatus) -> Timestamp {
    record.since.0 + LONGEST_PLACE
}

/// The API server's message about its last refusal, and when the restart is tried again; `None` if
/// there is no refusal, if that time has passed, or if the template has changed since.
pub(crate) fn refusal<'a>(
    record: &'a RestartStatus,
    workload: &Workload,
    now: Timestamp,
) -> Option<(&'a str, Timestamp)> {
    let refused = record.refused.as_ref().filter(|it| !edited_since(it, workload))?;
    let until = refused_until(refused);
    (until > now).then_some((&refused.message, until))
}

/// Whether a manager has changed the workload's template since the refusal. That may have removed
/// its cause.
fn edited_since(refused: &RefusedStatus, workload: &Workload) -> bool {
    last_template_edit(&workload.metadata).is_some_and(|(edited, _)| edited > refused.at.0)
}

fn refused_until(refused: &RefusedStatus) -> Timestamp {
    let doublings = refused.count.clamp(1, 16) - 1;
    refused.at.0 + (FIRST_REFUSAL_DELAY * 2_i32.pow(doublings.unsigned_abs())).min(LONGEST_REFUSAL_DELAY)
}

/// Whether the watch of pods is ahead of the watch of workloads: the pod is one of the recorded
/// restart, but the workload still looks as it did when that restart was decided. Pods of an
/// earlier restart that was undone are older than the record.
pub(crate) fn is_ahead_of_template(judged: &JudgedPod, record: &RestartStatus, workload: &Workload) -> bool {
    workload.metadata.generation.unwrap_or_default() <= record.generation
        && judged.pod.annotation(names::IDENTITY_ANNOTATION) == Some(&record.mark)
        && judged.created().is_some_and(|created| created >= record.since.0)
}

/// Whether the record is of this restart: it has this mark and the workload's generation. If the
/// workload has changed since, the restart has to be decided again.
pub(crate) fn is_of(record: &RestartStatus, workload: &Workload, mark: &str) -> bool {
    record.mark == mark && Some(record.generation) == workload.metadata.generation
}
