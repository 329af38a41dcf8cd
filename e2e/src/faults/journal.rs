//! A record of the traffic through the proxy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::request::Asked;

/// A watch that broke is back after this time. A rule that skips an event waits no longer.
pub const SOON: Duration = Duration::from_secs(2);

/// The traffic through the proxy, in order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Requests that can change something.
    pub writes: Vec<Write>,
    /// Events that watches delivered.
    pub events: Vec<Event>,
    /// Faults that rules caused.
    pub faults: Vec<Fault>,
    /// Requests by verb and resource.
    pub counts: BTreeMap<String, usize>,
    /// Requests by second since the first one.
    pub seconds: BTreeMap<u64, usize>,
    /// The most concurrent writes.
    pub most_at_once: usize,
    /// Errors that the API server or a rule returned.
    pub errors: Vec<(Instant, String)>,
}

/// A request that can change something.
#[derive(Clone, Debug)]
pub struct Write {
    /// When it arrived.
    pub at: Instant,
    /// The target of the request.
    pub asked: Asked,
    /// The ordinal of the write among those with its verb, resource and name, from 1.
    pub nth: usize,
    /// The body of the request.
    pub body: Value,
    /// The API server's status code; `None` if the request did not reach it or got no answer.
    pub code: Option<u16>,
}

/// An event that a watch delivered.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was delivered.
    pub at: Instant,
    /// Plural of the kind.
    pub resource: String,
    /// Name of the object.
    pub name: String,
    /// The ordinal of the event among those of its resource and name, from 1.
    pub nth: usize,
    /// The ordinal of the event among those of its resource, from 1.
    pub among: usize,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub kind: String,
}

/// A fault that a rule caused.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When it happened.
    pub at: Instant,
    /// What happened to which request.
    pub what: String,
}

impl Journal {
    /// The writes since this time.
    pub fn writes_since(&self, since: Instant) -> Vec<&Write> {
        self.writes.iter().filter(|write| write.at >= since).collect()
    }

    /// Events that are soon followed by another event about the same object, so that a watch could
    /// miss them.
    pub fn events_that_could_be_missed(&self) -> impl Iterator<Item = &Event> {
        let follows = |at: usize, event: &Event| {
            let same = |other: &&Event| other.resource == event.resource && other.name == event.name;
            let next = self.events[at + 1..].iter().find(same);
            next.is_some_and(|next| next.at.saturating_duration_since(event.at) < SOON)
        };
        self.events.iter().enumerate().filter(move |(at, event)| follows(*at, event)).map(|(_, event)| event)
    }

    /// The most requests in any second.
    pub fn busiest_second(&self) -> usize {
        self.seconds.values().copied().max().unwrap_or_default()
    }

    /// All requests so far.
    pub fn requests(&self) -> usize {
        self.counts.values().sum()
    }
}
