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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::Deployment;

    const REFUSED_AT: &str = "2026-01-01T00:10:00Z";

    fn web(edited: &str) -> Workload {
        let field = json!({"f:spec": {"f:template": {"f:spec": {}}}});
        let edit = json!({"manager": "kubectl", "operation": "Update", "time": edited, "fieldsV1": field});
        let metadata = json!({"name": "web", "uid": "u", "generation": 5, "managedFields": [edit]});
        serde_json::from_value::<Deployment>(json!({"metadata": metadata})).unwrap().into()
    }

    fn before(mark: &str, uid: &str, count: i32) -> RestartStatus {
        let refused = json!({"count": count, "at": REFUSED_AT, "message": "denied"});
        serde_json::from_value(json!({"kind": "Deployment", "name": "web", "uid": uid, "mark": mark, "generation": 4,
            "since": REFUSED_AT, "healthy": true, "refused": refused}))
        .unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        REFUSED_AT.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn only_refusals_of_the_same_restart_go_on_counting() {
        let counted = |before: &RestartStatus, edited: &str| {
            let record = intended(&web(edited), "0a".to_owned(), true, after(60), Some(before));
            record.refused.map_or(0, |refused| refused.count)
        };
        assert_eq!(counted(&before("0a", "u", 3), "2026-01-01T00:09:59Z"), 3);
        assert_eq!(counted(&before("0b", "u", 3), "2026-01-01T00:09:59Z"), 0, "another restart");
        assert_eq!(counted(&before("0a", "v", 3), "2026-01-01T00:09:59Z"), 0, "an earlier workload of the name");
        // The edit may have come before the refusal, so it is no reason to forget it.
        assert_eq!(counted(&before("0a", "u", 3), REFUSED_AT), 3, "an edit in the same second");
        assert_eq!(counted(&before("0a", "u", 3), "2026-01-01T00:10:01Z"), 0, "an edit since");
    }

    #[test]
    fn each_refusal_doubles_the_wait_up_to_half_an_hour() {
        let wait = [(1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (16, 1800), (17, 1800), (i32::MAX, 1800)];
        for (count, seconds) in wait {
            let record = before("0a", "u", count);
            let until = |now| refusal(&record, &web("2026-01-01T00:00:00Z"), now).map(|(_, until)| until);
            assert_eq!(until(after(seconds - 1)), Some(after(seconds)), "{count}");
            assert_eq!(until(after(seconds)), None, "{count}");
        }
    }

    #[test]
    fn a_record_is_of_a_restart_with_its_mark_and_of_its_generation() {
        let (record, mut workload) = (before("0a", "u", 1), web(REFUSED_AT));
        assert!(!is_of(&record, &workload, "0a"));
        workload.metadata.generation = Some(4);
        assert!(is_of(&record, &workload, "0a"));
        assert!(!is_of(&record, &workload, "0b"));
    }
}
