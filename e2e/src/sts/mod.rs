//! A double of AWS STS and of one part of IAM: roles with trust policies, identity providers, and
//! the only call that pods make.
//!
//! ```text
//! token ──► double: parameters ──► provider, audience, key (the API server's JWKS), time ──► role, trust policy ──► XML
//!             │                                                                                  │
//!             └── faults: hang, broken XML, a page, throttling, another subject                  └── an oracle decides
//! ```
//!
//! It is a server on the loopback address that speaks plain HTTP. An independent model of IAM
//! (`oracle`) evaluates trust policies, not the product's model. It does not support session tags,
//! `ProviderId` and limits of roles.

mod answer;
mod jwt;
mod oracle;
mod world;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use kube::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::process::lock;
use crate::serve;

use answer::Reply;
use jwt::KeySet;
use oracle::Oracle;
pub use world::{ACCOUNT, Fault, ISSUER, Messages, Provider, Seen, World, trust_policy};

/// A token has about 1,000 bytes.
const MAX_REQUEST: usize = 64 * 1024;

/// A running double. It ends when it is dropped.
pub struct Sts {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    keys: KeySet,
    oracle: Oracle,
    world: Mutex<World>,
    seen: Mutex<Vec<Seen>>,
    secrets: Mutex<Vec<String>>,
}

impl Sts {
    /// Starts a double that trusts the tokens of this API server. It knows no role and no provider
    /// yet.
    pub async fn start(client: &Client) -> Result<Self> {
        let keys = client.request_text(http::Request::get("/openid/v1/jwks").body(Vec::new())?).await;
        let keys = KeySet::read(&keys.context("the API server does not show its keys")?)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the double of STS")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            keys,
            oracle: Oracle::start()?,
            world: Mutex::default(),
            seen: Mutex::default(),
            secrets: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let accepting = tokio::spawn(serve::each(listener, move |stream| serve(stream, Arc::clone(&served))));
        Ok(Self { address, shared, accepting })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes accounts, clock, messages or faults, effective immediately.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut lock(&self.shared.world));
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Texts that must not appear anywhere else: parts of the received tokens and of the issued
    /// credentials.
    pub fn secrets(&self) -> Vec<String> {
        lock(&self.shared.secrets).clone()
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // A client that disconnects is no error of the double.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_post = request.method() == Method::POST;
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect().await;
    let form = body.ok().filter(|_| is_post).map(http_body_util::Collected::to_bytes);
    let reply = match form {
        Some(form) => shared.reply(&form).await,
        None => Reply::text(405, "only POST"),
    };
    let now = lock(&shared.world).now();
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() = http::StatusCode::from_u16(reply.http).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Ok(date) = HeaderValue::from_str(&date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    Ok(response)
}

fn date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
