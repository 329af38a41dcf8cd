//! The proxy between one operator and the API server.
//!
//! ```text
//! operator ──HTTP──► proxy: narrow to a namespace, count, break by rule, note ──TLS──► API server
//! ```
//!
//! It shows the operator one namespace of the cluster, so that many operators can share a control plane without seeing
//! each other's objects. Everything that a rule does is something that a network or an API server may do, except
//! [`Action::Lose`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::{BoxFuture, pending};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::journal::{Fault, Journal, Write};
use super::request::{Asked, narrowed};
use super::rules::{Action, Deed, Rule};
use super::stream;
use crate::process::lock;

/// What rules need beside the proxy.
pub trait Helper: Send + Sync {
    /// Kills the operator and starts it again.
    fn kill_operator(&self);
    /// Does what somebody does at a bad moment.
    fn deed(&self, deed: Deed) -> BoxFuture<'_, ()>;
}

/// A proxy; it ends when this is dropped.
pub struct Proxy {
    server: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// The answer's body.
pub(super) type Answer = UnsyncBoxBody<Bytes, Broken>;

/// The connection breaks.
#[derive(Debug, thiserror::Error)]
#[error("broken by a rule, or by the API server")]
pub(super) struct Broken;

pub(super) struct Shared {
    upstream: Client,
    namespace: Option<String>,
    rules: Vec<Armed>,
    helper: Arc<dyn Helper>,
    journal: Mutex<Journal>,
    seen: Mutex<HashMap<String, usize>>,
    /// The newest resource version that went through.
    newest: AtomicU64,
    /// What an operator sees that was started in the past.
    past: Mutex<Option<Past>>,
    /// Connections that were made under an older number are silent.
    silence: AtomicU64,
    began: Instant,
    /// Writes that are under way.
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
    /// Starts a proxy on the loopback address that talks to the API server with `upstream` and, if `namespace` is
    /// given, shows nothing but that namespace.
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

