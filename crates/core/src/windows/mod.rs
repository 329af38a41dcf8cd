//! When restarts may begin: the windows of a binding, and the time between two restarts.
//!
//! ```text
//! spec.rollout.windows ──► Window (parsed) ──► its times around now ──► Gate: open until, or closed until ──► Pace
//! spec.rollout.interval ──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A window begins and ends by the clock of its time zone. If the clock skips an hour, a window
//! that begins in that hour begins after it, and a window that lies within that hour does not open
//! on that day. If the clock shows a time twice, the first one counts.

mod fault;
mod zone;

use std::fmt;

use jiff::civil::{self, Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use podidentity_api::{InvalidSpec, RestartWindow, Rollout, Weekday};

use fault::Fault;

/// A window that began this many days ago may still be open.
const DAYS_BACK: i32 = 2;
/// How many days to look ahead. If the clock skips a weekly window once, it opens a week later,
/// which is within this time.
const DAYS_AHEAD: i32 = 16;

/// Maximum number of windows of a binding.
const MOST: usize = 16;

/// The longest window, and the longest interval.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// The shortest window.
const SHORTEST_WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// The shortest interval.
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Limits on restarts that do not depend on the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Whether the windows let restarts begin.
    pub gate: Gate,
    /// The minimum time between the restarts of two workloads.
    pub interval: Option<SignedDuration>,
}

impl Pace {
    /// The pace of a binding at this time. Windows and intervals that cannot be parsed hold nothing
    /// back: the operator does not act on an invalid spec anyway.
    pub fn of(rollout: &Rollout, now: Timestamp) -> Self {
        let declared: &[RestartWindow] = if rollout.windows.len() > MOST { &[] } else { &rollout.windows };
        let windows: Result<Vec<Window>, Fault> = declared.iter().map(Window::parse).collect();
        Self {
            gate: windows.map_or(Gate::Always, |windows| gate(&windows, now)),
            interval: rollout.interval.as_deref().and_then(|text| duration(text, SHORTEST_INTERVAL)),
        }
    }
}

/// Whether restarts may begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// At any time.
    #[default]
    Always,
    /// A window is open.
    Open {
        /// When it closes.
        until: Timestamp,
    },
    /// No window is open.
    Closed(Opening),
}

impl Gate {
    /// When the next window opens, if none is open.
    pub fn opening(&self) -> Option<&Opening> {
        match self {
            Self::Closed(opening) => Some(opening),
            Self::Always | Self::Open { .. } => None,
        }
    }

    /// When the open window closes.
    pub fn closes_at(&self) -> Option<Timestamp> {
        match self {
            Self::Open { until } => Some(*until),
            Self::Always | Self::Closed(_) => None,
        }
    }
}

/// When a window opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The time.
    pub at: Timestamp,
    /// The same time in the window's time zone.
    local: civil::DateTime,
    /// Name of the time zone.
    zone: String,
}

impl fmt::Display for Opening {
    /// For example `Saturday 2026-12-05 at 22:00 Europe/Berlin (2026-12-05T21:00:00Z)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.local.strftime("%A %Y-%m-%d at %H:%M"), self.zone, self.at)
    }
}

/// The first field of windows and interval that cannot be parsed, and why.
pub fn invalid(rollout: &Rollout) -> Option<InvalidSpec> {
    let count = rollout.windows.len();
    if count > MOST {
        let problem = format!("has {count} windows, must have at most {MOST}");
        return Some(InvalidSpec { field: "rollout.windows".to_owned(), problem });
    }
    let faults = rollout.windows.iter().enumerate().filter_map(|(index, window)| {
        let fault = Window::parse(window).err()?;
        let field = format!("rollout.windows[{index}].{}", fault.field());
        Some(InvalidSpec { field, problem: fault.problem(window) })
    });
    let interval = rollout.interval.as_deref().filter(|text| duration(text, SHORTEST_INTERVAL).is_none());
    let interval =
        interval.map(|text| InvalidSpec { field: "rollout.interval".to_owned(), problem: fault::interval(text) });
    faults.chain(interval).next()
}

/// A parsed window.
#[derive(Clone, Debug)]
struct Window {
    days: Vec<Weekday>,
    start: Time,
    length: SignedDuration,
    zone: TimeZone,
    zone_name: String,
}

impl Window {
    fn parse(window: &RestartWindow) -> Result<Self, Fault> {
        Ok(Self {
            days: window.days.clone(),
            start: time_of_day(&window.start).ok_or(Fault::Start)?,
            length: duration(&window.length, SHORTEST_WINDOW).ok_or(Fault::Length)?,
            zone: zone::named(&window.time_zone).ok_or(Fault::TimeZone)?,
            zone_name: window.time_zone.clone(),
        })
    }

    /// The times around now at which the window opens and closes, in order.
    fn times(&self, now: Timestamp) -> impl Iterator<Item = (Opening, Timestamp)> {
        let today = now.to_zoned(self.zone.clone()).date();
        let days = (-DAYS_BACK..=DAYS_AHEAD).filter_map(move |days| today.checked_add(days.days()).ok());
        days.filter(|day| self.begins_on(*day)).filter_map(|day| self.on(day))
    }

    fn begins_on(&self, day: Date) -> bool {
        self.days.is_empty() || self.days.contains(&weekday(day.weekday()))
    }

    /// When the window that begins on this day opens and closes; `None` if the clock skips all of
    /// it.
    fn on(&self, day: Date) -> Option<(Opening, Timestamp)> {
        let start = day.to_datetime(self.start);
        let end = start.checked_add(Span::try_from(self.length).ok()?).ok()?;
        let (at, end) = (zone::instant(&self.zone, start)?, zone::instant(&self.zone, end)?);
        let opening = || Opening { at, local: self.zone.to_datetime(at), zone: self.zone_name.clone() };
        (at < end).then(|| (opening(), end))
    }
}

/// The gate at this time. Windows that follow each other without a gap count as one.
fn gate(windows: &[Window], now: Timestamp) -> Gate {
    let mut times: Vec<(Opening, Timestamp)> = windows.iter().flat_map(|window| window.times(now)).collect();
    times.sort_by_key(|(opening, end)| (opening.at, *end));
    let mut open: Option<Timestamp> = None;
    for (opening, end) in times {
        match open {
            Some(until) if opening.at <= until => open = Some(until.max(end)),
            Some(_) => break,
            None if end <= now => {}
            None if opening.at <= now => open = Some(end),
            None => return Gate::Closed(opening),
        }
    }
    // There are no windows, or no time is left that can be represented.
    open.map_or(Gate::Always, |until| Gate::Open { until })
}

fn weekday(day: civil::Weekday) -> Weekday {
    match day {
        civil::Weekday::Monday => Weekday::Mon,
        civil::Weekday::Tuesday => Weekday::Tue,
        civil::Weekday::Wednesday => Weekday::Wed,
        civil::Weekday::Thursday => Weekday::Thu,
        civil::Weekday::Friday => Weekday::Fri,
        civil::Weekday::Saturday => Weekday::Sat,
        civil::Weekday::Sunday => Weekday::Sun,
    }
}

/// Parses a time such as `22:00`, with two digits each.
fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// A duration such as `1h30m`, of at least `shortest`. The custom resource's validation accepts the same.
fn duration(text: &str, shortest: SignedDuration) -> Option<SignedDuration> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"hms".contains(&byte));
    let duration: SignedDuration = if plain { text.parse().ok()? } else { return None };
    (shortest..=LONGEST).contains(&duration).then_some(duration)
}

#[cfg(test)]
mod tests;
