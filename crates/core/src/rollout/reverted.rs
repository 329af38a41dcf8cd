//! Restarts that another manager keeps undoing: how long the operator leaves the workload alone.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{RevertedStatus, names};

use crate::objects::Workload;

/// Number of consecutive undone restarts after which the operator waits.
const REVERTS_BEFORE_WAITING: i32 = 3;
/// The first of these waits; each further undone restart doubles it.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// The upper limit of the wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Whether the template does not have our annotation.
pub(crate) fn is_unmarked(workload: &Workload) -> bool {
    workload.template_annotation(names::IDENTITY_ANNOTATION).is_none()
}

/// How long the operator waits before it restarts anything again. `count`: the number of undone
/// restarts in a row.
pub(crate) fn wait_after(count: i32) -> SignedDuration {
    let doublings = (count - REVERTS_BEFORE_WAITING).clamp(0, 10);
    (FIRST_WAIT * 2_i32.pow(doublings.unsigned_abs())).min(LONGEST_WAIT)
}

/// Until when a workload without our mark is left alone because another manager keeps undoing
/// restarts of this binding.
pub(super) fn left_alone_until(
    reverted: Option<&RevertedStatus>,
    workload: &Workload,
    now: Timestamp,
) -> Option<Timestamp> {
    let reverted = reverted.filter(|_| is_unmarked(workload))?;
    let until = reverted.at.as_ref()?.0 + wait_after(reverted.count);
    (reverted.count >= REVERTS_BEFORE_WAITING && until > now).then_some(until)
}
