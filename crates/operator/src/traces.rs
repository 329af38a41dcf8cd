//! Optional traces, sent as OpenTelemetry's OTLP over HTTP.
//!
//! Spans cover reconciles and the requests to the API server within them.

use std::fmt;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

const SERVICE: &str = "podidentity-operator";
const TIMEOUT: Duration = Duration::from_secs(10);

/// Collects spans until `end`.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotTrace {
    #[error("--otlp-endpoint: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("--otlp-endpoint: no certificates of authorities on this system: {0}")]
    Certificates(#[from] std::io::Error),
}

impl Traces {
    /// Sends traces to the collector at this address, for example `http://collector:4318`.
    /// A task of the runtime sends them.
    pub(crate) fn to<S>(
        endpoint: &str,
        runtime: &Handle,
    ) -> Result<(Self, impl Layer<S> + Send + Sync + 'static), CannotTrace>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime::new(runtime)?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()?;
        let resource = Resource::builder().with_service_name(SERVICE).build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE));
        let spans = Targets::new()
            .with_target("podidentity_operator", tracing::Level::INFO)
            .with_target("podidentity_cluster", tracing::Level::INFO)
            // The client's requests.
            .with_target("kube_client::client", tracing::Level::DEBUG);
        Ok((Self(provider), layer.with_filter(spans)))
    }

    /// Sends the remaining spans.
    pub(crate) async fn end(self) {
        // The shutdown blocks until the collector answers, and must not keep the runtime from
        // sending.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sends on the runtime's threads: the SDK exports spans on its own thread, which runs no
/// asynchronous code.
struct OnRuntime {
    runtime: Handle,
    client: HyperClient<HttpsConnector<HttpConnector>>,
}

impl OnRuntime {
    fn new(runtime: &Handle) -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self { runtime: runtime.clone(), client: HyperClient::new(connector, TIMEOUT, None) })
    }
}

impl fmt::Debug for OnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRuntime")
    }
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use tokio::sync::mpsc;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_arrive_at_the_collector() {
        let (collect, mut collected) = mpsc::unbounded_channel();
        let collector = Router::new().route(
            "/v1/traces",
            post(|body: Bytes| async move {
                collect.send(body).unwrap();
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, collector).await });

        let (traces, layer) = Traces::to(&endpoint, &Handle::current()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info_span!(target: "podidentity_operator", "reconcile", identity = "shop/app").in_scope(|| {
                tracing::info!(target: "podidentity_cluster::write::steps", "done");
            });
            drop(tracing::info_span!(target: "hyper", "not-ours").entered());
        });
        traces.end().await;

        let body = collected.recv().await.expect("nothing was sent");
        let text = String::from_utf8_lossy(&body);
        for wanted in [SERVICE, "reconcile", "identity", "shop/app"] {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
        assert!(!text.contains("not-ours"), "{text}");
    }
}
