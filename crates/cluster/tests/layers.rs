//! What requests pass through: told of, refused while this process may not write, felt as signs of
//! life.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use podidentity_cluster::http::fence::{Fence, WriteScope};
use podidentity_cluster::http::layers;
use podidentity_cluster::http::telemetry::{RequestKind, Telemetry};

type Server = tower_test::mock::Mock<Request<Body>, Response<Body>>;

/// An API server that answers everything with this code.
fn server(code: u16) -> (ClientBuilder<Server>, Arc<Mutex<Vec<Method>>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some((request, send)) = handle.next_request().await {
            noted.lock().unwrap().push(request.method().clone());
            send.send_response(Response::builder().status(code).body(Body::from(b"{}".to_vec())).unwrap());
        }
    });
    (ClientBuilder::new(service, "default"), seen)
}

fn request(method: Method) -> Request<Body> {
    let uri = "/api/v1/namespaces/shop/serviceaccounts/app";
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_closed_fence_keeps_writes_from_the_server() {
    let (client, seen) = server(200);
    let client = client.with_layer(&layers::fence_layer(Fence::closed(WriteScope::Everything))).build();
    let error = client.send(request(Method::PATCH)).await.unwrap_err();
    assert!(error.to_string().contains("this process does not lead"), "{error}");
    client.send(request(Method::GET)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [Method::GET]);
}

#[tokio::test]
async fn an_open_fence_lets_writes_pass() {
    let (client, seen) = server(200);
    let client = client.with_layer(&layers::fence_layer(Fence::open(WriteScope::Everything))).build();
    client.send(request(Method::PATCH)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [Method::PATCH]);
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Telemetry for Notes {
    fn request(&self, request: &RequestKind, code: Option<u16>, _: Duration) {
        self.0.lock().unwrap().push(format!("{} {} {code:?}", request.verb, request.resource));
    }
}

#[tokio::test]
async fn requests_are_told_of_with_their_answers() {
    let notes = Arc::new(Notes::default());
    let (client, _) = server(409);
    let client = client.with_layer(&layers::TelemetryLayer(notes.clone())).build();
    client.send(request(Method::PATCH)).await.unwrap();
    assert_eq!(*notes.0.lock().unwrap(), ["patch serviceaccounts Some(409)"]);
}
