//! What time alone may change: nothing before the moment at which the operator checks again.

use jiff::SignedDuration;
use podidentity_core::assess::Assessment;
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::plan;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::status::reports;

/// On this view, nothing is left to do or to report, and this must stay so until the operator
/// checks again. Tries one of two times, alternating by `turn`.
pub fn changes_nothing_before(view: &Snapshot, check_at: Option<jiff::Timestamp>, turn: u64) {
    let now = view.now;
    let far = [SignedDuration::from_mins(11), SignedDuration::from_hours(24 * 40)].map(|later| now + later);
    let times = match check_at {
        None => far,
        Some(at) => {
            let left = at.duration_since(now);
            [now + left / 2, at - SignedDuration::from_millis(1)]
        }
    };
    let at = if turn.is_multiple_of(2) { times[0] } else { times[1] };
    if at <= now {
        return;
    }
    let later = Snapshot { now: at, ..view.clone() };
    let assessment = Assessment::of(&later);
    let plan = plan(&later, &assessment);
    let steps: Vec<_> = plan.shown().collect();
    let told = reports(&later, &assessment, &plan, &Outcome::default());
    let news: Vec<_> = told.iter().map(|report| &report.status).collect();
    assert!(
        steps.is_empty() && news.is_empty(),
        "time alone brings about {steps:?} and {news:?} at {at}, and the next look is at {check_at:?}: {:?}",
        view.bindings
    );
}
