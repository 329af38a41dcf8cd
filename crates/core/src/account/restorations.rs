//! How often an annotation was restored, and when it is contested.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::PodIdentityBinding;

use super::ForeignOwner;

/// After this many restorations in a row, the operator leaves the annotation to the other manager
/// until that manager is silent.
const RESTORATIONS_BEFORE_CONTESTED: i32 = 5;
/// After this much calm, restorations are counted from zero again.
const CALM_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// After this long without a write, the operator considers the other manager silent. Each further
/// restoration doubles the time, so that a manager that returns every few minutes is left alone
/// too.
const FIRST_SILENCE: SignedDuration = SignedDuration::from_secs(60);
/// Upper limit of the silence.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_mins(30);

/// How long the other manager has to be silent before the operator writes a contested annotation
/// again, and when that time is over. `None` if the operator may write now.
pub(super) fn contested_until(
    binding: &PodIdentityBinding,
    foreign: Option<&ForeignOwner>,
    now: Timestamp,
) -> Option<(SignedDuration, Timestamp)> {
    let restored = binding.status.as_ref()?.service_account.as_ref()?;
    let last = restored.restored_at.as_ref()?.0;
    if restored.restored < RESTORATIONS_BEFORE_CONTESTED || last + CALM_AFTER <= now {
        return None;
    }
    let doublings = (restored.restored - RESTORATIONS_BEFORE_CONTESTED).min(10);
    let silence = (FIRST_SILENCE * 2_i32.pow(doublings.unsigned_abs())).min(LONGEST_SILENCE);
    let retry_at = foreign.and_then(|foreign| foreign.time).unwrap_or(last).max(last) + silence;
    (retry_at > now).then_some((silence, retry_at))
}

/// The number of restorations in a row, including the current one.
pub fn restorations_with_this_one(binding: &PodIdentityBinding, now: Timestamp) -> i32 {
    let seen = binding.status.as_ref().and_then(|status| status.service_account.as_ref());
    let last = seen.and_then(|seen| seen.restored_at.as_ref()).map(|time| time.0);
    let counted = seen.map_or(0, |seen| seen.restored);
    if last.is_some_and(|last| last + CALM_AFTER > now) { counted.saturating_add(1) } else { 1 }
}
