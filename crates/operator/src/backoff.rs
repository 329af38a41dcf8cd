//! The wait after consecutive failures.

use std::time::Duration;

use podidentity_core::outcome::ProblemKind;

/// The number of consecutive failures from which the status mentions a failed write: most failures
/// are temporary.
const WORTH_REPORTING: u32 = 3;

/// The consecutive failures of one identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns how long to wait before the next attempt.
    pub(crate) fn failed(&mut self, kind: ProblemKind) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let (first, most) = match kind {
            ProblemKind::Stale => (200, 10_000),
            ProblemKind::Failed => (500, 60_000),
            ProblemKind::Refused | ProblemKind::Conflict | ProblemKind::Rewritten => (5_000, 300_000),
        };
        let doublings = (self.failures - 1).min(16);
        Duration::from_millis((first << doublings).min(most))
    }

    /// Resets the count.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether the status mentions a failed write.
    pub(crate) fn is_worth_reporting(self) -> bool {
        self.failures >= WORTH_REPORTING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits after this number of consecutive failures, in milliseconds.
    fn waits(kind: ProblemKind, failures: usize) -> Vec<u128> {
        let mut backoff = Backoff::default();
        (0..failures).map(|_| backoff.failed(kind).as_millis()).collect()
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_a_limit() {
        assert_eq!(waits(ProblemKind::Stale, 8), [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(waits(ProblemKind::Failed, 4), [500, 1_000, 2_000, 4_000]);
        assert_eq!(waits(ProblemKind::Refused, 8)[5..], [160_000, 300_000, 300_000]);
        assert_eq!(waits(ProblemKind::Failed, 100).last(), Some(&60_000));
    }

    #[test]
    fn a_success_begins_anew_and_the_third_failure_is_worth_reporting() {
        let mut backoff = Backoff::default();
        for reported in [false, false, true, true] {
            backoff.failed(ProblemKind::Failed);
            assert_eq!(backoff.is_worth_reporting(), reported);
        }
        backoff.succeeded();
        assert!(!backoff.is_worth_reporting());
        assert_eq!(backoff.failed(ProblemKind::Failed), Duration::from_millis(500));
    }
}
