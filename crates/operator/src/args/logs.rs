//! What is logged and traced, and how.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::values;
use crate::traces::{CannotTrace, Traces};

/// What is logged and traced, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logs and traces")]
pub(crate) struct LogArgs {
    /// What is logged: a level, or levels of parts, for example info,podidentity_cluster=debug.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info", value_parser = filter)]
    log: String,

    /// How logs are written, to standard error.
    #[arg(long, env = "PODIDENTITY_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Where traces are sent, by OpenTelemetry's OTLP over HTTP, for example http://collector:4318. Without it, none are.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = values::url)]
    otlp_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}: must be a level (error, warn, info, debug, trace), or several with targets, for example \
             info,podidentity_cluster=debug"
        )),
    }
}

/// The client library calls every request that fails an error, also where a try follows that succeeds; whoever asked
/// logs what the failure means. So the library is silent unless it is named.
fn directives(wanted: &str) -> String {
    const CLIENT: &str = "kube_client::client::builder";
    if wanted.contains("kube_client") { wanted.to_owned() } else { format!("{wanted},{CLIENT}=off") }
}

impl LogArgs {
    /// Begins to log, and to trace if somebody collects that.
    pub(crate) fn init(&self, aside: &Handle) -> Result<Option<Traces>, CannotTrace> {
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
        let logs = match self.log_format {
            LogFormat::Text => logs.boxed(),
            LogFormat::Json => logs.json().boxed(),
        };
        let logs = logs.with_filter(EnvFilter::new(directives(&self.log)));
        let (traces, spans) =
            self.otlp_endpoint.as_deref().map(|endpoint| Traces::to(endpoint, aside)).transpose()?.unzip();
        tracing_subscriber::registry().with(logs).with(spans).init();
        Ok(traces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_is_logged_by_whoever_asked_and_not_as_an_error_of_the_library() {
        assert_eq!(directives("debug"), "debug,kube_client::client::builder=off");
        assert_eq!(directives("info,kube_client=debug"), "info,kube_client=debug");
        assert!(filter(&directives("info")).is_ok());
    }
}
