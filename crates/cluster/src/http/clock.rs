//! The time of the API server.
//!
//! Every time that is judged (when an annotation was written, when a pod was created) is on an object, by the clock of
//! the API server. Compared with the clock of the operator's own machine, an hour's difference would make each restart
//! fail its deadline, or wait an hour to settle. So the time is what the API server's answers say (their header
//! `Date`), carried on by a clock that nobody can set.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use jiff::Timestamp;

/// A difference up to this is a matter of whole seconds and of slow answers.
const TOLERATED: Duration = Duration::from_secs(2);

static CLOCK: Mutex<Clock> = Mutex::new(Clock { last: None });

/// The time of the API server; before its first answer, that of this machine.
pub fn now() -> Timestamp {
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner).now(Instant::now(), Timestamp::now())
}

/// Notes what time an answer says it is.
pub(crate) fn hear(headers: &HeaderMap) {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
    if let Some(time) = time {
        CLOCK.lock().unwrap_or_else(PoisonError::into_inner).hear(Instant::now(), time);
    }
}

/// What was heard last, and when.
struct Clock {
    last: Option<(Instant, Timestamp)>,
}

impl Clock {
    fn now(&self, at: Instant, own: Timestamp) -> Timestamp {
        self.last.map_or(own, |(heard, time)| time + at.saturating_duration_since(heard))
    }

    fn hear(&mut self, at: Instant, time: Timestamp) {
        let ours = self.last.map(|(heard, last)| last + at.saturating_duration_since(heard));
        let is_right = |ours: Timestamp| ours.duration_since(time).unsigned_abs() <= TOLERATED;
        if !ours.is_some_and(is_right) {
            self.last = Some((at, time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_clock_of_the_machine_may_be_wrong_and_jump() {
        let (start, server) = (Instant::now(), time("2026-01-01T12:00:00Z"));
        let mut clock = Clock { last: None };
        let own = time("2026-01-01T13:00:00Z");
        assert_eq!(clock.now(start, own), own, "before the first answer");
        clock.hear(start, server);
        let later = start + Duration::from_secs(30);
        for own in [own, time("2020-01-01T00:00:00Z")] {
            assert_eq!(clock.now(later, own), time("2026-01-01T12:00:30Z"));
        }
    }

    #[test]
    fn answers_that_differ_by_a_second_do_not_move_the_time() {
        let (start, server) = (Instant::now(), time("2026-01-01T12:00:00Z"));
        let mut clock = Clock { last: None };
        clock.hear(start, server);
        clock.hear(start + Duration::from_millis(1900), time("2026-01-01T12:00:01Z"));
        clock.hear(start + Duration::from_millis(2900), time("2026-01-01T12:00:01Z"));
        assert_eq!(clock.now(start + Duration::from_secs(4), server), time("2026-01-01T12:00:04Z"));
    }

    #[test]
    fn a_server_whose_clock_is_set_is_followed() {
        let (start, server) = (Instant::now(), time("2026-01-01T12:00:00Z"));
        let mut clock = Clock { last: None };
        clock.hear(start, server);
        clock.hear(start + Duration::from_secs(1), time("2026-01-01T11:00:00Z"));
        assert_eq!(clock.now(start + Duration::from_secs(1), server), time("2026-01-01T11:00:00Z"));
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, http::HeaderValue::from_static("Tue, 24 Nov 2026 08:47:18 GMT"));
        hear(&headers);
        let away = now().duration_since(time("2026-11-24T08:47:18Z"));
        assert!(away.unsigned_abs() < Duration::from_secs(60), "{away}");
    }
}
