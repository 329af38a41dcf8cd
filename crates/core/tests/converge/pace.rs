//! Restart windows and the interval between two restarts: the declarations, and whether the
//! operator respects them.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use podidentity_api::{PodIdentityBindingSpec, RestartWindow, Weekday, names};
use podidentity_core::assess::Assessment;
use podidentity_core::plan::{Plan, Step};
use podidentity_core::restart_mark::RestartMark;
use podidentity_core::snapshot::Snapshot;
use serde_json::json;

use crate::world::World;

/// The number of window variants.
pub const WINDOWS: usize = 6;

/// The world begins on a Friday at 08:00 UTC.
pub fn windows(which: usize) -> Vec<RestartWindow> {
    let windows = match which {
        0 => json!([]),
        1 => json!([{"start": "08:00", "length": "15m", "timeZone": "UTC"}]),
        2 => json!([{"start": "22:00", "length": "4h", "timeZone": "Europe/Berlin"}]),
        3 => json!([{"days": ["Sat", "Sun"], "start": "23:30", "length": "1h", "timeZone": "America/New_York"}]),
        4 => json!([{"start": "00:00", "length": "24h", "timeZone": "Asia/Tokyo"}]),
        _ => json!([
            {"start": "08:00", "length": "1m", "timeZone": "UTC"}, {"start": "08:02", "length": "1m", "timeZone": "UTC"},
            {"start": "09:00", "length": "1h", "timeZone": "UTC"},
        ]),
    };
    serde_json::from_value(windows).unwrap()
}

/// No restart begins outside its binding's windows, or sooner after another workload's restart than
/// the interval allows. A repetition of a restart that injection missed has already begun; a
/// rollback undoes one.
pub fn is_kept(world: &World, view: &Snapshot, assessment: &Assessment, plan: &Plan) {
    let mut begins = 0;
    for step in plan.shown() {
        let Step::Restart { workload, mark, .. } = step else { continue };
        if RestartMark::parse(mark).is_some_and(|mark| mark.attempt > 0) {
            continue;
        }
        let Some(spec) = spec_of(world, assessment, &workload.name, mark) else { continue };
        let open = spec.rollout.windows.is_empty() || spec.rollout.windows.iter().any(|it| is_open(it, view.now));
        assert!(open, "{workload} is restarted at {}, outside of {:?}", view.now, spec.rollout.windows);
        let Some(interval) = &spec.rollout.interval else { continue };
        begins += 1;
        assert!(begins == 1, "{:?} restart at once, with an interval of {interval}", plan.shown().collect::<Vec<_>>());
        let interval: SignedDuration = interval.parse().unwrap();
        let others = world.cluster.workloads.values().filter(|it| it.name != workload.name && !it.template.elsewhere);
        let last = others.filter(|_| world.sees_all()).filter_map(|it| it.marked_at).max();
        let early = last.is_some_and(|last| view.now < last + interval);
        assert!(!early, "{workload} is restarted at {}, {interval} are to be after {last:?}", view.now);
    }
}

/// The spec that applies to a restart with this mark; `None` if it undoes another restart.
fn spec_of<'a>(
    world: &World,
    assessment: &'a Assessment,
    workload: &str,
    mark: &str,
) -> Option<&'a PodIdentityBindingSpec> {
    if mark.starts_with("revoked-") {
        let has_finalizer = |it: &&podidentity_core::assess::Deletion| {
            it.binding.metadata.finalizers.iter().flatten().any(|it| it == names::FINALIZER)
        };
        return assessment.deleting.iter().find(has_finalizer).map(|deletion| &deletion.binding.spec);
    }
    let case = assessment.owner.as_ref()?;
    // In a rollback, a workload that never had the failed role undoes nothing.
    let rollback = case.rolled_back().filter(|_| world.sees_all());
    let (workload, failed) = (world.cluster.workloads.get(workload)?, rollback.map(|rollback| &rollback.from));
    let has_it = workload.live().any(|pod| pod.role() == failed.map(String::as_str));
    let undoes = has_it || workload.template.mark.is_some() || case.rolled_back().is_some() && rollback.is_none();
    (case.rolled_back().is_none() || !undoes).then_some(&case.binding.spec)
}

/// Decides by the local wall clock.
fn is_open(window: &RestartWindow, now: Timestamp) -> bool {
    let local = TimeZone::get(&window.time_zone).unwrap().to_datetime(now);
    let (hour, minute) = window.start.split_once(':').unwrap();
    let start = Time::new(hour.parse().unwrap(), minute.parse().unwrap(), 0, 0).unwrap();
    let length: SignedDuration = window.length.parse().unwrap();
    [0, 1].into_iter().any(|days_ago| {
        let day = local.date().checked_sub(days_ago.days()).unwrap();
        let begins = DateTime::from_parts(day, start);
        let on_this_day = window.days.is_empty() || window.days.contains(&NAMES[day_of(day)]);
        on_this_day && begins <= local && local < begins.checked_add(length).unwrap()
    })
}

const NAMES: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

fn day_of(day: jiff::civil::Date) -> usize {
    usize::try_from(day.weekday().to_monday_zero_offset()).unwrap()
}
