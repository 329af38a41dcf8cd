//! What the operator counts and measures. Names are stable: docs/metrics.md.

mod catalogue;
mod exposition;
mod per_binding;
mod process;
#[cfg(test)]
mod tests;

use std::time::Duration;

use podidentity_api::PreflightResult;
use podidentity_cluster::http::telemetry::{RequestKind, Telemetry};
use podidentity_core::outcome::{Outcome, ProblemKind};
use podidentity_core::preflight::Verdict;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

pub(crate) use exposition::{Exposition, Sources};

use crate::memory::RolloutEnd;

/// Upper bounds of the histograms' buckets, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

const STALE: &str = "Stale";
const CONFLICT: &str = "Conflict";
const REFUSED: &str = "Refused";
const FAILED: &str = "Failed";
const ANNOTATION: &str = "Annotation";
const ROLLOUT: &str = "Rollout";
const PASSED: &str = "Passed";
const UNAVAILABLE: &str = "Unavailable";

/// The metrics that are updated when something happens.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    reconciles: Counter,
    failures: Family<KindLabel, Counter>,
    reconcile_seconds: Histogram,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<VerbLabel, Histogram, fn() -> Histogram>,
    watch_failures: Family<KindLabel, Counter>,
    watch_lists: Family<KindLabel, Counter>,
    undecodable: Family<KindLabel, Gauge>,
    rollouts_started: Counter,
    rollouts_completed: Counter,
    rollouts_failed: Counter,
    rollouts_in_flight: Gauge,
    repairs: Family<KindLabel, Counter>,
    statuses_refused: Counter,
    preflights: Family<ResultLabel, Counter>,
    preflight_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabel {
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: String,
    code: String,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            reconciles: Counter::default(),
            failures: Family::default(),
            reconcile_seconds: Histogram::new(SECONDS),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            watch_failures: Family::default(),
            watch_lists: Family::default(),
            undecodable: Family::default(),
            rollouts_started: Counter::default(),
            rollouts_completed: Counter::default(),
            rollouts_failed: Counter::default(),
            rollouts_in_flight: Gauge::default(),
            repairs: Family::default(),
            statuses_refused: Counter::default(),
            preflights: Family::default(),
            preflight_seconds: Histogram::new(SECONDS),
        };
        // Prometheus misses the first increase of a series that begins with its first event, so
        // these series begin at zero.
        for kind in [STALE, CONFLICT, REFUSED, FAILED] {
            drop(metrics.failures.get_or_create(&KindLabel { kind }));
        }
        for kind in [ANNOTATION, ROLLOUT] {
            drop(metrics.repairs.get_or_create(&KindLabel { kind }));
        }
        for result in [PASSED, REFUSED, UNAVAILABLE] {
            drop(metrics.preflights.get_or_create(&ResultLabel { result }));
        }
        metrics
    }

    /// Records that a reconcile has ended.
    pub(crate) fn reconciled(&self, took: Duration) {
        self.reconciles.inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Records a reconcile that met a problem and will be repeated.
    pub(crate) fn failed(&self, kind: ProblemKind) {
        let kind = match kind {
            ProblemKind::Stale => STALE,
            ProblemKind::Conflict | ProblemKind::Rewritten => CONFLICT,
            ProblemKind::Refused => REFUSED,
            ProblemKind::Failed => FAILED,
        };
        self.failures.get_or_create(&KindLabel { kind }).inc();
    }

    /// Records the restarts, and the repairs of what others had undone.
    pub(crate) fn acted(&self, outcome: &Outcome) {
        self.rollouts_started.inc_by(outcome.restarted().len() as u64);
        if outcome.restored.is_some() {
            self.repairs.get_or_create(&KindLabel { kind: ANNOTATION }).inc();
        }
        if outcome.restarted_again {
            self.repairs.get_or_create(&KindLabel { kind: ROLLOUT }).inc();
        }
    }

    /// Records a question to AWS.
    pub(crate) fn asked(&self, verdict: &Verdict, took: Duration) {
        let result = match verdict {
            Verdict::Passed => PASSED,
            Verdict::Failed { result: PreflightResult::Refused, .. } => REFUSED,
            Verdict::Failed { result: PreflightResult::Unavailable, .. } => UNAVAILABLE,
        };
        self.preflights.get_or_create(&ResultLabel { result }).inc();
        self.preflight_seconds.observe(took.as_secs_f64());
    }

    /// Records how many statuses the API server refused.
    pub(crate) fn statuses_refused(&self, count: usize) {
        self.statuses_refused.inc_by(count as u64);
    }

    /// Records restarts that have ended.
    pub(crate) fn rollouts_ended(&self, ends: &[RolloutEnd]) {
        for end in ends {
            match end {
                RolloutEnd::Completed => self.rollouts_completed.inc(),
                RolloutEnd::Failed => self.rollouts_failed.inc(),
            };
        }
    }

    /// Sets how many workloads are in a restart by the operator.
    pub(crate) fn rollouts_in_flight(&self, count: usize) {
        self.rollouts_in_flight.set(as_i64(count));
    }
}

impl Telemetry for Metrics {
    fn request(&self, request: &RequestKind, code: Option<u16>, took: Duration) {
        let RequestKind { verb, resource } = request;
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&RequestLabels { verb, resource: resource.clone(), code }).inc();
        self.request_seconds.get_or_create(&VerbLabel { verb }).observe(took.as_secs_f64());
    }

    fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&KindLabel { kind }).inc();
    }

    fn listed(&self, kind: &'static str) {
        self.watch_lists.get_or_create(&KindLabel { kind }).inc();
        drop(self.watch_failures.get_or_create(&KindLabel { kind }));
    }

    fn undecodable(&self, kind: &'static str, objects: usize) {
        self.undecodable.get_or_create(&KindLabel { kind }).set(as_i64(objects));
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
