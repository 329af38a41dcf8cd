//! Retries of list pages that an overloaded API server refuses.
//!
//! Without retries, one failed page restarts the whole list. If an API server refuses a share of
//! all requests, a long list would never complete, and each restart would add load. The client
//! therefore retries the page.

use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, Request, Uri, header, request};
use kube::Client;
use kube::client::Body;

use super::error::Meaning;
use super::layers::with_layer;
use super::query;

/// Wait before the first retry if the API server sends no `Retry-After`; doubles after each
/// attempt.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that a command honors. After that time, it retries anyway.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(30);

/// Which pages of a list are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Pages after the first. Watchers restart a list from the first page by themselves, with a
    /// backoff.
    FurtherPages,
    /// Every page: commands list once.
    EveryPage,
}

impl Retry {
    fn applies_to(self, uri: &Uri) -> bool {
        let has = |key: &str| query::parts(uri).any(|part| part.starts_with(key));
        match self {
            Self::FurtherPages => has("continue="),
            Self::EveryPage => has("continue=") || has("limit="),
        }
    }

    /// How often the client requests a page. With 8 attempts, the operator restarts one list in a
    /// thousand if the API server refuses a third of all requests. A person at a terminal does not
    /// wait that long.
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

/// Wraps a client so that it retries list pages.
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
