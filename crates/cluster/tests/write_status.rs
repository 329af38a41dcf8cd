//! Statuses are written one by one: one that fails takes nothing from the others.

#![allow(clippy::unwrap_used)]

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_api::PodIdentityBindingStatus;
use podidentity_cluster::http::clock::Clock;
use podidentity_cluster::index::Index;
use podidentity_cluster::write::status::StatusWriter;
use podidentity_core::outcome::ProblemKind;
use podidentity_core::status::Report;
use podidentity_core::step::Target;
use serde_json::json;

fn report(name: &str) -> Report {
    let binding = Target { name: name.into(), uid: "the-uid".into(), resource_version: "42".into() };
    Report { binding, status: PodIdentityBindingStatus::default(), urgent: true, refusal_recorded: true }
}

fn writer<'a>(client: &'a Client, index: &'a Index, clock: &'a Clock) -> StatusWriter<'a> {
    StatusWriter { client, clock, index, namespace: "shop" }
}

#[tokio::test]
async fn those_that_were_written_are_told_apart_from_those_that_were_not() {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        while let Some((request, respond)) = handle.next_request().await {
            let written = request.uri().path().ends_with("/second/status");
            let (code, body) = if written {
                let spec = json!({"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"});
                (200, json!({"metadata": {"name": "second", "namespace": "shop"}, "spec": spec}))
            } else {
                (403, json!({"status": "Failure", "code": 403, "reason": "Forbidden", "message": "not allowed"}))
            };
            let body = Body::from(body.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    let (client, index, clock) = (Client::new(service, "default"), Index::default(), Clock::default());
    let reports = ["first", "second", "third"].map(report);
    let reported = writer(&client, &index, &clock).write(&reports).await;
    assert_eq!((reported.written, reported.refused), (vec![&reports[1]], 2));
    let problem = reported.problem.unwrap();
    assert_eq!((problem.kind, problem.what.as_str()), (ProblemKind::Refused, "PodIdentityBinding shop/first"));
}

#[tokio::test]
async fn in_the_place_of_one_that_cannot_be_stored_a_minimal_one_is_written() {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        let mut written = Vec::new();
        while let Some((request, respond)) = handle.next_request().await {
            let body = request.into_body().collect_bytes().await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let full = body["status"]["findings"].is_array();
            written.push(body);
            let answer = if full {
                json!({"status": "Failure", "code": 500, "reason": "InternalError", "message": "etcdserver: request is too large"})
            } else {
                let spec = json!({"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"});
                json!({"metadata": {"name": "first", "namespace": "shop"}, "spec": spec})
            };
            let code = if full { 500 } else { 200 };
            let body = Body::from(answer.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).unwrap());
        }
        written
    });
    let (client, index, clock) = (Client::new(service, "default"), Index::default(), Clock::default());
    let mut report = Report { refusal_recorded: false, ..report("first") };
    report.status = serde_json::from_value(json!({
        "observedGeneration": 7,
        "roleArn": "arn:aws:iam::111122223333:role/my-role",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Verified", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "findings": [{"severity": "Error", "reason": "StaleRole", "object": "Pod/web", "message": "..."}],
        "findingsTotal": 1,
    }))
    .unwrap();
    let reports = [report.clone(), Report { refusal_recorded: true, ..report }];
    let reported = writer(&client, &index, &clock).write(&reports).await;
    assert_eq!((reported.written.len(), reported.refused), (0, 2));
    drop(client);
    let written = server.await.unwrap();
    // Once for each try, and the minimal one only where it is not there yet.
    assert_eq!(written.len(), 3);
    let minimal = &written[1]["status"];
    assert_eq!(minimal["conditions"].as_array().unwrap().len(), 1);
    assert_eq!(minimal["conditions"][0]["status"], "Unknown");
    assert_eq!(minimal["conditions"][0]["reason"], "WriteRefused");
    assert_eq!(minimal["roleArn"], "arn:aws:iam::111122223333:role/my-role");
    assert_eq!(minimal["observedGeneration"], 7);
    assert!(minimal["findings"].is_null(), "{minimal}");
}

/// A definition that is older than the operator lacks a field. What else differs is stored, and only
/// then does the operator look again at once.
#[tokio::test]
async fn what_an_older_definition_can_store_is_stored_once() {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        let (mut stored, mut version, mut requests) = (json!({}), 42, 0);
        while let Some((request, respond)) = handle.next_request().await {
            requests += 1;
            let body = request.into_body().collect_bytes().await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let (code, answer) = if body["status"]["declaredRoleArn"].is_string() {
                let message = "failed to create typed patch object (shop/app; podidentity.dev/v1alpha1, \
                               Kind=PodIdentityBinding): .status.declaredRoleArn: field not declared in schema";
                (500, json!({"status": "Failure", "code": 500, "reason": "InternalError", "message": message}))
            } else {
                version += i32::from(stored != body["status"]);
                stored = body["status"].clone();
                let metadata = json!({"name": "app", "namespace": "shop", "resourceVersion": version.to_string()});
                let spec = json!({"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"});
                (200, json!({"metadata": metadata, "spec": spec, "status": stored}))
            };
            let body = Body::from(answer.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).unwrap());
        }
        requests
    });
    let (client, index, clock) = (Client::new(service, "default"), Index::default(), Clock::default());
    let status = json!({"declaredRoleArn": "arn:aws:iam::111122223333:role/my-role", "rolled": "0/1"});
    let first = Report { status: serde_json::from_value(status).unwrap(), ..report("app") };
    let second = Report { binding: Target { resource_version: "43".into(), ..first.binding.clone() }, ..first.clone() };
    let (first, second) = ([first], [second]);
    let writer = writer(&client, &index, &clock);
    let changed = [writer.write(&first).await, writer.write(&second).await].map(|it| (it.written.len(), it.changed));
    assert_eq!(changed, [(1, true), (1, false)]);
    drop(client);
    assert_eq!(server.await.unwrap(), 4, "two for each status");
}
