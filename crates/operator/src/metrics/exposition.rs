//! The metrics that `/metrics` shows: counters, and values that are read at each scrape.

use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::index::{ConditionKey, IdentityKey, Index, StatusTotals};
use podidentity_cluster::queue::load::{Load, Reading};
use prometheus_client::metrics::info::Info;
use tokio::sync::watch;

use super::catalogue::{Catalogue, Samples};
use super::per_binding::PerBinding;
use super::{Metrics, process};
use crate::args::MetricsPerBinding;

/// What each scrape reads.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) index: Index,
    pub(crate) load: Load<IdentityKey>,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) per_binding: MetricsPerBinding,
}

/// All metrics of the process.
pub(crate) struct Exposition {
    catalogue: Catalogue,
    per_binding: PerBinding,
}

impl Exposition {
    pub(crate) fn new(metrics: &Metrics, sources: &Sources) -> Self {
        let mut catalogue = Catalogue::default();
        let it = &mut catalogue;
        state(it, &sources.index);
        let per_binding = PerBinding::new(&sources.index, sources.per_binding);
        per_binding.register(it);
        work(it, metrics, &sources.load);
        rollouts(it, metrics);
        preflights(it, metrics);
        api_server(it, metrics, &sources.heartbeats);
        this_process(it, &sources.leads);
        Self { catalogue, per_binding }
    }

    #[cfg(test)]
    pub(crate) fn rows(&self) -> &[super::catalogue::Row] {
        self.catalogue.rows()
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        self.per_binding.refresh();
        self.catalogue.encode()
    }
}

/// Metrics of bindings and findings. They come from the statuses, so every replica shows the same
/// values.
fn state(catalogue: &mut Catalogue, index: &Index) {
    let mut gauge = |name, labels, help, read: fn(StatusTotals) -> Samples| {
        let index = index.clone();
        catalogue.read_gauge(name, labels, help, move || read(index.status_totals()));
    };
    gauge(
        "podidentity_bindings",
        &["condition", "status", "reason"],
        "Bindings by condition; one without status yet counts as `Ready`, `Unknown`. Every replica shows the same: \
         take the maximum, not the sum, over replicas",
        |totals| {
            let sample =
                |(key, count): (ConditionKey, i64)| (vec![key.condition, key.status, key.reason], float(count));
            totals.bindings.into_iter().map(sample).collect()
        },
    );
    gauge(
        "podidentity_findings",
        &["severity", "reason"],
        "Findings in the statuses of bindings, of which each lists its 20 worst",
        |totals| {
            let findings = totals.findings.into_iter();
            findings.map(|((severity, reason), count)| (vec![format!("{severity:?}"), reason], float(count))).collect()
        },
    );
    gauge(
        "podidentity_pods",
        &["verified"],
        "Live pods of bound service accounts, by whether they are proven to have the role",
        |totals| by_truth(totals.pods_verified, totals.pods),
    );
    gauge(
        "podidentity_pods_held",
        &[],
        "Live pods without the role whose restart waits for a window, its turn, a release or a suspended binding",
        |totals| vec![(Vec::new(), float(totals.pods_held))],
    );
    gauge(
        "podidentity_workloads",
        &["current"],
        "Workloads of bound service accounts, by whether they need no restart and are in none",
        |totals| by_truth(totals.workloads_current, totals.workloads),
    );
}

fn work(catalogue: &mut Catalogue, metrics: &Metrics, load: &Load<IdentityKey>) {
    let Metrics { reconciles, failures, reconcile_seconds, statuses_refused, .. } = metrics.clone();
    catalogue.counter(
        "podidentity_reconciles",
        &[],
        "Reconciles of identities (a namespace and a service account)",
        reconciles,
    );
    catalogue.counter(
        "podidentity_reconcile_problems",
        &["kind"],
        "Reconciles that met a problem and are repeated: `Stale` (the object had changed, harmless), `Failed` (the API \
         server did not answer or was overloaded), `Refused` (permissions, admission), `Conflict` (another field \
         manager owns the annotation)",
        failures,
    );
    catalogue.counter(
        "podidentity_statuses_refused",
        &[],
        "Statuses that the API server refuses, counted at each try: what these bindings say cannot be relied on; the log \
         names them",
        statuses_refused,
    );
    catalogue.histogram(
        "podidentity_reconcile_duration_seconds",
        &[],
        "How long a reconcile took, with its writes",
        reconcile_seconds,
    );
    let mut gauge = |name, help, read: fn(Reading) -> f64| {
        let load = load.clone();
        catalogue.read_gauge(name, &[], help, move || vec![(Vec::new(), read(load.read()))]);
    };
    gauge(
        "podidentity_queue_depth",
        "Identities that are due and wait for their turn; on a replica that does not lead, all that it would look at if it did",
        |load| count(load.waiting),
    );
    gauge("podidentity_queue_longest_wait_seconds", "How long the first of them has waited", |load| {
        load.longest_wait.as_secs_f64()
    });
    gauge("podidentity_reconciles_in_flight", "Identities that are worked on", |load| count(load.running));
}

