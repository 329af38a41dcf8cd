//! Lists that come page by page from an API server that is short of time.

use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, Request, Uri, header, request};
use kube::Client;
use kube::client::Body;

use crate::layers::through;

/// How often a page is asked for. With a third of all requests refused, one list in a thousand is begun anew.
const TRIES: usize = 8;

/// Between two tries, if the API server does not say how long; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The same client, which asks again for a further page of a list that was refused for want of time. A list whose page
/// fails is begun anew by whoever lists: an API server that refuses a part of all requests would never get to the end of
/// a long one, and have all the more to do.
pub fn patient(client: &Client) -> Client {
    through(client, |client, request| {
        async move {
            if !is_further_page(request.uri()) {
                return Ok(client.send(request).await?);
            }
            let (page, _) = request.into_parts();
            let mut wait = FIRST_WAIT;
            for _ in 1..TRIES {
                let answer = client.send(again(&page)).await?;
                if !is_short_of_time(answer.status().as_u16()) {
                    return Ok(answer);
                }
                tokio::time::sleep(asked_for(answer.headers()).unwrap_or(wait).min(LONGEST_WAIT)).await;
                wait = wait.saturating_mul(2);
            }
            Ok(client.send(again(&page)).await?)
        }
        .boxed()
    })
}

fn is_further_page(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("continue=")))
}

/// Whether an API server that answers with this status has too much to do, and may be asked again.
pub(crate) fn is_short_of_time(status: u16) -> bool {
    matches!(status, 429 | 503 | 504)
}

fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn again(page: &request::Parts) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = page.method.clone();
    *request.uri_mut() = page.uri.clone();
    *request.headers_mut() = page.headers.clone();
    request
}
