//! What is told of a cluster that changes while watches break.

#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use podidentity_cluster::read::{Change, Changes};
use serde_json::{Value, json};

type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

/// An answer that goes on: these events, and then the connection breaks, or nothing more comes.
fn events(events: &[Value], breaks: bool) -> Answer {
    let frames: Vec<_> = events.iter().map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n"))))).collect();
    let end = async move { if breaks { Err(std::io::Error::other("broken")) } else { std::future::pending().await } };
    StreamBody::new(stream::iter(frames).chain(stream::once(end))).boxed_unsync()
}

fn created(namespace: &str, version: &str) -> Value {
    let metadata = json!({"namespace": namespace, "name": "it", "resourceVersion": version});
    json!({"type": "ADDED", "object": {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}})
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_goes_on_where_it_was_and_nothing_is_read_again() {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Answer>>();
    tokio::spawn(async move {
        let mut watches_of_pods = 0;
        while let Some((request, respond)) = handle.next_request().await {
            let query = request.uri().query().unwrap_or_default();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": "5"}, "items": []});
            let body = match (query.contains("watch=true"), request.uri().path()) {
                (false, _) => Full::from(list.to_string()).map_err(|never| match never {}).boxed_unsync(),
                (true, "/api/v1/pods") => {
                    watches_of_pods += 1;
                    match watches_of_pods {
                        // Whether it is allowed.
                        1 => events(&[], false),
                        2 if query.contains("resourceVersion=5") => events(&[created("a", "7")], true),
                        3 if query.contains("resourceVersion=7") => events(&[created("b", "9")], false),
                        count => panic!("watch {count} of pods: {query}"),
                    }
                }
                (true, _) => events(&[], false),
            };
            respond.send_response(Response::new(body));
        }
    });
    let client = Client::new(service, "default");
    let mut changes = Changes::open(&client, &client, None).await.unwrap();
    for expected in ["a", "b"] {
        let change = changes.next().await;
        assert!(matches!(&change, Change::In(namespace) if namespace == expected), "{change:?}, not in {expected}");
    }
    assert!(changes.already().is_none());
}
