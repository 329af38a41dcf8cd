//! What went through the proxy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::request::Asked;

/// A watch that is away is back after so long; a rule that wants to skip an event waits no longer.
pub const SOON: Duration = Duration::from_secs(2);

/// What went through the proxy, in its order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Requests that can change something.
    pub writes: Vec<Write>,
    /// What watches showed.
    pub events: Vec<Event>,
    /// What a rule did.
    pub faults: Vec<Fault>,
    /// Requests by verb and resource.
    pub counts: BTreeMap<String, usize>,
    /// Requests by second since the first one.
    pub seconds: BTreeMap<u64, usize>,
    /// The most writes that were under way at the same time.
    pub most_at_once: usize,
    /// Answers of the API server, and of rules, that were errors.
    pub errors: Vec<(Instant, String)>,
}

/// A request that can change something.
#[derive(Clone, Debug)]
pub struct Write {
    /// When it arrived.
    pub at: Instant,
    /// What was asked for.
    pub asked: Asked,
    /// How manieth of its verb, resource and name it was, from 1.
    pub nth: usize,
    /// What was sent.
    pub body: Value,
    /// The API server's answer; `None` if the request did not reach it, or it did not answer.
    pub code: Option<u16>,
}

/// What a watch showed.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Plural of the kind.
    pub resource: String,
    /// Name of the object.
    pub name: String,
    /// How manieth of its resource and name it was, from 1.
    pub nth: usize,
    /// How manieth of its resource it was, from 1.
    pub among: usize,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub kind: String,
}

/// What a rule did.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When.
    pub at: Instant,
    /// What happened to what.
    pub what: String,
}

impl Journal {
    /// Whether anything of the user's or the operator's was written since.
    pub fn writes_since(&self, since: Instant) -> Vec<&Write> {
        self.writes.iter().filter(|write| write.at >= since).collect()
    }

    /// Events that others about the same object follow soon: they could go unobserved.
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
