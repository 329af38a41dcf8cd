//! Times as the Kubernetes API has them.

use jiff::Timestamp;

/// Cuts off fractions of a second. Times in the Kubernetes API have whole seconds, so a status with
/// fractions would never equal its stored form.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
