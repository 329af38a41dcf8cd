//! What is to say about the question whether AWS lets the service account assume the role.

use podidentity_api::names::reason;
use podidentity_api::{PreflightFailure, PreflightPolicy, PreflightResult};

use super::{Progress, Story, View, reconciling, stalled};
use crate::assess::Case;
use crate::preflight;

/// What was created in AWS a moment ago takes effect within seconds: so many refusals in a row are none of those.
const REFUSALS_BEFORE_STALLED: i32 = 3;

/// The answer forbids to annotate.
pub(super) fn forbidden(view: &View) -> Option<Story> {
    let preflight = &view.case.preflight;
    let failed = preflight.failed.as_ref().filter(|_| preflight.forbids())?;
    let kept = match &view.case.account.role_in_force {
        Some(kept) => format!(" (it keeps {kept})"),
        None => String::new(),
    };
    let times = if failed.attempts == 1 { "once".to_owned() } else { format!("{} times", failed.attempts) };
    let message = format!(
        "{} is not annotated with {}{kept} and nothing is restarted: {} Asked {times}, again at {}; a change of the spec \
         asks at once.",
        view.account_name(),
        failed.role_arn,
        failed.message,
        failed.next_at.0
    );
    let story = if needs_person(failed) { stalled } else { reconciling };
    Some(view.unless_suspended(story(preflight::reason_of(failed), message)))
}

/// AWS is asked before the service account is annotated.
pub(super) fn pending(view: &View) -> Option<Story> {
    let preflight = &view.case.preflight;
    preflight.due().filter(|_| preflight.holds_back())?;
    let message = format!("asking AWS whether {} can assume {}", view.account_name(), view.case.wanted.role_arn);
    Some(view.unless_suspended(reconciling(reason::PREFLIGHT_PENDING, message)))
}

fn needs_person(failed: &PreflightFailure) -> bool {
    match failed.reason.as_str() {
        reason::PREFLIGHT_UNAVAILABLE => false,
        reason::STS_REGION_DISABLED => true,
        // Where the API server makes no token.
        reason::TOKEN_REFUSED if failed.result == PreflightResult::Unavailable => true,
        _ => failed.attempts >= REFUSALS_BEFORE_STALLED,
    }
}

/// All is as declared, but the answer was no, or there was none.
pub(super) fn told_beside(case: &Case, story: Story) -> Story {
    match case.preflight.failed.as_ref().filter(|_| story.progress == Progress::Done) {
        Some(failed) => Story { message: format!("{}. But: {}", story.message, failed.message), ..story },
        None => story,
    }
}

/// Status, reason and message of the condition `RoleAssumable`; `None` where AWS is not to be asked.
pub(in crate::status) fn assumable(case: &Case) -> Option<(&'static str, &'static str, String)> {
    let preflight = &case.preflight;
    if preflight.policy == PreflightPolicy::Never {
        return None;
    }
    let role = &case.wanted.role_arn;
    if let Some(passed) = &preflight.passed {
        let message = format!("AWS let the service account assume {role} when it was asked at {}", passed.at.0);
        return Some(("True", reason::ROLE_ASSUMABLE, message));
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
        return Some(("Unknown", reason::NOT_ASKED, message));
    }
    Some(("Unknown", reason::PREFLIGHT_PENDING, format!("AWS has not been asked yet about {role}")))
}
