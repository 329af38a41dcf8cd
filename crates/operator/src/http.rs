//! The HTTP server: metrics and health.
//!
//! Any client that reaches the port may open connections and send half a request. A connection
//! therefore gets little time and memory, and above the limit the oldest connection is closed.
//! Short requests, such as the kubelet's probes, are always answered.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::{debug, info};

use crate::health::Health;
use crate::metrics::Exposition;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const INDEX: &str = "/metrics\n/livez\n/readyz\n";

/// Limits for connections.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The most connections at the same time.
    connections: usize,
    /// The time in which a request, and each further one on the connection, must arrive.
    headers: Duration,
    /// The lifetime of a connection.
    connection: Duration,
}

/// Prometheus and two probes need three connections.
const LIMITS: Limits = Limits { connections: 64, headers: Duration::from_secs(5), connection: Duration::from_secs(60) };
/// Size of a connection's buffer, in bytes.
const BUFFER: usize = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Wait after an error that does not concern one connection, such as too many open files.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}; choose another address with --listen")]
pub(crate) struct CannotListen {
    address: SocketAddr,
    error: std::io::Error,
}

/// Starts to serve in the runtime. Fails if the address is unavailable.
pub(crate) fn serve(
    runtime: &Handle,
    address: SocketAddr,
    health: Health,
    metrics: Exposition,
) -> Result<(), CannotListen> {
    let _entered = runtime.enter();
    let listener = listener(address).map_err(|error| CannotListen { address, error })?;
    let bound = listener.local_addr().map_err(|error| CannotListen { address, error })?;
    info!(address = %bound, "serving /metrics, /livez and /readyz");
    tokio::spawn(accept(listener, routes(health, Arc::new(metrics)), LIMITS));
    Ok(())
}

/// Binds the address. `[::]` includes all IPv4 addresses, whatever the machine's default is. Where
/// IPv6 is off, it means all IPv4 addresses only.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    listener_by(address, bind)
}

fn listener_by(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<std::net::TcpListener>,
) -> io::Result<TcpListener> {
    let bound = match bind(address) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_without_ipv6(&error) => {
            info!(%error, "no IPv6 here, listening on IPv4 alone");
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        bound => bound,
    };
    TcpListener::from_std(bound?)
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Lets a new process bind the port while connections of the previous process linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Whether the error means that the address family or the address does not exist.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Accepts connections until the process ends.
async fn accept(listener: TcpListener, routes: Router, limits: Limits) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "no connection accepted");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= limits.connections
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(tokio::spawn(answer_on(stream, routes.clone(), limits)).abort_handle());
    }
}

async fn answer_on(stream: TcpStream, routes: Router, limits: Limits) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.headers).max_buf_size(BUFFER);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // Invalid, slow or aborted requests are not an error of the operator.
    let _ = tokio::time::timeout(limits.connection, connection).await;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serving(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, Router::new().route("/", get(|| async { INDEX })), limits));
        address
    }

    async fn half_a_request(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        stream
    }

    /// Reads until the other end closes the connection.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        // An aborted connection may be reset.
        let _ =
            tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.expect("still open");
        String::from_utf8(bytes).unwrap()
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        rest(&mut stream).await
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_families() {
        let listener = listener("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(accept(listener, Router::new().route("/", get(|| async { INDEX })), LIMITS));
        for host in ["127.0.0.1", "[::1]"] {
            assert!(ask(format!("{host}:{port}").parse().unwrap()).await.contains("/livez"), "{host}");
        }
    }

    /// The kernel's two errors: without IPv6 the address family does not exist; with IPv6 turned
    /// off later the address does not exist.
    #[tokio::test]
    async fn without_ipv6_all_addresses_are_those_of_ipv4() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            let refusing = |address: SocketAddr| {
                if address.is_ipv6() { Err(io::Error::from_raw_os_error(errno.raw_os_error())) } else { bind(address) }
            };
            let listener = listener_by("[::]:0".parse().unwrap(), refusing).unwrap();
            assert!(listener.local_addr().unwrap().is_ipv4());
            assert!(listener_by("[::1]:0".parse().unwrap(), refusing).is_err(), "this address was asked for");
        }
    }

    /// docs/adr/0039 names them.
    #[test]
    fn the_limits_that_apply_are_those_that_are_documented() {
        let Limits { connections, headers, connection } = LIMITS;
        assert_eq!((connections, headers.as_secs(), connection.as_secs(), BUFFER), (64, 5, 60, 16 * 1024));
    }

    /// Whoever is to scrape is named. The kubelet's probes come from the node.
    #[test]
    fn by_default_the_network_policy_admits_nobody() {
        let read = |path: &str| {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            std::fs::read_to_string(root.join(path)).unwrap()
        };
        let plain = read("config/manager/network_policy.yaml");
        assert!(plain.contains("\n  policyTypes: [Ingress, Egress]\n  ingress: []\n  egress:\n"), "{plain}");
        let values = read("charts/podidentity-operator/values.yaml");
        assert!(values.contains("\n  metricsFrom: []\n"), "{values}");
        let template = read("charts/podidentity-operator/templates/network_policy.yaml");
        let (_, otherwise) = template.split_once("{{- with .Values.networkPolicy.metricsFrom }}").unwrap();
        let (_, otherwise) = otherwise.split_once("{{- else }}\n").unwrap();
        assert!(otherwise.starts_with("  ingress: []\n  {{- end }}\n  egress:\n"), "{template}");
    }

    const PATIENT: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn half_a_request_is_not_waited_for() {
        let address = serving(Limits { headers: Duration::from_millis(50), connection: PATIENT, ..LIMITS }).await;
        let mut stream = half_a_request(address).await;
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("200"), "{answer}");
        assert!(ask(address).await.contains("/livez"));
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_ends_after_a_while() {
        let address = serving(Limits { headers: PATIENT, connection: Duration::from_millis(50), ..LIMITS }).await;
        assert_eq!(rest(&mut half_a_request(address).await).await, "");
    }

    #[tokio::test]
    async fn of_too_many_connections_the_oldest_give_way_and_a_new_one_is_answered() {
        let address = serving(Limits { connections: 4, headers: PATIENT, connection: PATIENT }).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(half_a_request(address).await);
        }
        assert!(ask(address).await.contains("/livez"));
        for stream in &mut held[..16] {
            assert_eq!(rest(stream).await, "");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_too_long_is_refused() {
        // Not because the time for a request is over.
        let address = serving(Limits { headers: PATIENT, connection: PATIENT, ..LIMITS }).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(BUFFER * 4));
        let _ = stream.write_all(long.as_bytes()).await;
        assert!(!rest(&mut stream).await.contains("200"));
    }
}
