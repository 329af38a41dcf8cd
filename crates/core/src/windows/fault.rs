//! Messages about an invalid window, which say what to write.

use podidentity_api::RestartWindow;

use super::zone;

/// The part of a window that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Start,
    Length,
    TimeZone,
}

impl Fault {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Length => "length",
            Self::TimeZone => "timeZone",
        }
    }

    /// What is wrong with this part of the window.
    pub(super) fn problem(self, window: &RestartWindow) -> String {
        match self {
            Self::Start => {
                format!("is {:?}, must be a time of day from 00:00 to 23:59, for example 22:00", window.start)
            }
            Self::Length => {
                let range = "at least 1m and at most 24h";
                format!("is {:?}, must be a duration of {range}, for example 4h or 1h30m", window.length)
            }
            Self::TimeZone => time_zone(&window.time_zone),
        }
    }
}

fn time_zone(name: &str) -> String {
    let meant = match &zone::alike(name)[..] {
        [] => "write a name such as Europe/Berlin or UTC".to_owned(),
        alike => format!("did you mean {}?", alike.join(" or ")),
    };
    format!("{name:?} is no time zone of the IANA database; {meant}")
}

/// What is wrong with an interval.
pub(super) fn interval(text: &str) -> String {
    format!("is {text:?}, must be a duration of at least 1s and at most 24h, for example 10m or 1h30m")
}
