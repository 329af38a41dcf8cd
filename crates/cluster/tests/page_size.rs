//! A page of large objects is asked for again with fewer of them.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::page_size::{MOST_BYTES, with_bounded_pages};

/// An API server whose objects have so many bytes each, and what was asked of it.
fn server(bytes_each: usize) -> (Client, Arc<Mutex<Vec<String>>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some((request, send)) = handle.next_request().await {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let limit =
                query.split('&').find_map(|part| part.strip_prefix("limit=")).map_or(1, |it| it.parse().unwrap());
            log.lock().unwrap().push(query);
            let body: Vec<u8> = vec![b'x'; limit * bytes_each];
            send.send_response(Response::new(Body::from(body)));
        }
    });
    (with_bounded_pages(&Client::new(service, "default")), asked)
}

/// The bytes of the answer.
async fn ask(client: &Client, path: &str) -> usize {
    let answer = client.send(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    answer.into_body().collect_bytes().await.unwrap().len()
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_with_half_as_many_objects() {
    let (client, asked) = server(100 * 1024);
    assert!(ask(&client, "/api/v1/pods?limit=100&continue=abc").await <= MOST_BYTES);
    assert_eq!(
        *asked.lock().unwrap(),
        ["limit=100&continue=abc", "limit=50&continue=abc", "limit=25&continue=abc", "limit=12&continue=abc"]
    );
    // The next page begins where this one ended.
    ask(&client, "/api/v1/pods?limit=100&continue=def").await;
    assert_eq!(asked.lock().unwrap().last().unwrap(), "limit=12&continue=def");
}

#[tokio::test]
async fn one_object_may_be_as_large_as_it_is() {
    let (client, asked) = server(3 * 1024 * 1024);
    assert_eq!(ask(&client, "/api/v1/pods?limit=100").await, 3 * 1024 * 1024);
    assert_eq!(asked.lock().unwrap().last().unwrap(), "limit=1");
}

#[tokio::test]
async fn pages_of_small_objects_are_as_they_were_asked_for() {
    let (client, asked) = server(1000);
    for _ in 0..3 {
        ask(&client, "/api/v1/pods?limit=100").await;
    }
    ask(&client, "/api/v1/pods?watch=true").await;
    assert_eq!(*asked.lock().unwrap(), ["limit=100", "limit=100", "limit=100", "watch=true"]);
}
