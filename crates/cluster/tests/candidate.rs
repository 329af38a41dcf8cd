//! One who stands for election, against an API server that answers in this or that way.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::fence::{Fence, WriteScope};
use podidentity_cluster::lease::{Candidacy, Candidate, Timing};
use serde_json::{Value, json};
use tower_test::mock::{Handle, pair};

type Server = Handle<Request<Body>, Response<Body>>;

/// So many tries are one without any pause.
const ENDLESS: usize = 1000;

fn candidacy() -> Candidacy {
    let seconds = Duration::from_secs;
    let timing = Timing { duration: seconds(15), renew_deadline: seconds(10), retry_period: seconds(2) };
    Candidacy { namespace: "nowhere".into(), name: "operator".into(), identity: "me".into(), timing }
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn refusal(code: u16, reason: &str, message: &str) -> Response<Body> {
    answer(code, &json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}))
}

/// There is no lease, and none is created; returns how often that was tried.
async fn refuse_to_create(mut server: Server, code: u16, reason: &str) -> usize {
    let mut creates = 0;
    let mut watches = Vec::new();
    while let Some((request, respond)) = server.next_request().await {
        if request.method() == Method::POST {
            creates += 1;
            if creates == ENDLESS {
                break;
            }
            respond.send_response(refusal(code, reason, "not created"));
        } else if request.uri().path().ends_with("/leases/operator") {
            respond.send_response(refusal(404, "NotFound", "there is no lease"));
        } else if request.uri().query().unwrap_or_default().contains("watch=true") {
            watches.push(respond);
        } else {
            let list = json!({"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1", "items": [],
                "metadata": {"resourceVersion": "1"}});
            respond.send_response(answer(200, &list));
        }
    }
    creates
}

/// As in a namespace that does not exist (404): leases there can be read, and there are none.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_another_look_does_not_explain_is_no_reason_to_try_again_at_once() {
    for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
        let (service, server) = pair();
        let server = tokio::spawn(refuse_to_create(server, code, reason));
        let client = Client::new(service, "default");
        let (candidate, leads) =
            Candidate::new(&client, candidacy(), Fence::closed(WriteScope::Everything)).await.unwrap();
        candidate.run(tokio::time::sleep(Duration::from_secs(60))).await;
        drop(client);
        assert!(!*leads.borrow());
        let creates = server.await.unwrap();
        assert!((25..=31).contains(&creates), "{creates} creates in a minute, of one each two seconds");
    }
}
