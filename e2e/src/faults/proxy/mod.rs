//! The proxy between one operator and the API server.
//!
//! ```text
//! operator ──HTTP──► proxy: narrow to a namespace, count, break by rule, note ──TLS──► API server
//! ```
//!
//! It shows the operator one namespace of the cluster, so that many operators can share a control
//! plane without seeing each other's objects. A network or an API server may cause every fault of a
//! rule, except `Action::Lose`.

mod answer;
mod state;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::journal::Journal;
use super::rules::{Deed, Rule};
use crate::process::lock;

pub(in crate::faults) use self::answer::response;

/// What rules need besides the proxy.
pub trait Helper: Send + Sync {
    /// Kills the operator and starts it again.
    fn kill_operator(&self);
    /// Stops the operator's process, and resumes it after a while.
    fn pause_operator(&self, lasting: Duration) -> BoxFuture<'_, ()> {
        let _ = lasting;
        Box::pin(async {})
    }
    /// Does what another user does at a bad moment.
    fn deed(&self, deed: Deed) -> BoxFuture<'_, ()>;
}

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    server: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// The body of a response.
pub(in crate::faults) type Answer = UnsyncBoxBody<Bytes, Broken>;

/// The connection breaks.
#[derive(Debug, thiserror::Error)]
#[error("broken by a rule, or by the API server")]
pub(in crate::faults) struct Broken;

pub(in crate::faults) struct Shared {
    upstream: Client,
    namespace: Option<String>,
    rules: Vec<Armed>,
    helper: Arc<dyn Helper>,
    journal: Mutex<Journal>,
    seen: Mutex<HashMap<String, usize>>,
    /// The newest resource version that passed the proxy.
    newest: AtomicU64,
    /// The state that an operator sees that was started in the past.
    past: Mutex<Option<Past>>,
    /// Connections with an older number are silent.
    silence: AtomicU64,
    began: Instant,
    /// Concurrent writes.
    busy: AtomicUsize,
    #[cfg(feature = "planted-bugs")]
    written: super::planted::Seen,
}

/// A rule and how often it has matched.
struct Armed {
    rule: Rule,
    state: Mutex<(usize, Option<Instant>)>,
}

#[derive(Clone, Copy)]
struct Past {
    version: u64,
    until: Instant,
}

impl Proxy {
    /// Starts a proxy on the loopback address. It talks to the API server with `upstream` and, if
    /// `namespace` is given, shows only that namespace.
    pub async fn start(
        upstream: Client,
        namespace: Option<&str>,
        rules: &[Rule],
        helper: Arc<dyn Helper>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the proxy finds no port")?;
        let server = format!("http://{}", listener.local_addr()?);
        let rules = rules.iter().map(|rule| Armed { rule: rule.clone(), state: Mutex::default() }).collect();
        let shared = Arc::new(Shared {
            upstream,
            namespace: namespace.map(str::to_owned),
            rules,
            helper,
            journal: Mutex::default(),
            seen: Mutex::default(),
            newest: AtomicU64::new(0),
            past: Mutex::default(),
            silence: AtomicU64::new(0),
            began: Instant::now(),
            busy: AtomicUsize::new(0),
            #[cfg(feature = "planted-bugs")]
            written: super::planted::Seen::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { server, shared, accepting })
    }

    /// The address of the proxy, for a kubeconfig.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Reads the journal so far.
    pub fn look<T>(&self, at: impl FnOnce(&Journal) -> T) -> T {
        at(&lock(&self.shared.journal))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end with the proxy.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((connection, _)) = accepted {
                connections.spawn(serve(connection, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(connection: TcpStream, shared: Arc<Shared>) {
    // Small responses should not wait for more data.
    let _ = connection.set_nodelay(true);
    let born = shared.silence.load(Ordering::SeqCst);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        // A separate task: the write completes and is recorded even if the operator is killed in
        // the meantime.
        async move { tokio::spawn(shared.answer(request, born)).await.unwrap_or(Err(Broken)) }
    });
    // An error is a broken connection, which rules cause on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}
