//! What streams make of what an API server says.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::http::telemetry::NoTelemetry;
use podidentity_cluster::index::{IdentityKey, Index};
use podidentity_cluster::watch::scope::WatchScope;
use podidentity_cluster::watch::{Listeners, streams};
use podidentity_core::snapshot::Snapshot;
use serde_json::{Value, json};

/// An API server with these bindings and Deployments, which streams lists. Its first watch on
/// `changed` then shows these events.
fn api_server(lists: Vec<(&'static str, Value)>, changed: &'static str, mut events: Vec<String>) -> Client {
    let answer = move |request: Request<Body>| {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let resource = path.rsplit('/').next().unwrap_or_default().to_owned();
        let items: Vec<_> =
            lists.iter().filter(|(which, _)| *which == resource).map(|(_, item)| item.clone()).collect();
        let is_watch = query.contains("watch=true");
        let is_awaited = is_watch && resource == changed;
        let mut events = if is_awaited { std::mem::take(&mut events) } else { Vec::new() };
        if query.contains("sendInitialEvents=true") {
            assert!(!query.contains("resourceVersion="), "the latest state: {query}");
            let end = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "5",
                "annotations": {"k8s.io/initial-events-end": "true"}}});
            let initial = items.iter().map(|item| event("ADDED", item)).chain([event("BOOKMARK", &end)]);
            events = initial.chain(events).collect();
        }
        async move {
            let whole = json!({"metadata": {"resourceVersion": "5"}, "items": items}).to_string();
            let lines = if is_watch { events.iter().map(|event| format!("{event}\n")).collect() } else { vec![whole] };
            let frames =
                stream::iter(lines.into_iter().map(|line| Ok::<_, Infallible>(Frame::data(Bytes::from(line)))));
            // A watch stays open.
            let rest = stream::unfold(is_watch, |open| async move {
                if open {
                    std::future::pending::<()>().await;
                }
                None
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(frames.chain(rest))))
        }
    };
    Client::new(tower::service_fn(answer), "default")
}

fn object(kind: &str, name: &str, version: &str, spec: &Value) -> Value {
    let api = if kind == "Deployment" { "apps/v1" } else { "podidentity.dev/v1alpha1" };
    json!({
        "apiVersion": api, "kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version},
    })
}

fn deployment(name: &str, version: &str, replicas: &Value) -> Value {
    let template = json!({"spec": {"serviceAccountName": "app", "containers": []}});
    object("Deployment", name, version, &json!({"replicas": replicas, "selector": {}, "template": template}))
}

/// An event as API servers write it: the type comes first.
fn event(kind: &str, object: &Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

/// What is known of the service account once this is true of it.
async fn known_when(client: &Client, is_true: impl Fn(&Snapshot) -> bool) -> Option<Snapshot> {
    let index = Index::default();
    let listeners =
        Listeners { notify: Arc::new(|_| {}), telemetry: Arc::new(NoTelemetry), heartbeats: Heartbeats::default() };
    let (streams, _) = streams(client, &index, &listeners, &WatchScope::Cluster, &BTreeSet::new());
    let running: Vec<_> = streams.into_iter().map(tokio::spawn).collect();
    let key = IdentityKey { namespace: "shop".into(), service_account: "app".into() };
    let known = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let snapshot = index.snapshot(&key, &Arc::default(), jiff::Timestamp::UNIX_EPOCH);
            if let Some(snapshot) = snapshot.filter(&is_true) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let known = known.await.ok();
    running.iter().for_each(tokio::task::JoinHandle::abort);
    known
}

fn bound() -> (&'static str, Value) {
    let spec = json!({"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"});
    ("podidentitybindings", object("PodIdentityBinding", "app", "1", &spec))
}

#[tokio::test]
async fn what_an_object_was_before_it_became_unreadable_is_forgotten() {
    let unreadable = event("MODIFIED", &deployment("app", "6", &json!("many")));
    let later = event("ADDED", &deployment("later", "7", &json!(1)));
    let lists = vec![bound(), ("deployments", deployment("app", "2", &json!(1)))];
    let client = api_server(lists, "deployments", vec![unreadable, later]);
    let known = known_when(&client, |it| it.workloads.iter().any(|it| it.id().name == "later")).await;
    let names: Vec<_> = known.unwrap().workloads.iter().map(|it| it.id().name).collect();
    assert_eq!(names, ["later"]);
}

/// One tenant's large objects must not be in memory at once. The lists of the streams go through
/// `with_bounded_pages`; tests/page_size.rs has the rest.
#[tokio::test]
async fn lists_of_large_objects_are_read_in_small_pages() {
    const PODS: usize = 40;
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&asked);
    let answer = move |request: Request<Body>| {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let number = |name: &str| -> Option<usize> {
            query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?.parse().ok()
        };
        let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
        let is_watch = query.contains("watch=true");
        let mut list = json!({"metadata": {"resourceVersion": "5"}, "items": []});
        if path.ends_with("/podidentitybindings") {
            list["items"] = json!([bound().1]);
        } else if path.ends_with("/pods") && !is_watch {
            log.lock().unwrap().insert(limit);
            let until = from.saturating_add(limit).min(PODS);
            let pod = |n: usize| {
                json!({"metadata": {"name": format!("p{n}"), "namespace": "shop", "uid": format!("p{n}"), "resourceVersion": "1",
                    "annotations": {"a": "x".repeat(100 * 1024)}}, "spec": {"serviceAccountName": "app", "containers": []}})
            };
            list["items"] = (from..until).map(pod).collect();
            if until < PODS {
                list["metadata"]["continue"] = until.to_string().into();
            }
        }
        // As an API server without the feature gate WatchList answers.
        let refusal = json!({"kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid",
            "message": "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature \
                gate is enabled"});
        let streams = query.contains("sendInitialEvents=true");
        async move {
            if is_watch && !streams {
                std::future::pending::<()>().await;
            }
            let (code, body) = if streams { (422, refusal) } else { (200, list) };
            let body = http_body_util::Full::new(Bytes::from(body.to_string()));
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    };
    let client = Client::new(tower::service_fn(answer), "default");
    assert!(known_when(&client, |it| it.pods.len() == PODS).await.is_some(), "not all pods are known");
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|limit| limit * 100 * 1024 <= 2 * 1024 * 1024), "limits: {asked:?}");
}

#[tokio::test]
async fn what_a_later_list_does_not_have_is_gone() {
    let gone = event("ADDED", &deployment("gone", "6", &json!(1)));
    let unreadable = event("ADDED", &deployment("unreadable", "7", &json!("many")));
    let expired =
        json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
    let lists = vec![bound(), ("deployments", deployment("app", "2", &json!(1)))];
    let client = api_server(lists, "deployments", vec![gone, unreadable, event("ERROR", &expired)]);
    let names = |it: &Snapshot| it.workloads.iter().map(|it| it.id().name).collect::<Vec<_>>();
    let was_there = Cell::new(false);
    let known = known_when(&client, |it| {
        was_there.set(was_there.get() || names(it) == ["app", "gone"]);
        was_there.get() && names(it) == ["app"]
    });
    assert!(known.await.is_some(), "seen: {}", was_there.get());
}
