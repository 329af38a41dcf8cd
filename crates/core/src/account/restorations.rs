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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LAST: &str = "2026-01-01T00:00:00Z";

    /// A binding whose annotation was restored this often, the last time at [`LAST`].
    fn restored(times: i32) -> PodIdentityBinding {
        let account = json!({"uid": "1", "restored": times, "restoredAt": LAST});
        let status = json!({"serviceAccount": account, "conditions": []});
        serde_json::from_value(json!({
            "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": {"name": "my-app"},
            "spec": {"serviceAccountName": "my-app"}, "status": status,
        }))
        .unwrap()
    }

    /// So many seconds after [`LAST`].
    fn after(seconds: i64) -> Timestamp {
        LAST.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    /// The silence in seconds, and how long after the last restoration it ends.
    fn silence(times: i32, foreign: Option<&ForeignOwner>, now: i64) -> Option<(i64, i64)> {
        let (silence, until) = contested_until(&restored(times), foreign, after(now))?;
        Some((silence.as_secs(), until.duration_since(after(0)).as_secs()))
    }

    fn nobody() -> ForeignOwner {
        let text = String::new;
        ForeignOwner { key: text(), value: text(), manager: text(), time: None, is_shared: false }
    }

    fn written(at: i64) -> ForeignOwner {
        ForeignOwner { time: Some(after(at)), ..nobody() }
    }

    #[test]
    fn an_annotation_is_contested_after_five_restorations() {
        assert_eq!(silence(0, None, 0), None);
        assert_eq!(silence(4, None, 0), None);
        assert_eq!(silence(5, None, 0), Some((60, 60)));
    }

    #[test]
    fn each_further_restoration_doubles_the_silence_up_to_half_an_hour() {
        let lengths: Vec<_> = [6, 7, 8, 9, 10, 15, 16, i32::MAX].map(|times| silence(times, None, 0)).into();
        let expected = [120, 240, 480, 960, 1800, 1800, 1800, 1800].map(|length| Some((length, length)));
        assert_eq!(lengths, expected);
    }

    #[test]
    fn the_silence_counts_from_the_last_write_of_either() {
        assert_eq!(silence(5, Some(&written(30)), 30), Some((60, 90)));
        assert_eq!(silence(5, Some(&written(-30)), 30), Some((60, 60)));
        assert_eq!(silence(5, Some(&nobody()), 30), Some((60, 60)));
    }

    #[test]
    fn when_the_silence_is_over_the_annotation_is_written_again() {
        assert_eq!(silence(5, None, 59), Some((60, 60)));
        assert_eq!(silence(5, None, 60), None);
    }

    #[test]
    fn after_an_hour_of_calm_restorations_count_from_zero() {
        assert_eq!(silence(9, Some(&written(3599)), 3599), Some((960, 4559)));
        assert_eq!(silence(9, Some(&written(3599)), 3600), None);
        assert_eq!(restorations_with_this_one(&restored(7), after(3599)), 8);
        assert_eq!(restorations_with_this_one(&restored(7), after(3600)), 1);
    }
}
