//! The HTTP server: metrics and health.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::info;

use crate::health::Health;
use crate::metrics::Exposition;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const INDEX: &str = "/metrics\n/livez\n/readyz\n";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}; choose another address with --listen")]
pub(crate) struct CannotListen {
    address: SocketAddr,
    error: std::io::Error,
}

/// Starts to serve; an error if the address cannot be had.
pub(crate) async fn serve(address: SocketAddr, health: Health, metrics: Exposition) -> Result<(), CannotListen> {
    let listener = TcpListener::bind(address).await.map_err(|error| CannotListen { address, error })?;
    let bound = listener.local_addr().map_err(|error| CannotListen { address, error })?;
    info!(address = %bound, "serving /metrics, /livez and /readyz");
    let routes = routes(health, Arc::new(metrics));
    tokio::spawn(async move {
        // It only ends with the process.
        let _ = axum::serve(listener, routes).await;
    });
    Ok(())
}

fn routes(health: Health, metrics: Arc<Exposition>) -> Router {
    let ready = health.clone();
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/metrics", get(|| async move { ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.text()) }))
        .route("/livez", get(|| async move { answer(health.live()) }))
        .route("/readyz", get(|| async move { answer(ready.ready()) }))
}

fn answer((well, text): (bool, String)) -> impl IntoResponse {
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}
