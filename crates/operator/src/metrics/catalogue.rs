//! Metrics with their documentation. docs/metrics.md lists exactly the registered metrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry};

/// A registry that also keeps the documentation of its metrics.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    registry: Registry,
    rows: Vec<Row>,
}

/// One row of the documentation.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code))] // read by the tests that hold docs, dashboard and alerts to it
pub(crate) struct Row {
    /// As Prometheus shows it, for example `podidentity_reconciles_total`.
    pub(crate) name: String,
    pub(crate) type_: &'static str,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

/// The values of a metric, each with the values of its labels.
pub(crate) type Samples = Vec<(Vec<String>, f64)>;

type Read = Box<dyn Fn() -> Samples + Send + Sync>;

impl Catalogue {
    /// Registers a counter. `name` omits the suffix `_total`.
    pub(crate) fn counter<M: Metric>(
        &mut self,
        name: &str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) {
        self.row(format!("{name}_total"), "counter", labels, help);
        self.registry.register(name, help, metric);
    }

    /// Registers a gauge.
    pub(crate) fn gauge<M: Metric>(
        &mut self,
        name: &str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) {
        self.row(name.to_owned(), "gauge", labels, help);
        self.registry.register(name, help, metric);
    }

    /// Registers a histogram.
    pub(crate) fn histogram<M: Metric>(
        &mut self,
        name: &str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) {
        self.row(name.to_owned(), "histogram", labels, help);
        self.registry.register(name, help, metric);
    }

    /// Registers a metric whose labels state facts and whose value is 1. `name` omits the suffix
    /// `_info`.
    pub(crate) fn info<M: Metric>(
        &mut self,
        name: &str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) {
        self.row(format!("{name}_info"), "gauge", labels, help);
        self.registry.register(name, help, metric);
    }

    /// Registers a gauge that is read at each scrape.
    pub(crate) fn read_gauge(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        read: impl Fn() -> Samples + Send + Sync + 'static,
    ) {
        self.row(name.to_owned(), "gauge", labels, help);
        self.registry.register_collector(Box::new(Scraped { name, labels, help, counts: false, read: Box::new(read) }));
    }

    /// Registers a counter that is read at each scrape. `name` omits the suffix `_total`.
    pub(crate) fn read_counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Samples + Send + Sync + 'static,
    ) {
        self.row(format!("{name}_total"), "counter", &[], help);
        let scraped = Scraped { name, labels: &[], help, counts: true, read: Box::new(read) };
        self.registry.register_collector(Box::new(scraped));
    }

    fn row(&mut self, name: String, type_: &'static str, labels: &'static [&'static str], help: &'static str) {
        self.rows.push(Row { name, type_, labels, help });
    }

    /// The registered metrics, in the order of registration.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

struct Scraped {
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    counts: bool,
    read: Read,
}

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scraped").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Scraped {
    fn encode_value(&self, metric: MetricEncoder, value: f64) -> fmt::Result {
        if self.counts { ConstCounter::new(value).encode(metric) } else { ConstGauge::new(value).encode(metric) }
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let type_ = if self.counts { MetricType::Counter } else { MetricType::Gauge };
        // The registry appends a full stop to help texts; so does this collector.
        let mut metric = encoder.encode_descriptor(self.name, &format!("{}.", self.help), None, type_)?;
        for (values, value) in (self.read)() {
            let labels: Vec<(&str, &str)> =
                self.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            if labels.is_empty() {
                // A metric without labels has a single value.
                return self.encode_value(metric, value);
            }
            self.encode_value(metric.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}
