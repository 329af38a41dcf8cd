//! Asks AWS STS whether a service account may assume a role.
//!
//! ```text
//! API server ──► token ──► Sts ──► connector (proxy or not, TLS) ──► AWS ──► core::sts::Answer
//! ```
//!
//! A request contains only what the caller decided, and is never repeated here. The credentials in
//! an answer are dropped with its bytes. A token is only in the memory of a [`Token`] and of the
//! request.

mod connector;
mod fault;
mod keys;
mod roots;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use podidentity_core::sts::{Answer, MAX_ANSWER, NotAws, Request, Unavailable};
use tokio::time::timeout;

pub use connector::Proxies;
use connector::Ways;
pub use roots::RootsError;
pub use token::{LIFETIME, Token, TokenError, token};

/// Limit for a request, including the connection. STS answers within a second, except while it
/// fetches an issuer's keys for the first time.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection stays open.
const IDLE: Duration = Duration::from_secs(20);

/// How to reach STS.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a request may take.
    pub timeout: Duration,
    /// A file of trusted certificate authorities, which replace the built-in ones.
    pub authorities: Option<PathBuf>,
    /// Which requests go through a proxy.
    pub proxies: Proxies,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
}

impl Options {
    /// Reads the variables `SSL_CERT_FILE`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or
    /// lower case.
    pub fn from_environment(user_agent: &str) -> Self {
        Self {
            timeout: TIMEOUT,
            authorities: std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from),
            proxies: Proxies::from_environment(),
            user_agent: user_agent.to_owned(),
        }
    }
}

/// A client of STS.
#[derive(Clone, Debug)]
pub struct Sts {
    client: Client<HttpsConnector<Ways>, Full<Bytes>>,
    timeout: Duration,
    user_agent: String,
}

/// The complete response of an HTTP server.
struct Reply {
    http: u16,
    headers: HeaderMap,
    /// `None`: the body is longer than the limit.
    body: Option<Bytes>,
}

impl Sts {
    /// Creates a client without sending a request.
    pub fn new(options: Options) -> Result<Self, RootsError> {
        let tls = roots::config(options.authorities.as_deref())?;
        let connector = HttpsConnector::from((Ways::new(tls.clone(), options.proxies), tls));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .build(connector);
        Ok(Self { client, timeout: options.timeout, user_agent: options.user_agent })
    }

    /// Asks STS once.
    pub async fn assume_role_with_web_identity(&self, request: &Request, token: &Token) -> Answer {
        let form = Full::from(request.form(token.expose()));
        let sent = http::Request::builder()
            .method(Method::POST)
            .uri(request.endpoint.url())
            .header(header::CONTENT_TYPE, Request::CONTENT_TYPE)
            .header(header::ACCEPT, "application/xml");
        match self.reply(sent, form, MAX_ANSWER).await {
            Ok(Reply { http, body: None, .. }) => Answer::NotAws(NotAws::TooLong(http)),
            Ok(Reply { http, headers, body: Some(body) }) => Answer::read(request, http, date(&headers), &body),
            Err(unavailable) => Answer::Unavailable(unavailable),
        }
    }

    /// Sends a request and receives the complete response within the time limit.
    async fn reply(
        &self,
        request: http::request::Builder,
        body: Full<Bytes>,
        limit: usize,
    ) -> Result<Reply, Unavailable> {
        let request = request.header(header::USER_AGENT, &self.user_agent).body(body);
        let request = request.map_err(|error| fault::invalid(&error))?;
        let work = async {
            let answer = self.client.request(request).await.map_err(|error| fault::of(&error))?;
            let (head, body) = answer.into_parts();
            let body = match Limited::new(body, limit).collect().await {
                Ok(body) => Some(body.to_bytes()),
                Err(error) if error.is::<LengthLimitError>() => None,
                Err(error) => return Err(fault::of(&*error)),
            };
            Ok(Reply { http: head.status.as_u16(), headers: head.headers, body })
        };
        timeout(self.timeout, work).await.unwrap_or_else(|_| Err(fault::too_late(self.timeout)))
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}
