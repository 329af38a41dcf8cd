//! What is asked of the API server before anything is done.

#![allow(clippy::unwrap_used)]

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::discovery::may_list_namespaces;
use serde_json::{Value, json};

/// What comes of one answer.
async fn asked(code: u16, body: Value) -> Result<(), String> {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let server = tokio::spawn(async move {
        let (request, respond) = handle.next_request().await.unwrap();
        let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap();
        respond.send_response(answer);
        request.uri().to_string()
    });
    let result = may_list_namespaces(&client).await.map_err(|error| error.to_string());
    assert_eq!(server.await.unwrap(), "/api/v1/namespaces?&limit=1");
    result
}

fn refusal(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "", "message": message})
}

#[tokio::test]
async fn grants_cannot_be_required_where_namespaces_cannot_be_listed() {
    let message = "namespaces is forbidden: User \"x\" cannot list resource \"namespaces\"";
    let error = asked(403, refusal(403, message)).await.unwrap_err();
    assert!(error.contains(message) && error.contains("--require-grants") && error.contains("ClusterRole"), "{error}");
}

#[tokio::test]
async fn an_api_server_in_trouble_is_waited_for() {
    assert_eq!(asked(503, refusal(503, "not now")).await, Ok(()));
    let list =
        json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []});
    assert_eq!(asked(200, list).await, Ok(()));
}
