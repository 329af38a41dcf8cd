//! The page size of lists: how many objects a page has, and how many bytes at most.
//!
//! An API server counts a page by objects, and an object may have a megabyte and a half: a hundred
//! large ones of one tenant would be in memory at once. The client aborts a page that grows too
//! large while it receives it, and asks for it again with half as many objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response, Uri, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use tower::BoxError;

use super::layers::with_layer;

/// Objects of a page of a watch's list. A page is in memory as text and as objects at once, and not
/// all of it goes back to the system: with a hundred pods that is about a megabyte, for each kind.
pub(crate) const WATCH_PAGE: u32 = 100;
/// Objects of a page of a command's list, as kubectl has it.
pub(crate) const READ_PAGE: u32 = 500;

/// The most bytes of a page of several objects. As text and as objects it may take ten times this,
/// for each kind.
pub const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The most bytes of a page of one object: more than an API server stores.
const MOST_OF_ONE: usize = 32 * 1024 * 1024;

/// The same client, for the lists of one stream.
pub fn with_bounded_pages(client: &Client) -> Client {
    // How many objects a page may have, as the pages before it were.
    let objects = Arc::new(AtomicU32::new(u32::MAX));
    with_layer(client, move |client, request| {
        let objects = Arc::clone(&objects);
        async move {
            let Some(asked) = limit(request.uri()) else {
                return Ok(client.send(request).await?.map(BodyExt::boxed_unsync));
            };
            page(&client, request, asked, &objects).await
        }
        .boxed()
    })
}

type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, kube::Error>;

async fn page(
    client: &Client,
    request: Request<Body>,
    asked: u32,
    objects: &AtomicU32,
) -> Result<Response<Answer>, BoxError> {
    let (parts, _) = request.into_parts();
    loop {
        let limit = objects.load(Ordering::Relaxed).clamp(1, asked.max(1));
        let (head, body) = client.send(with_limit(&parts, limit)?).await?.into_parts();
        let most = if limit == 1 { MOST_OF_ONE } else { MOST_BYTES };
        let error = match Limited::new(body, most).collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                // The objects behind the large ones may be small again.
                let next = if body.len() < most / 4 { limit.saturating_mul(2) } else { limit };
                objects.store(next, Ordering::Relaxed);
                let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
                return Ok(Response::from_parts(head, body));
            }
            Err(error) => error,
        };
        if !error.is::<LengthLimitError>() || limit == 1 {
            return Err(error);
        }
        objects.store(limit / 2, Ordering::Relaxed);
    }
}

/// How many objects a list asks for; `None` if it is no list, or asks for all.
fn limit(uri: &Uri) -> Option<u32> {
    uri.query()?.split('&').find_map(|part| part.strip_prefix("limit="))?.parse().ok()
}

/// The same request for a page of so many objects.
fn with_limit(parts: &request::Parts, limit: u32) -> Result<Request<Body>, BoxError> {
    let query = parts.uri.query().unwrap_or_default().split('&');
    let query: Vec<String> =
        query.map(|part| if part.starts_with("limit=") { format!("limit={limit}") } else { part.to_owned() }).collect();
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = Some(format!("{}?{}", parts.uri.path(), query.join("&")).parse()?);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = Uri::from_parts(uri)?;
    *request.headers_mut() = parts.headers.clone();
    Ok(request)
}
