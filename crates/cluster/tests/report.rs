//! Statuses are written one by one: one that fails takes nothing from the others.

#![allow(clippy::unwrap_used)]

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_api::PodIdentityBindingStatus;
use podidentity_cluster::index::Index;
use podidentity_cluster::report;
use podidentity_core::outcome::ProblemKind;
use podidentity_core::status::Report;
use podidentity_core::step::Target;
use serde_json::json;

fn report(name: &str) -> Report {
    let binding = Target { name: name.into(), uid: "the-uid".into(), resource_version: "42".into() };
    Report { binding, status: PodIdentityBindingStatus::default(), urgent: true }
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
    let client = Client::new(service, "default");
    let reports = ["first", "second", "third"].map(report);
    let (written, problem) = report::write(&client, &Index::default(), "shop", &reports).await;
    assert_eq!(written, [&reports[1]]);
    let problem = problem.unwrap();
    assert_eq!((problem.kind, problem.what.as_str()), (ProblemKind::Refused, "PodIdentityBinding shop/first"));
}