fn rollouts(catalogue: &mut Catalogue, metrics: &Metrics) {
    let metrics = metrics.clone();
    catalogue.counter(
        "podidentity_rollouts_started",
        &[],
        "Restarts of workloads that were begun",
        metrics.rollouts_started,
    );
    catalogue.counter(
        "podidentity_rollouts_completed",
        &[],
        "Restarts after which the workload was complete and its pods verified",
        metrics.rollouts_completed,
    );
    catalogue.counter(
        "podidentity_rollouts_failed",
        &[],
        "Restarts that did not finish in time, or after which pods do not have the role",
        metrics.rollouts_failed,
    );
    catalogue.gauge(
        "podidentity_rollouts_in_flight",
        &[],
        "Workloads that are in a restart of ours",
        metrics.rollouts_in_flight,
    );
    catalogue.counter(
        "podidentity_drift_repairs",
        &["kind"],
        "What others had undone and was done again: `Annotation` of a service account, `Rollout` of a workload",
        metrics.repairs,
    );
}

fn preflights(catalogue: &mut Catalogue, metrics: &Metrics) {
    let Metrics { preflights, preflight_seconds, .. } = metrics.clone();
    catalogue.counter(
        "podidentity_preflights",
        &["result"],
        "Questions to AWS whether a role can be assumed: `Passed`, `Refused`, `Unavailable` (no token, no answer, or none \
         that says anything about the role)",
        preflights,
    );
    catalogue.histogram(
        "podidentity_preflight_duration_seconds",
        &[],
        "How long a question to AWS took, with the token",
        preflight_seconds,
    );
}

fn api_server(catalogue: &mut Catalogue, metrics: &Metrics, heartbeats: &Heartbeats) {
    let metrics = metrics.clone();
    catalogue.counter(
        "podidentity_api_requests",
        &["verb", "resource", "code"],
        "Requests to the API server by answer; `none` if there was none",
        metrics.requests,
    );
    catalogue.histogram(
        "podidentity_api_request_duration_seconds",
        &["verb"],
        "How long the API server took to answer; for a watch, to open it",
        metrics.request_seconds,
    );
    catalogue.counter(
        "podidentity_watch_failures",
        &["kind"],
        "Watches that broke and were tried again",
        metrics.watch_failures,
    );
    catalogue.counter(
        "podidentity_watch_lists",
        &["kind"],
        "Full lists: one at the start, and one each time that a watch could not be resumed",
        metrics.watch_lists,
    );
    let heartbeats = heartbeats.clone();
    catalogue.read_gauge(
        "podidentity_watch_silence_seconds",
        &["kind"],
        "How long a watch has given no sign of life; about 60 where nothing happens",
        move || {
            let mut by_kind: Samples = Vec::new();
            // The longest silence comes first. It counts where a kind has several watches.
            for (kind, silence) in heartbeats.silent() {
                if !by_kind.iter().any(|(labels, _)| labels[0] == kind) {
                    by_kind.push((vec![kind.to_owned()], silence.as_secs_f64()));
                }
            }
            by_kind
        },
    );
    catalogue.gauge(
        "podidentity_undecodable_objects",
        &["kind"],
        "Objects that cannot be decoded and are left out; the log names them",
        metrics.undecodable,
    );
}

fn this_process(catalogue: &mut Catalogue, leads: &watch::Receiver<bool>) {
    let leads = leads.clone();
    catalogue.read_gauge("podidentity_leader", &[], "1 on the replica that leads, 0 on the others", move || {
        vec![(Vec::new(), f64::from(u8::from(*leads.borrow())))]
    });
    catalogue.info(
        "podidentity_build",
        &["version"],
        "The operator's version",
        Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
    );
    process::register(catalogue);
}

fn by_truth(yes: i64, all: i64) -> Samples {
    vec![(vec!["true".to_owned()], float(yes)), (vec!["false".to_owned()], float(all - yes))]
}

#[allow(clippy::cast_precision_loss)] // counts of objects: far below 2^52
fn float(count: i64) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss)] // as above
fn count(count: usize) -> f64 {
    count as f64
}
