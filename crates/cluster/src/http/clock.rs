//! The API server's clock.
//!
//! The operator compares timestamps from objects: when an annotation was written, when a pod was
//! created. The API server's clock set all of them. The local clock may be an hour off, and then
//! each restart would miss its deadline or wait an hour to settle. The time therefore comes from
//! the `Date` header of the API server's responses, and a monotonic clock advances it between two
//! responses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use jiff::Timestamp;

/// Drift that is ignored: `Date` has whole seconds, and a response may arrive late.
const TOLERATED: Duration = Duration::from_secs(2);

/// The API server's clock. Cheap to clone; all clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Reading>>);

/// The time in the last `Date` header that set the clock, and when it arrived.
#[derive(Debug, Default)]
struct Reading {
    last: Option<(Instant, Timestamp)>,
}

impl Clock {
    /// Returns the API server's time, or the local time until the first response arrives.
    pub fn now(&self) -> Timestamp {
        self.lock().now(Instant::now(), Timestamp::now())
    }

    /// Reads the `Date` header of a response.
    pub(crate) fn observe(&self, headers: &HeaderMap) {
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        if let Some(time) = time {
            self.lock().observe(Instant::now(), time);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        // The value is replaced as a whole, so it is valid even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn now(&self, at: Instant, own: Timestamp) -> Timestamp {
        self.last.map_or(own, |(observed, time)| time + at.saturating_duration_since(observed))
    }

    fn observe(&mut self, at: Instant, time: Timestamp) {
        let ours = self.last.map(|(observed, last)| last + at.saturating_duration_since(observed));
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
        let mut clock = Reading::default();
        let own = time("2026-01-01T13:00:00Z");
        assert_eq!(clock.now(start, own), own, "before the first answer");
        clock.observe(start, server);
        let later = start + Duration::from_secs(30);
        for own in [own, time("2020-01-01T00:00:00Z")] {
            assert_eq!(clock.now(later, own), time("2026-01-01T12:00:30Z"));
        }
    }

    #[test]
    fn answers_that_differ_by_a_second_do_not_move_the_time() {
        let (start, server) = (Instant::now(), time("2026-01-01T12:00:00Z"));
        let mut clock = Reading::default();
        clock.observe(start, server);
        clock.observe(start + Duration::from_millis(1900), time("2026-01-01T12:00:01Z"));
        clock.observe(start + Duration::from_millis(2900), time("2026-01-01T12:00:01Z"));
        assert_eq!(clock.now(start + Duration::from_secs(4), server), time("2026-01-01T12:00:04Z"));
    }

    #[test]
    fn a_server_whose_clock_is_set_is_followed() {
        let (start, server) = (Instant::now(), time("2026-01-01T12:00:00Z"));
        let mut clock = Reading::default();
        clock.observe(start, server);
        clock.observe(start + Duration::from_secs(1), time("2026-01-01T11:00:00Z"));
        assert_eq!(clock.now(start + Duration::from_secs(1), server), time("2026-01-01T11:00:00Z"));
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, http::HeaderValue::from_static("Tue, 24 Nov 2026 08:47:18 GMT"));
        let clock = Clock::default();
        clock.observe(&headers);
        let away = clock.now().duration_since(time("2026-11-24T08:47:18Z"));
        assert!(away.unsigned_abs() < Duration::from_secs(60), "{away}");
    }
}
