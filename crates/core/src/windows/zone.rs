//! Time zones. Their rules are compiled in, so they do not depend on files of the machine.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::likeness;

/// The time zone of this name, in the spelling of the IANA database.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

/// Every name of a time zone is shorter.
const LONG: usize = 40;

/// Names of time zones that resemble this one.
pub(super) fn alike(name: &str) -> Vec<String> {
    if name.len() > LONG {
        return Vec::new();
    }
    let database = TimeZoneDatabase::bundled();
    let all: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let same = known.iter().copied().find(|known| known.eq_ignore_ascii_case(name));
    // Any short name is only two letters away from a short text.
    let closest = || likeness::closest(name, &known).filter(|_| name.len() > 3);
    let alike = match same.or_else(closest) {
        Some(meant) => vec![meant],
        None => likeness::alike(name, known.iter().copied()),
    };
    alike.into_iter().map(str::to_owned).collect()
}

/// When the clock shows this time. If the clock skips it: when the clock is set forward. If the
/// clock shows it twice: the first time.
pub(super) fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            Some(zone.following(before).next()?.timestamp())
        }
    }
}
