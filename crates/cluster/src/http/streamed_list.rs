//! Lists that the API server streams as the first events of a watch (`sendInitialEvents`).
//!
//! The API server encodes one object after the other from its cache. Pages need one request each,
//! and client and server have whole pages in memory.

use futures::FutureExt;
use http::Uri;
use kube::Client;
use kube::runtime::watcher;

use super::error::Meaning;
use super::layers::with_layer;
use super::query;

/// Wraps a client so that streamed lists have the latest state. kube asks for version 0, which is
/// any state that the API server has cached, even one that this process has seen changed.
pub(crate) fn with_latest_streamed_lists(client: &Client) -> Client {
    with_layer(client, |client, mut request| {
        let latest = latest(request.uri());
        async move {
            if let Some(uri) = latest {
                *request.uri_mut() = uri?;
            }
            Ok(client.send(request).await?)
        }
        .boxed()
    })
}

/// The same request without the version 0; `None` if it is no streamed list.
fn latest(uri: &Uri) -> Option<Result<Uri, http::Error>> {
    let is_streamed = query::parts(uri).any(|part| part == "sendInitialEvents=true");
    is_streamed.then(|| query::with_parts(uri, |part| (part != "resourceVersion=0").then(|| part.to_owned())))
}

/// Whether the API server answers that it streams no list: its feature gate `WatchList` is off, or
/// the operator may not watch. The same list may be available in pages. An overloaded API server is
/// asked again.
pub(crate) fn is_refused(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(error) = error else { return false };
    let meaning = Meaning::of(error);
    !meaning.is_short_of_time() && meaning != Meaning::Unreachable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streamed_list_has_the_latest_state_and_other_requests_stay_as_they_are() {
        let of = |uri: &str| latest(&uri.parse().unwrap()).map(|uri| uri.unwrap().to_string());
        let streamed = "/api/v1/pods?&watch=true&timeoutSeconds=290&allowWatchBookmarks=true&sendInitialEvents=true\
             &resourceVersionMatch=NotOlderThan&resourceVersion=0";
        assert_eq!(of(streamed).as_deref(), streamed.strip_suffix("&resourceVersion=0"));
        assert_eq!(of("/api/v1/pods?&watch=true&timeoutSeconds=290&resourceVersion=7"), None);
        assert_eq!(of("/api/v1/pods?&limit=100"), None);
    }
}
