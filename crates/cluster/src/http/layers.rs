//! What requests pass through on their way to the API server: they are counted, refused while this process may not
//! write, and watched for signs of life.

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
use tower::{BoxError, Service};

use crate::fence::Fence;
use crate::observe::{Observer, RequestKind};
use crate::pulse::Pulse;

type Answer<B> = BoxFuture<'static, Result<Response<B>, BoxError>>;

/// The same client, whose requests are told of.
pub fn observed(client: &Client, observer: Arc<dyn Observer>) -> Client {
    through(client, move |client, request| {
        let (kind, observer) = (RequestKind::of(&request), Arc::clone(&observer));
        let began = Instant::now();
        async move {
            let answer = client.send(request).await;
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            observer.request(&kind, code, began.elapsed());
            Ok(answer?)
        }
        .boxed()
    })
}

/// The same client, which writes only what the fence lets pass: the last look before a request leaves.
pub fn fenced(client: &Client, fence: Fence) -> Client {
    through(client, move |client, request| {
        let refused = !fence.lets_pass(&RequestKind::of(&request));
        async move { if refused { Err(Refused.into()) } else { Ok(client.send(request).await?) } }.boxed()
    })
}

/// Why a write was not sent.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not written: this process does not lead, or only shows what it would do")]
pub struct Refused;

/// The same client for one watch stream, whose signs of life are noted.
pub(crate) fn felt(client: &Client, pulse: &Arc<Pulse>) -> Client {
    let pulse = Arc::clone(pulse);
    through(client, move |client, request| {
        let pulse = Arc::clone(&pulse);
        async move {
            let answer = client.send(request).await;
            // Whatever comes, a refusal too, comes from a server that is there. Only silence is no sign of life.
            if !answer.as_ref().is_err_and(is_timeout) {
                pulse.beat();
            }
            Ok(answer?.map(|body| {
                body.map_frame(move |frame| {
                    pulse.beat();
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

pub(crate) fn through<B>(
    client: &Client,
    send: impl Fn(Client, Request<Body>) -> Answer<B> + Send + Sync + 'static,
) -> Client
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (inner, namespace) = (client.clone(), client.default_namespace().to_owned());
    Client::new(Through { inner, send }, namespace)
}

struct Through<F> {
    inner: Client,
    send: F,
}

impl<B, F: Fn(Client, Request<Body>) -> Answer<B>> Service<Request<Body>> for Through<F> {
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
