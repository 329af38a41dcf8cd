//! Layers of a client: telemetry counts requests, the fence refuses writes, and the heartbeat tracks
//! a stream's silence.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use tower::filter::FilterLayer;
use tower::{BoxError, Service};

use super::fence::Fence;
use super::heartbeat::Heartbeat;
use super::telemetry::{RequestKind, Telemetry};

type Answer<B> = BoxFuture<'static, Result<Response<B>, BoxError>>;

/// Reports each request. Unlike a wrapped client, a layer costs no queue and no task switch.
#[derive(Clone)]
pub struct TelemetryLayer(pub Arc<dyn Telemetry>);

/// A service whose requests are reported.
#[derive(Clone)]
pub struct Reported<S> {
    inner: S,
    telemetry: Arc<dyn Telemetry>,
}

impl<S> tower::Layer<S> for TelemetryLayer {
    type Service = Reported<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Reported { inner, telemetry: Arc::clone(&self.0) }
    }
}

impl<S, A, B> Service<Request<A>> for Reported<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (kind, telemetry) = (RequestKind::of(&request), Arc::clone(&self.telemetry));
        let began = Instant::now();
        self.inner
            .call(request)
            .inspect(move |answer| {
                let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
                telemetry.request(&kind, code, began.elapsed());
            })
            .boxed()
    }
}

/// Lets only those writes pass that the fence allows. This is the last check before a request leaves
/// the process.
pub fn fence_layer<B>(
    fence: Fence,
) -> FilterLayer<impl Fn(Request<B>) -> Result<Request<B>, Refused> + Clone + Send + Sync> {
    FilterLayer::new(
        move |request: Request<B>| {
            if fence.lets_pass(&RequestKind::of(&request)) { Ok(request) } else { Err(Refused) }
        },
    )
}

/// Why a write was not sent.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not written: this process does not lead, or only shows what it would do")]
pub struct Refused;

/// Wraps a client for one watch stream. Everything that arrives counts as a heartbeat.
pub(crate) fn with_heartbeat(client: &Client, heartbeat: Heartbeat) -> Client {
    let heartbeat = Arc::new(heartbeat);
    with_layer(client, move |client, request| {
        let heartbeat = Arc::clone(&heartbeat);
        async move {
            let answer = client.send(request).await;
            // A refusal comes from a live server, too. Only a timeout counts as silence.
            if !answer.as_ref().is_err_and(is_timeout) {
                heartbeat.beat();
            }
            Ok(answer?.map(|body| {
                body.map_frame(move |frame| {
                    heartbeat.beat();
                    frame
                })
            }))
        }
        .boxed()
    })
}

fn is_timeout(error: &kube::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        source = error.source();
    }
    false
}

/// Wraps a client so that `send` sends its requests.
pub(crate) fn with_layer<B>(
    client: &Client,
    send: impl Fn(Client, Request<Body>) -> Answer<B> + Send + Sync + 'static,
) -> Client
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (inner, namespace) = (client.clone(), client.default_namespace().to_owned());
    Client::new(Layer { inner, send }, namespace)
}

struct Layer<F> {
    inner: Client,
    send: F,
}

impl<B, F: Fn(Client, Request<Body>) -> Answer<B>> Service<Request<Body>> for Layer<F> {
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Answer<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer<B> {
        (self.send)(self.inner.clone(), request)
    }
}
