//! One request on its way through the proxy.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use futures::future::pending;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kube::client::Body;
use serde_json::json;

use super::super::request::Asked;
use super::super::rules::Action;
use super::super::stream;
use super::{Answer, Broken, Past, Shared};
use crate::process::lock;

impl Shared {
    #[expect(clippy::too_many_lines, reason = "one arm for each fate of a request")]
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        born: u64,
    ) -> Result<Response<Answer>, Broken> {
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
        if let Some(Action::Lacks(field)) = &action
            && let Some(refused) = undeclared(&body, field)
        {
            return Ok(refused);
        }
        let past = self.newest.load(Ordering::SeqCst);
        let uri = self.uri(&asked, parts.uri.path(), &query);
        #[cfg(feature = "planted-bugs")]
        let bent = super::super::planted::bend(&asked, &parts.method, &body);
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
            super::super::planted::besides(&self.upstream, &asked, &uri, &self.written, crashed).await;
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

    /// Applies a rule before the request is forwarded.
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
            Some(Action::PauseBefore(lasting)) => self.helper.pause_operator(*lasting).await,
            _ => {}
        }
        Ok(())
    }

    /// Applies a rule after the API server has answered.
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
            Some(Action::PauseAfter(lasting)) => self.helper.pause_operator(*lasting).await,
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
}

pub(in crate::faults) fn response(
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Answer,
) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type.unwrap_or(json));
    response
}

fn whole(bytes: Bytes) -> Answer {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The answer to an apply of a status with a field that the definition lacks; `None` if the status
/// does not have it.
fn undeclared(body: &Bytes, field: &str) -> Option<Response<Answer>> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["status"].get(field)?;
    let message = format!("failed to create typed patch object: .status.{field}: field not declared in schema");
    Some(failure(500, "InternalError", &message))
}

/// The answer of an API server that fails.
fn failure(code: u16, reason: &str, message: &str) -> Response<Answer> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "reason": reason, "code": code, "message": message,
    });
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response(code, None, whole(Bytes::from(status.to_string())))
}

/// An error response like that of the API server or of a load balancer in front of it.
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
    let mut answer = failure(code, reason, &format!("{reason}, says the fault proxy"));
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}
