//! The page size of lists: how many objects a page has, and how many bytes at most.
//!
//! The API server limits a page by its number of objects, and one object may have 1.5 MB. A hundred
//! large objects of one tenant would be in memory at once. The client therefore aborts a page that
//! grows too large and requests it again with half as many objects.

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
use super::query;

/// Objects per page of a watch's list. A page is in memory as text and as objects at once, and the
/// process does not return all of that memory to the system: with a hundred pods, about a megabyte
/// for each kind.
pub(crate) const WATCH_PAGE: u32 = 100;
/// Objects per page of a command's list, as in kubectl.
pub(crate) const READ_PAGE: u32 = 500;

/// Most bytes of a page with several objects. As text and as objects, the page may take ten times
/// as much memory, for each kind.
pub const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of a page with one object: more than an API server stores.
const MOST_OF_ONE: usize = 32 * 1024 * 1024;

/// Wraps a client so that it bounds the list pages of one stream.
pub fn with_bounded_pages(client: &Client) -> Client {
    // Object limit of the next page, adapted to the size of the pages before it.
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
                // The objects after the large ones may be small again.
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

/// The `limit` of a list request; `None` for other requests and for unlimited lists.
fn limit(uri: &Uri) -> Option<u32> {
    query::parts(uri).find_map(|part| part.strip_prefix("limit="))?.parse().ok()
}

/// The same request with another `limit`.
fn with_limit(parts: &request::Parts, limit: u32) -> Result<Request<Body>, BoxError> {
    let limited =
        |part: &str| Some(if part.starts_with("limit=") { format!("limit={limit}") } else { part.to_owned() });
    let mut request = Request::new(Body::empty());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = query::with_parts(&parts.uri, limited)?;
    *request.headers_mut() = parts.headers.clone();
    Ok(request)
}
