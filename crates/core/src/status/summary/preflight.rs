//! Summaries about the preflight check: whether AWS lets the service account assume the role.

use podidentity_api::{PreflightFailure, PreflightPolicy, PreflightResult, Reason};

use super::{Progress, Summary, View, reconciling, stalled};
use crate::assess::Case;
use crate::message::Message;
use crate::preflight;

/// Number of refusals in a row after which a person has to act. A role that was just created takes
/// effect within seconds, so it does not cause this many.
const REFUSALS_BEFORE_STALLED: i32 = 3;

/// The answer forbids annotating the service account.
pub(super) fn forbidden(view: &View) -> Option<Summary> {
    let preflight = &view.case.preflight;
    let failed = preflight.failed.as_ref().filter(|_| preflight.forbids())?;
    let kept = match &view.case.account.role_in_force {
        Some(kept) => format!(" (it keeps {kept})"),
        None => String::new(),
    };
    let times = if failed.attempts == 1 { "once".to_owned() } else { format!("{} times", failed.attempts) };
    let (account, role) = (view.account_name(), &failed.role_arn);
    let message = Message::new(format!("{account} is not annotated with {role}{kept} and nothing is restarted"))
        .because(&failed.message)
        .action(format!("Asked {times}, again at {}; a change of the spec asks at once.", failed.next_at.0));
    let summarise = if needs_person(failed) { stalled } else { reconciling::<Message> };
    Some(view.unless_suspended(summarise(preflight::reason_of(failed), message)))
}

/// The operator asks AWS before it annotates the service account.
pub(super) fn pending(view: &View) -> Option<Summary> {
    let preflight = &view.case.preflight;
    preflight.due().filter(|_| preflight.holds_back())?;
    let message =
        format!("asking AWS whether {} can assume {}", view.account_name(), view.case.expected.identity.role_arn);
    Some(view.unless_suspended(reconciling(Reason::PreflightPending, message)))
}

fn needs_person(failed: &PreflightFailure) -> bool {
    match preflight::reason_of(failed) {
        Reason::PreflightUnavailable => false,
        Reason::StsRegionDisabled => true,
        // The API server issues no token.
        Reason::TokenRefused if failed.result == PreflightResult::Unavailable => true,
        _ => failed.attempts >= REFUSALS_BEFORE_STALLED,
    }
}

/// Adds the failure to the summary if everything is as declared, but AWS refused or could not be
/// asked.
pub(super) fn told_beside(case: &Case, summary: Summary) -> Summary {
    // A recheck that got no answer does not invalidate the recorded pass.
    let preflight = &case.preflight;
    match preflight.failed.as_ref().filter(|_| summary.progress == Progress::Done && preflight.passed.is_none()) {
        Some(failed) => {
            let message = Message::new(format!("{}. But: {}", summary.message, failed.message));
            Summary { message, ..summary }
        }
        None => summary,
    }
}

/// Status, reason and message of the condition `RoleAssumable`; `None` if the policy is `Never`.
pub(in crate::status) fn assumable(case: &Case) -> Option<(&'static str, Reason, String)> {
    let preflight = &case.preflight;
    if preflight.policy == PreflightPolicy::Never {
        return None;
    }
    let role = &case.expected.identity.role_arn;
    if let Some(passed) = &preflight.passed {
        let mut message = format!("AWS let the service account assume {role} when it was asked at {}", passed.at.0);
        if let Some(failed) = &preflight.failed {
            message = format!("{message}. Asked again at {}: {}", failed.at.0, failed.message);
        }
        return Some(("True", Reason::RoleAssumable, message));
    }
    if let Some(failed) = &preflight.failed {
        let status = match failed.result {
            PreflightResult::Refused => "False",
            PreflightResult::Unavailable => "Unknown",
        };
        return Some((status, preflight::reason_of(failed), failed.message.clone()));
    }
    if case.is_in_force() {
        let message = format!(
            "{role} was on the service account already, so AWS was not asked; kubectl podidentity probe asks it"
        );
        return Some(("Unknown", Reason::NotAsked, message));
    }
    Some(("Unknown", Reason::PreflightPending, format!("AWS has not been asked yet about {role}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(result: &str, reason: &str, attempts: i32) -> PreflightFailure {
        let time = "2026-01-01T00:00:00Z";
        let failed = json!({"roleArn": "", "audience": "", "generation": 1, "result": result, "reason": reason,
            "message": "", "attempts": attempts, "at": time, "nextAt": time});
        serde_json::from_value(failed).unwrap()
    }

    #[test]
    fn a_refusal_is_asked_again_before_a_person_is_needed() {
        let last = REFUSALS_BEFORE_STALLED;
        for (result, reason, attempts, needed) in [
            ("Refused", "RoleNotAssumable", last - 1, false),
            ("Refused", "RoleNotAssumable", last, true),
            ("Refused", "TokenRefused", last - 1, false),
            ("Refused", "TokenRefused", last, true),
            // Nothing that AWS does later changes these two.
            ("Unavailable", "TokenRefused", 1, true),
            ("Unavailable", "StsRegionDisabled", 1, true),
            // AWS answers again some day.
            ("Unavailable", "PreflightUnavailable", last, false),
        ] {
            assert_eq!(needs_person(&failed(result, reason, attempts)), needed, "{result} {reason} {attempts}");
        }
    }
}
