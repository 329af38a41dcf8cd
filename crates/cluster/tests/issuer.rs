//! What is asked of the API server at the start.

#![allow(clippy::unwrap_used, clippy::panic)]

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::discovery::{NoIssuer, discover_issuer, issuer};
use serde_json::{Value, json};

/// The issuer that is discovered from an API server that gives these answers.
async fn discovered(answers: Vec<(u16, Value)>) -> Option<String> {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        for (code, body) in answers {
            let (_, respond) = handle.next_request().await.unwrap();
            let body = Body::from(body.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    let issuer = discover_issuer(&Client::new(service, "default")).await;
    server.await.unwrap();
    issuer
}

fn failure(code: u16) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": "", "message": ""}))
}

#[tokio::test(start_paused = true)]
async fn the_issuer_is_asked_for_until_the_api_server_is_well() {
    let told = (200, json!({"issuer": "https://issuer.example.com"}));
    let issuer = discovered(vec![failure(503), failure(500), failure(429), told]).await;
    assert_eq!(issuer.as_deref(), Some("https://issuer.example.com"));
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_be_known_nobody_waits_for_it() {
    assert_eq!(discovered(vec![failure(403)]).await, None);
    assert_eq!(discovered(vec![failure(404)]).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_asks_once_is_told_why_there_is_no_issuer() {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let server = tokio::spawn(async move {
        let (_, respond) = handle.next_request().await.unwrap();
        let (code, body) = failure(503);
        let body = Body::from(body.to_string().into_bytes());
        respond.send_response(Response::builder().status(code).body(body).unwrap());
        // The second is never answered, and there is no third.
        let (_, unanswered) = handle.next_request().await.unwrap();
        let end = handle.next_request().await.is_none();
        drop(unanswered);
        end
    });
    assert!(matches!(issuer(&client).await, Err(NoIssuer::Trouble(why)) if why.starts_with("503")));
    assert!(matches!(issuer(&client).await, Err(NoIssuer::Trouble(why)) if why == "no answer within 10 s"));
    drop(client);
    assert!(server.await.unwrap());
}
