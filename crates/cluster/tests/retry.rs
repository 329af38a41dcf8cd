//! A further page of a list is asked for again.

#![allow(clippy::unwrap_used)]

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::retry::{Retry, with_retry};

/// The codes that are left of these after one request, and that request's answer.
async fn ask(retry: Retry, path: &str, codes: &[u16]) -> (u16, usize) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let codes = codes.to_vec();
    let server = tokio::spawn(async move {
        let mut answered = 0;
        for code in codes {
            let Some((_, send)) = handle.next_request().await else { break };
            answered += 1;
            send.send_response(Response::builder().status(code).body(Body::empty()).unwrap());
        }
        answered
    });
    let client = with_retry(&Client::new(service, "default"), retry);
    let code = client.send(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status().as_u16();
    drop(client);
    (code, server.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_further_page_that_was_refused_for_want_of_time_is_asked_for_again() {
    assert_eq!(ask(Retry::FurtherPages, "/api/v1/pods?limit=500&continue=abc", &[429, 503, 200]).await, (200, 3));
    assert_eq!(ask(Retry::FurtherPages, "/api/v1/pods?limit=500&continue=abc", &[503; 9]).await, (503, 8));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_further_page_or_no_want_of_time_is_told_at_once() {
    assert_eq!(ask(Retry::FurtherPages, "/api/v1/pods?limit=500", &[429, 200]).await, (429, 1));
    assert_eq!(ask(Retry::FurtherPages, "/api/v1/pods?limit=500&continue=abc", &[410, 200]).await, (410, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_lists_once_so_its_first_page_is_asked_for_again_as_well() {
    assert_eq!(ask(Retry::EveryPage, "/api/v1/pods?limit=500", &[429, 503, 200]).await, (200, 3));
    assert_eq!(ask(Retry::EveryPage, "/api/v1/pods?limit=500", &[503; 9]).await, (503, 4));
    assert_eq!(ask(Retry::EveryPage, "/api/v1/pods/app", &[503, 200]).await, (503, 1));
}
