//! The state of the proxy: how often rules have matched, the newest resource version, and the
//! journal.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::super::journal::{Event, Fault, Write};
use super::super::request::{Asked, narrowed};
use super::super::rules::{Action, Rule};
use super::{Helper, Past, Shared};
use crate::process::lock;

impl Shared {
    /// The action of the first rule that applies now. Every rule that matches counts the request.
    pub(in crate::faults) fn action(
        &self,
        is_about: impl Fn(&Rule) -> bool,
        what: &dyn std::fmt::Display,
    ) -> Option<Action> {
        let mut fired = None;
        for armed in self.rules.iter().filter(|armed| is_about(&armed.rule)) {
            let mut state = lock(&armed.state);
            state.0 += 1;
            let rule = &armed.rule;
            if fired.is_some() || !rule.counts(state.0) {
                continue;
            }
            let since = *state.1.get_or_insert_with(Instant::now);
            if rule.lasting.is_none_or(|lasting| since.elapsed() <= lasting) {
                lock(&self.journal).faults.push(Fault { at: Instant::now(), what: format!("{what}: {}", rule.action) });
                fired = Some(rule.action.clone());
            }
        }
        fired
    }

    pub(super) fn uri(&self, asked: &Asked, path: &str, query: &str) -> String {
        let mut query = query.to_owned();
        if asked.verb == "list"
            && let Some(past) = self.past()
            && !query.contains("continue=")
        {
            let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("resourceVersion"));
            let exact = [format!("resourceVersion={}", past.version), "resourceVersionMatch=Exact".to_owned()];
            query = kept.map(str::to_owned).chain(exact).collect::<Vec<_>>().join("&");
        }
        match &self.namespace {
            Some(namespace) => narrowed(asked, path, &query, namespace),
            None if query.is_empty() => path.to_owned(),
            None => format!("{path}?{query}"),
        }
    }

    pub(super) fn past(&self) -> Option<Past> {
        lock(&self.past).filter(|past| past.until > Instant::now())
    }

    /// How long watches show nothing because the operator sees a past state.
    pub(in crate::faults) fn catches_up_in(&self) -> Duration {
        self.past().map_or(Duration::ZERO, |past| past.until.saturating_duration_since(Instant::now()))
    }

    pub(in crate::faults) fn is_silent(&self, born: u64) -> bool {
        self.silence.load(Ordering::SeqCst) > born
    }

    /// Counts a request. For a write, returns the position of its entry, which receives the answer.
    pub(super) fn note(&self, asked: &Asked, body: &Bytes) -> Option<usize> {
        let nth = self.count(&asked.to_string());
        let mut journal = lock(&self.journal);
        *journal.counts.entry(format!("{} {}", asked.verb, asked.resource)).or_default() += 1;
        *journal.seconds.entry(self.began.elapsed().as_secs()).or_default() += 1;
        if !asked.is_write() {
            return None;
        }
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        journal.writes.push(Write { at: Instant::now(), asked: asked.clone(), nth, body, code: None });
        Some(journal.writes.len() - 1)
    }

    pub(super) fn note_answer(&self, asked: &Asked, write: Option<usize>, status: StatusCode) {
        let mut journal = lock(&self.journal);
        if let Some(write) = write.and_then(|at| journal.writes.get_mut(at)) {
            write.code = Some(status.as_u16());
        }
        if !status.is_success() {
            journal.errors.push((Instant::now(), format!("{asked}: {}", status.as_u16())));
        }
    }

    pub(in crate::faults) fn note_error(&self, what: String) {
        lock(&self.journal).errors.push((Instant::now(), what));
    }

    /// A rule tried to skip an event, but no other one followed, so nothing happened.
    pub(in crate::faults) fn note_skip_in_vain(&self) {
        lock(&self.journal).faults.pop();
    }

    pub(in crate::faults) fn helper(&self) -> &dyn Helper {
        &*self.helper
    }

    pub(in crate::faults) fn note_event(&self, event: Event) {
        lock(&self.journal).events.push(event);
    }

    /// The ordinal of this request among those with the same key.
    pub(in crate::faults) fn count(&self, key: &str) -> usize {
        let mut seen = lock(&self.seen);
        let count = seen.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn note_version(&self, answer: &Bytes) {
        #[derive(serde::Deserialize)]
        struct Versioned {
            metadata: VersionedMeta,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct VersionedMeta {
            resource_version: String,
        }
        if let Ok(versioned) = serde_json::from_slice::<Versioned>(answer) {
            self.is_at(&versioned.metadata.resource_version);
        }
    }

    /// Records that the API server has shown this resource version.
    pub(in crate::faults) fn is_at(&self, version: &str) {
        if let Ok(version) = version.parse() {
            self.newest.fetch_max(version, Ordering::SeqCst);
        }
    }
}
