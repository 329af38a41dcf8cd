//! Connects to a server directly, or through the proxy that the environment names.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use podidentity_core::sts::is_loopback;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{BoxError, Service, ServiceExt as _};

use super::fault::{NoAddress, ProxyFault};

/// Limit for a connection attempt to each address of a host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which requests go through a proxy.
#[derive(Clone)]
pub struct Proxies(Arc<Matcher>);

impl Proxies {
    /// Reads the variables `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case.
    pub fn from_environment() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }

    /// Sends all requests through this proxy, except to the hosts in `except`, which has the format
    /// of `NO_PROXY`.
    pub fn through(proxy: &str, except: &str) -> Self {
        Self(Arc::new(Matcher::builder().all(proxy).no(except).build()))
    }

    /// The proxy for a server; `None` for the local machine.
    fn of(&self, server: &Uri) -> Option<Intercept> {
        if server.host().is_none_or(is_loopback) { None } else { self.0.intercept(server) }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Resolves names. Its error type distinguishes a host without an address from other errors.
#[derive(Clone, Debug)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NoAddress;
    type Future = BoxFuture<'static, Result<Self::Response, NoAddress>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoAddress>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.0.clone();
        async move {
            let found = resolver.oneshot(name).await.map_err(NoAddress)?;
            Ok(found.collect::<Vec<_>>().into_iter())
        }
        .boxed()
    }
}

/// Connects to servers. The caller adds TLS to the server.
#[derive(Clone)]
pub(super) struct Ways {
    plain: HttpConnector<Resolver>,
    tls: Arc<ClientConfig>,
    proxies: Proxies,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Ways {
    pub(super) fn new(tls: Arc<ClientConfig>, proxies: Proxies) -> Self {
        let mut plain = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT_TIMEOUT));
        plain.set_nodelay(true);
        Self { plain, tls, proxies }
    }

    async fn connect(self, server: Uri) -> Result<Stream, BoxError> {
        let Some(proxy) = self.proxies.of(&server) else {
            return Ok(MaybeHttpsStream::Http(self.plain.oneshot(server).await?));
        };
        let to_proxy = HttpsConnector::from((self.plain, self.tls));
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        tunnel.oneshot(server).await.map_err(|error| ProxyFault(error.into()).into())
    }
}

impl Service<Uri> for Ways {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        self.clone().connect(server).boxed()
    }
}
