//! Restarts that another manager keeps undoing: how long they are left at that.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{RevertedStatus, names};

use crate::objects::Workload;

/// After so many restarts in a row that another manager undid, it is left at that for a while.
const REVERTS_BEFORE_WAITING: i32 = 3;
/// For this long, and twice as long after each further one.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// But no longer than this.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Whether the template does not have our annotation.
pub(crate) fn is_unmarked(workload: &Workload) -> bool {
    workload.template_annotation(names::IDENTITY_ANNOTATION).is_none()
}

/// How long nothing is restarted again after so many restarts were undone.
pub(crate) fn wait_after(count: i32) -> SignedDuration {
    let doublings = (count - REVERTS_BEFORE_WAITING).clamp(0, 10);
    (FIRST_WAIT * 2_i32.pow(doublings.unsigned_abs())).min(LONGEST_WAIT)
}

/// Until when a workload without our mark is left alone because restarts of this binding keep being undone.
pub(super) fn left_alone_until(
    reverted: Option<&RevertedStatus>,
    workload: &Workload,
    now: Timestamp,
) -> Option<Timestamp> {
    let reverted = reverted.filter(|_| is_unmarked(workload))?;
    let until = reverted.at.as_ref()?.0 + wait_after(reverted.count);
    (reverted.count >= REVERTS_BEFORE_WAITING && until > now).then_some(until)
}
