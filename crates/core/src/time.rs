//! Times as they are on the wire.

use jiff::Timestamp;

/// Times on the wire have whole seconds; with more, a status would never equal its stored self.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
