//! Retries of list pages that an API server refuses for want of time.
//!
//! A list whose page fails is begun anew by whoever lists. An API server that refuses a part of all
//! requests would never get to the end of a long list, and would have all the more to do. So the
//! client asks for the page again.

use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, Request, Uri, header, request};
use kube::Client;
use kube::client::Body;

use super::error::Meaning;
use super::layers::with_layer;

/// Between two tries, if the API server does not say how long; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// An API server that asks for more time than this is asked again all the same.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(30);

/// Which pages of a list are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Pages behind the first. Watchers list again from the first page by themselves, with a
    /// backoff.
    FurtherPages,
    /// Every page: commands list once.
    EveryPage,
}

impl Retry {
    fn applies_to(self, uri: &Uri) -> bool {
        let has = |key: &str| uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with(key)));
        match self {
            Self::FurtherPages => has("continue="),
            Self::EveryPage => has("continue=") || has("limit="),
        }
    }

    /// How often a page is asked for. Of the lists of an operator one in a thousand is begun anew
    /// if a third of all requests is refused; a person at a terminal does not wait that long.
    fn tries(self) -> usize {
        match self {
            Self::FurtherPages => 8,
            Self::EveryPage => 4,
        }
    }

    fn longest_wait(self) -> Duration {
        match self {
            Self::FurtherPages => LONGEST_WAIT,
            Self::EveryPage => LONGEST_ASKED_FOR,
        }
    }
}

/// The same client, which asks again for pages of lists.
pub fn with_retry(client: &Client, retry: Retry) -> Client {
    with_layer(client, move |client, request| {
        async move {
            if !retry.applies_to(request.uri()) {
                return Ok(client.send(request).await?);
            }
            let (page, _) = request.into_parts();
            let mut wait = FIRST_WAIT;
            for _ in 1..retry.tries() {
                let answer = client.send(again(&page)).await?;
                if !Meaning::of_code(answer.status().as_u16()).is_short_of_time() {
                    return Ok(answer);
                }
                tokio::time::sleep(asked_for(answer.headers()).unwrap_or(wait).min(retry.longest_wait())).await;
                wait = wait.saturating_mul(2);
            }
            Ok(client.send(again(&page)).await?)
        }
        .boxed()
    })
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
