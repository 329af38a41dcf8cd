//! Reading a cluster once, from an API server that is not always of the same mind.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::clock::Clock;
use podidentity_cluster::read::{NoProgress, ReadScope, Reading, read};
use podidentity_core::snapshot::Config;
use serde_json::{Value, json};

/// What is read from an API server with these pages of pods and nothing else.
async fn read_pods(pages: Vec<(u16, Value)>) -> Reading<usize> {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let mut pages = VecDeque::from(pages);
    let server = tokio::spawn(async move {
        while let Some((request, respond)) = handle.next_request().await {
            let (code, answer) = match request.uri().path() {
                "/api/v1/pods" => pages.pop_front().unwrap(),
                path if path.starts_with("/apis/podidentity.dev") || path.starts_with("/apis/argoproj.io") => {
                    (404, json!({"kind": "Status", "status": "Failure", "code": 404, "message": "", "reason": ""}))
                }
                _ => (200, page(&[], None)),
            };
            let body = Body::from(answer.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).unwrap());
        }
        assert!(pages.is_empty(), "not read: {pages:?}");
    });
    let client = Client::new(service, "default");
    let scope = ReadScope { without_role: true, ..ReadScope::default() };
    let config = Arc::new(Config::default());
    let mut judge = |snapshot: podidentity_core::snapshot::Snapshot| Some(snapshot.pods.len());
    let reading = read(&client, &Clock::default(), &scope, &config, &NoProgress, &mut judge).await.unwrap();
    drop(client);
    server.await.unwrap();
    reading
}

fn page(items: &[Value], token: Option<&str>) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "continue": token}, "items": items})
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"serviceAccountName": "app", "containers": []}})
}

fn undecodable(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": "none"})
}

fn pods(reading: &Reading<usize>) -> Vec<(String, usize)> {
    reading.results.iter().map(|(key, pods)| (key.to_string(), *pods)).collect()
}

#[tokio::test]
async fn what_is_read_again_because_namespaces_come_in_no_order_is_named_once() {
    let unsorted = || {
        vec![
            (200, page(&[undecodable("a", "odd"), pod("a", "1")], Some("2"))),
            (200, page(&[pod("b", "1")], Some("3"))),
            (200, page(&[pod("a", "2"), undecodable("b", "odd")], None)),
        ]
    };
    let reading = read_pods([unsorted(), unsorted()].concat()).await;
    assert_eq!(pods(&reading), [("a/app".to_owned(), 2), ("b/app".to_owned(), 1)]);
    let named: Vec<&str> = reading.undecodable.iter().filter_map(|text| text.split(": ").next()).collect();
    assert_eq!(named, ["Pod a/odd", "Pod b/odd"]);
}

#[tokio::test]
async fn a_list_that_has_expired_goes_on_where_it_was() {
    let expired = json!({
        "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old",
        "metadata": {"continue": "in the present"},
    });
    let reading = read_pods(vec![
        (200, page(&[undecodable("a", "odd"), pod("a", "1")], Some("2"))),
        (410, expired),
        (200, page(&[pod("a", "2"), undecodable("b", "odd")], None)),
    ])
    .await;
    assert_eq!(pods(&reading), [("a/app".to_owned(), 2)]);
    assert_eq!(reading.undecodable.len(), 2, "{:?}", reading.undecodable);
}
