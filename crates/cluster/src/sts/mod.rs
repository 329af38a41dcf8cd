//! AWS STS is asked whether a service account may assume a role.
//!
//! ```text
//! API server ──► token ──► Sts ──► connector (proxy or not, TLS) ──► AWS ──► core::sts::Answer
//! ```
//!
//! Requests say nothing but what the caller decided, and are never repeated here. The credentials of an answer are
//! dropped with its bytes; a token is in the memory of a [`Token`] and of the request, and nowhere else.

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

/// How long a request may take with all that belongs to it; STS answers within a second, but for the first fetch of an
/// issuer's keys.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that nothing uses are closed.
const IDLE: Duration = Duration::from_secs(20);

/// How STS is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a request may take.
    pub timeout: Duration,
    /// A file of certificates of the authorities to trust, in the place of those that are built in.
    pub authorities: Option<PathBuf>,
    /// Which requests go through a proxy.
    pub proxies: Proxies,
    /// Who asks.
    pub user_agent: String,
}

impl Options {
    /// By the variables `SSL_CERT_FILE`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.
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

/// What an HTTP server answers, all of it.
struct Reply {
    http: u16,
    headers: HeaderMap,
    /// `None`: more than was asked for.
    body: Option<Bytes>,
}

impl Sts {
    /// Makes a client; nothing is sent yet.
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

    /// Asks once.
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

    /// Sends a request and receives all of the answer, within the time that is allowed for both.
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
