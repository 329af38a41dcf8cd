//! Metrics of single bindings, with their namespace and name, for the owners of the bindings.
//!
//! Each scrape computes them from the index, which stores nothing for them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use podidentity_api::{PodIdentityBinding, names};
use podidentity_cluster::index::{IdentityKey, Index};
use tracing::warn;

use super::catalogue::{Catalogue, Samples};
use crate::args::MetricsPerBinding;

/// The most bindings for which `auto` shows metrics. A scrape of so many takes 16 ms of CPU and has
/// 660 KiB (`bench run --phases scrape`), and a binding costs Prometheus four series.
pub(crate) const AUTO_LIMIT: usize = 2000;

/// The values from which the metrics of one binding are computed.
#[derive(Clone, Debug, PartialEq)]
struct Summary {
    namespace: String,
    name: String,
    is_ready: bool,
    /// The reason of the condition Ready; empty before the first status.
    reason: String,
    since: Option<Timestamp>,
    pods: i32,
    pods_verified: i32,
}

/// Reads all bindings once for each scrape.
#[derive(Clone)]
pub(super) struct PerBinding {
    index: Index,
    when: MetricsPerBinding,
    /// The bindings of the current scrape; `None`: their metrics are not shown.
    read: Arc<Mutex<Option<Vec<Summary>>>>,
}

impl PerBinding {
    pub(super) fn new(index: &Index, when: MetricsPerBinding) -> Self {
        Self { index: index.clone(), when, read: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Reads the bindings, if their metrics are shown. Holds the index's lock for one binding at a
    /// time.
    pub(super) fn refresh(&self) {
        let keys = match self.when {
            MetricsPerBinding::Off => None,
            MetricsPerBinding::On => Some(self.index.bound()),
            MetricsPerBinding::Auto => Some(self.index.bound()).filter(|keys| keys.len() <= AUTO_LIMIT),
        };
        let bindings = |mut keys: Vec<IdentityKey>| {
            keys.sort();
            keys.iter().flat_map(|key| self.index.bindings(key)).map(|it| Summary::of(&it)).collect()
        };
        let now: Option<Vec<Summary>> = keys.map(bindings);
        let mut read = self.lock();
        if self.when == MetricsPerBinding::Auto && read.is_some() && now.is_none() {
            warn!(
                "there are more than {AUTO_LIMIT} bindings: metrics of single bindings are not shown any more; \
                 --metrics-per-binding=on shows them all the same"
            );
        }
        *read = now;
    }

    /// Registers the metrics, which show what [`PerBinding::refresh`] has read.
    pub(super) fn register(&self, catalogue: &mut Catalogue) {
        let it = self.clone();
        let shown = move || vec![(Vec::new(), if it.lock().is_some() { 1.0 } else { 0.0 })];
        catalogue.read_gauge(
            "podidentity_binding_metrics",
            &[],
            "1 if the metrics `podidentity_binding_*` of single bindings are shown, 0 if not: see `--metrics-per-binding`",
            shown,
        );
        let mut gauge = |name, labels: &'static [&'static str], help, sample: fn(&Summary) -> Option<f64>| {
            let it = self.clone();
            catalogue.read_gauge(name, labels, help, move || it.samples(labels, sample));
        };
        gauge(
            "podidentity_binding_ready",
            &["namespace", "name", "reason"],
            "1 if the binding is Ready, 0 if not; the reason is that of the condition, and empty before the first status",
            |it| Some(if it.is_ready { 1.0 } else { 0.0 }),
        );
        gauge(
            "podidentity_binding_ready_last_transition_seconds",
            &["namespace", "name"],
            "When the binding became Ready, or ceased to be, as Unix time",
            |it| it.since.map(seconds),
        );
        gauge("podidentity_binding_pods", &["namespace", "name"], "Live pods of the binding's service account", |it| {
            Some(f64::from(it.pods))
        });
        gauge(
            "podidentity_binding_pods_verified",
            &["namespace", "name"],
            "Those of them that are proven to have the role",
            |it| Some(f64::from(it.pods_verified)),
        );
    }

    fn samples(&self, labels: &[&str], sample: fn(&Summary) -> Option<f64>) -> Samples {
        let one = |it: &Summary| {
            let mut values = vec![it.namespace.clone(), it.name.clone()];
            values.extend(labels.contains(&"reason").then(|| it.reason.clone()));
            Some((values, sample(it)?))
        };
        self.lock().iter().flatten().filter_map(one).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Summary>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Summary {
    fn of(binding: &PodIdentityBinding) -> Self {
        let status = binding.status.as_ref();
        let conditions = status.into_iter().flat_map(|status| &status.conditions);
        let ready = conditions.into_iter().find(|condition| condition.type_ == names::condition::READY);
        Self {
            namespace: binding.metadata.namespace.clone().unwrap_or_default(),
            name: binding.metadata.name.clone().unwrap_or_default(),
            is_ready: ready.is_some_and(|ready| ready.status == "True"),
            reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            since: ready.map(|ready| ready.last_transition_time.0),
            pods: status.map_or(0, |status| status.pods_total),
            pods_verified: status.map_or(0, |status| status.pods_verified),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have 31 bits")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}
