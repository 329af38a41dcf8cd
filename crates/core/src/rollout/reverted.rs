//! Restarts that another manager keeps undoing: how long the operator leaves the workload alone.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{RevertedStatus, names};

use super::restarted_at;
use crate::objects::Workload;
use crate::restart_mark::RestartMark;

/// Number of consecutive undone restarts after which the operator waits.
const REVERTS_BEFORE_WAITING: i32 = 3;
/// The first of these waits; each further undone restart doubles it.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// The upper limit of the wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Whether the template does not have the mark of a restart for the identity of this hash: it has
/// none, or one of another identity that another manager put back.
pub(crate) fn lacks_mark(workload: &Workload, hash: &str) -> bool {
    let Some(mark) = workload.template_annotation(names::IDENTITY_ANNOTATION) else { return true };
    !RestartMark::is_for(mark, hash) && restarted_at(workload).is_none()
}

/// How many workloads the record names. A full list stands for all workloads.
pub(crate) const MOST_NAMED: usize = 50;

/// Whether a restart of the workload was undone lately. A status that names no workloads is of an
/// earlier version: each undone restart has changed its workload twice.
pub(super) fn was_reverted(reverted: &RevertedStatus, workload: &Workload) -> bool {
    if reverted.workloads.is_empty() {
        return workload.metadata.generation.unwrap_or_default() > 2 * i64::from(reverted.count);
    }
    reverted.workloads.len() >= MOST_NAMED || reverted.workloads.contains(&workload.id().to_string())
}

/// How long the operator waits before it restarts the workloads of the record again. `count`: the
/// number of undone restarts in a row.
pub(crate) fn wait_after(count: i32) -> SignedDuration {
    let doublings = (count - REVERTS_BEFORE_WAITING).clamp(0, 10);
    (FIRST_WAIT * 2_i32.pow(doublings.unsigned_abs())).min(LONGEST_WAIT)
}

/// Until when a workload without our mark is left alone because another manager keeps undoing its
/// restarts.
pub(super) fn left_alone_until(
    reverted: Option<&RevertedStatus>,
    workload: &Workload,
    hash: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    let reverted = reverted.filter(|it| was_reverted(it, workload) && lacks_mark(workload, hash))?;
    let until = reverted.at.as_ref()?.0 + wait_after(reverted.count);
    (reverted.count >= REVERTS_BEFORE_WAITING && until > now).then_some(until)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;
    use podidentity_api::RevertedStatus;
    use serde_json::json;

    use super::{MOST_NAMED, wait_after, was_reverted};
    use crate::objects::{Deployment, Workload};

    #[test]
    fn a_full_list_stands_for_all_workloads() {
        let web = json!({"metadata": {"name": "web"}, "spec": {}});
        let workload = Workload::from(serde_json::from_value::<Deployment>(web).unwrap());
        let named = |count: usize| RevertedStatus {
            count: 3,
            workloads: (0..count).map(|n| format!("Deployment/a{n:02}")).collect(),
            ..RevertedStatus::default()
        };
        assert!(!was_reverted(&named(MOST_NAMED - 1), &workload));
        assert!(was_reverted(&named(MOST_NAMED), &workload));
    }

    #[test]
    fn each_further_undone_restart_doubles_the_wait_up_to_a_day() {
        let waits = [(0, 10), (3, 10), (4, 20), (5, 40), (10, 1280), (11, 1440), (13, 1440), (i32::MAX, 1440)];
        for (count, minutes) in waits {
            assert_eq!(wait_after(count), SignedDuration::from_mins(minutes), "{count}");
        }
    }
}