    /// Its address, for a kubeconfig.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Looks at what went through so far.
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
    // Its connections end with the proxy.
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
    // Small answers should not wait for company.
    let _ = connection.set_nodelay(true);
    let born = shared.silence.load(Ordering::SeqCst);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        // In a task of its own: a write is carried out and noted even if the operator is killed meanwhile.
        async move { tokio::spawn(shared.answer(request, born)).await.unwrap_or(Err(Broken)) }
    });
    // An error is a connection that broke, which is the point of the exercise.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, born: u64) -> Result<Response<Answer>, Broken> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let asked = Asked::of(&parts.method, parts.uri.path(), &query);
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let noted = self.note(&asked, &body);
        let action = self.action(|rule| rule.is_about(&asked), &asked);
        self.before(action.as_ref(), &asked).await?;
        if let Some(Action::Answer { code, retry_after }) = action {
            self.note_error(format!("{asked}: {code} by a rule"));
            return Ok(refusal(code, retry_after));
        }
        let past = self.newest.load(Ordering::SeqCst);
        let uri = self.uri(&asked, parts.uri.path(), &query);
        #[cfg(feature = "planted-bugs")]
        let bent = super::planted::bend(&asked, &parts.method, &body);
        #[cfg(feature = "planted-bugs")]
        let method = bent.unwrap_or(parts.method);
        #[cfg(not(feature = "planted-bugs"))]
        let method = parts.method;
        let busy = self.busy.fetch_add(usize::from(asked.is_write()), Ordering::SeqCst) + 1;
        let answered = self.forward(&method, &uri, &parts.headers, body.clone()).await;
        self.busy.fetch_sub(usize::from(asked.is_write()), Ordering::SeqCst);
        if asked.is_write() {
            let mut journal = lock(&self.journal);
            journal.most_at_once = journal.most_at_once.max(busy);
        }
        let Ok(answered) = answered else {
            self.note_error(format!("{asked}: no answer from the API server"));
            return Err(Broken);
        };
        self.note_answer(&asked, noted, answered.status());
        #[cfg(feature = "planted-bugs")]
        if answered.status().is_success() {
            self.written.note(&asked, &uri, &body);
            let crashed = !lock(&self.journal).faults.is_empty();
            super::planted::besides(&self.upstream, &asked, &uri, &self.written, crashed).await;
        }
        self.after(action.as_ref(), &asked, past).await?;
        if self.is_silent(born) {
            return pending().await;
        }
        if asked.verb == "watch" && answered.status().is_success() {
            return Ok(stream::watch(self, asked, answered, born));
        }
        let content_type = answered.headers().get(header::CONTENT_TYPE).cloned();
        let status = answered.status();
        let bytes = answered.into_body().collect_bytes().await.map_err(|_| Broken)?;
        self.note_version(&bytes);
        let body = if action == Some(Action::Truncate) { stream::half(&bytes) } else { whole(bytes) };
        Ok(response(status, content_type, body))
    }

    /// What a rule does before the request is passed on.
    async fn before(&self, action: Option<&Action>, asked: &Asked) -> Result<(), Broken> {
        match action {
            Some(Action::Delay(by)) => tokio::time::sleep(*by).await,
            Some(Action::Reset) => {
                self.note_error(format!("{asked}: connection broken"));
                return Err(Broken);
            }
            Some(Action::Hang) => return pending().await,
            Some(Action::KillBefore) => {
                self.helper.kill_operator();
                return Err(Broken);
            }
            Some(Action::Before(deed)) => self.helper.deed(*deed).await,
            _ => {}
        }
        Ok(())
    }

    /// What a rule does after the API server has answered.
    async fn after(&self, action: Option<&Action>, asked: &Asked, past: u64) -> Result<(), Broken> {
        match action {
            Some(Action::DropAnswer) => {
                self.note_error(format!("{asked}: answer lost"));
                return Err(Broken);
            }
            Some(Action::KillAfter) => {
                self.helper.kill_operator();
                return Err(Broken);
            }
            Some(Action::Stale(lasting)) => {
                *lock(&self.past) = Some(Past { version: past, until: Instant::now() + *lasting });
                self.helper.kill_operator();
                return Err(Broken);
            }
            Some(Action::HalfOpen) => {
                self.silence.fetch_add(1, Ordering::SeqCst);
            }
            Some(Action::After(deed)) => self.helper.deed(*deed).await,
            _ => {}
        }
        Ok(())
    }

    async fn forward(
        &self,
        method: &http::Method,
        uri: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(uri);
        for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        Ok(self.upstream.send(request.body(Body::from(body))?).await?)
    }

    /// The first rule that means this one; every rule that is about it counts it.
    pub(super) fn action(&self, is_about: impl Fn(&Rule) -> bool, what: &dyn std::fmt::Display) -> Option<Action> {
        let mut fired = None;
        for armed in self.rules.iter().filter(|armed| is_about(&armed.rule)) {
            let mut state = lock(&armed.state);
            state.0 += 1;
            let rule = &armed.rule;
            if fired.is_some() || !rule.counts(state.0) {
                continue;
            }
            let since = *state.1.get_or_insert_with(Instant::now);
            if rule.lasting.is_none_or(|lasting| since.elapsed() <= lasting) {
                lock(&self.journal).faults.push(Fault { at: Instant::now(), what: format!("{what}: {}", rule.action) });
                fired = Some(rule.action.clone());
            }
        }
        fired
    }

    fn uri(&self, asked: &Asked, path: &str, query: &str) -> String {
        let mut query = query.to_owned();
        if asked.verb == "list"
            && let Some(past) = self.past()
            && !query.contains("continue=")
        {
            let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("resourceVersion"));
            let exact = [format!("resourceVersion={}", past.version), "resourceVersionMatch=Exact".to_owned()];
            query = kept.map(str::to_owned).chain(exact).collect::<Vec<_>>().join("&");
        }
        match &self.namespace {
            Some(namespace) => narrowed(asked, path, &query, namespace),
            None if query.is_empty() => path.to_owned(),
            None => format!("{path}?{query}"),
        }
    }

    fn past(&self) -> Option<Past> {
        lock(&self.past).filter(|past| past.until > Instant::now())
    }

    /// How long watches show nothing because the operator lives in the past.
    pub(super) fn catches_up_in(&self) -> Duration {
        self.past().map_or(Duration::ZERO, |past| past.until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_silent(&self, born: u64) -> bool {
        self.silence.load(Ordering::SeqCst) > born
    }

    /// Counts a request; for a write, where its answer is to be noted.
    fn note(&self, asked: &Asked, body: &Bytes) -> Option<usize> {
        let nth = self.count(&asked.to_string());
        let mut journal = lock(&self.journal);
        *journal.counts.entry(format!("{} {}", asked.verb, asked.resource)).or_default() += 1;
        *journal.seconds.entry(self.began.elapsed().as_secs()).or_default() += 1;
        if !asked.is_write() {
            return None;
        }
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        journal.writes.push(Write { at: Instant::now(), asked: asked.clone(), nth, body, code: None });
        Some(journal.writes.len() - 1)
    }

    fn note_answer(&self, asked: &Asked, write: Option<usize>, status: StatusCode) {
        let mut journal = lock(&self.journal);
        if let Some(write) = write.and_then(|at| journal.writes.get_mut(at)) {
            write.code = Some(status.as_u16());
        }
        if !status.is_success() {
            journal.errors.push((Instant::now(), format!("{asked}: {}", status.as_u16())));
        }
    }

    pub(super) fn note_error(&self, what: String) {
        lock(&self.journal).errors.push((Instant::now(), what));
    }

    /// A rule wanted to skip an event, and no other one followed: nothing happened.
    pub(super) fn note_skip_in_vain(&self) {
        lock(&self.journal).faults.pop();
    }

    pub(super) fn helper(&self) -> &dyn Helper {
        &*self.helper
    }

    pub(super) fn note_event(&self, event: super::journal::Event) {
        lock(&self.journal).events.push(event);
    }

    /// How manieth of its kind it is.
    pub(super) fn count(&self, key: &str) -> usize {
        let mut seen = lock(&self.seen);
        let count = seen.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn note_version(&self, answer: &Bytes) {
        #[derive(serde::Deserialize)]
        struct Versioned {
            metadata: VersionedMeta,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct VersionedMeta {
            resource_version: String,
        }
        if let Ok(versioned) = serde_json::from_slice::<Versioned>(answer) {
            self.is_at(&versioned.metadata.resource_version);
        }
    }

    /// The API server has shown this resource version.
    pub(super) fn is_at(&self, version: &str) {
        if let Ok(version) = version.parse() {
            self.newest.fetch_max(version, Ordering::SeqCst);
        }
    }
}

pub(super) fn response(status: StatusCode, content_type: Option<HeaderValue>, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type.unwrap_or(json));
    response
}

fn whole(bytes: Bytes) -> Answer {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// An answer such as the API server, or a load balancer in front of it, gives.
fn refusal(code: u16, retry_after: Option<u64>) -> Response<Answer> {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "reason": reason, "code": code, "message": format!("{reason}, says the fault proxy"),
    });
    let status_code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = response(status_code, None, whole(Bytes::from(status.to_string())));
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}
