//! Events are transitions: what goes wrong with them holds nobody up.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_api::{PodIdentityBinding, Reason};
use podidentity_cluster::write::events::EventPublisher;
use podidentity_core::objects::{WorkloadId, WorkloadKind};
use podidentity_core::status::Transition;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_test::mock::Handle;

type Server = Handle<Request<Body>, Response<Body>>;

fn publisher() -> (EventPublisher, impl Future<Output = ()> + Send, Server) {
    let (service, handle) = tower_test::mock::pair();
    let (publisher, publishing) = EventPublisher::new(Client::new(service, "default"));
    (publisher, publishing, handle)
}

fn binding() -> PodIdentityBinding {
    serde_json::from_value(json!({
        "metadata": {"name": "app", "namespace": "shop", "uid": "the-uid"},
        "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"},
    }))
    .unwrap()
}

fn transitions(reasons: &[Reason]) -> Vec<Transition> {
    let one = |&reason: &Reason| Transition { warning: false, reason, note: String::new(), workload: None };
    reasons.iter().map(one).collect()
}

/// Answers a request for an event with what it asks for: the event, or `None` if no more will come.
async fn next_event(server: &mut Server) -> Option<Value> {
    let (request, answer) = server.next_request().await?;
    let event: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
    answer.send_response(Response::new(Body::from(event.to_string().into_bytes())));
    Some(event)
}

/// The same; its reason.
async fn publish_next(server: &mut Server) -> Option<String> {
    Some(next_event(server).await?["reason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn events_come_in_the_order_in_which_they_were_queued_and_none_is_left() {
    let (publisher, publishing, server) = publisher();
    publisher.publish(&binding(), transitions(&[Reason::Annotated, Reason::Rolled])).await;
    publisher.publish(&binding(), transitions(&[Reason::Verified])).await;
    drop(publisher);
    let mut server = pin!(server);
    let seen = async {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(publish_next(&mut server).await.unwrap());
        }
        seen
    };
    let ((), seen) = tokio::join!(publishing, seen);
    assert_eq!(seen, ["Annotated", "Rolled", "Verified"]);
}

/// The method of each request for an event, with the event's count if it says one, until no more
/// come.
async fn requests(server: Server) -> Vec<(String, Option<i64>)> {
    let mut server = pin!(server);
    let mut seen = Vec::new();
    while let Some((request, answer)) = server.next_request().await {
        let method = request.method().to_string();
        let event: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
        answer.send_response(Response::new(Body::from(event.to_string().into_bytes())));
        seen.push((method, event["series"]["count"].as_i64()));
    }
    seen
}

#[tokio::test]
async fn an_event_that_repeats_itself_is_counted_and_after_a_hundred_others_it_is_told_anew() {
    let (publisher, publishing, server) = publisher();
    let publishing = tokio::spawn(publishing);
    let seen = tokio::spawn(async move { requests(server).await });
    let mut binding = binding();
    for _ in 0..3 {
        publisher.publish(&binding, transitions(&[Reason::Annotated])).await;
    }
    for generation in 1..=100 {
        binding.metadata.generation = Some(generation);
        publisher.publish(&binding, transitions(&[Reason::Rolled])).await;
    }
    binding.metadata.generation = None;
    publisher.publish(&binding, transitions(&[Reason::Annotated])).await;
    drop(publisher);
    publishing.await.unwrap();
    let seen = seen.await.unwrap();
    let (new, counted) = (("POST".to_owned(), None), |count| ("PATCH".to_owned(), Some(count)));
    assert_eq!(seen[..3], [new.clone(), counted(2), counted(3)]);
    assert_eq!(seen.len(), 104);
    assert!(seen[3..].iter().all(|request| *request == new), "{seen:?}");
}

#[tokio::test]
async fn the_workload_of_an_event_is_named_as_kubernetes_spells_it() {
    let (publisher, publishing, server) = publisher();
    let publishing = tokio::spawn(publishing);
    let mut server = pin!(server);
    for (kind, api_version) in [(WorkloadKind::StatefulSet, "apps/v1"), (WorkloadKind::Rollout, "argoproj.io/v1alpha1")]
    {
        let mut transitions = transitions(&[Reason::RolloutStarted]);
        transitions[0].workload = Some(WorkloadId { kind, name: "web".to_owned() });
        publisher.publish(&binding(), transitions).await;
        let event = next_event(&mut server).await.unwrap();
        let expected = json!({"apiVersion": api_version, "kind": kind.as_str(), "name": "web", "namespace": "shop"});
        assert_eq!(event["related"], expected);
    }
    drop(publisher);
    publishing.await.unwrap();
}

/// The API server refuses notes beyond a kilobyte, and people read events in a terminal.
#[tokio::test]
async fn a_note_is_one_line_and_bounded_whatever_others_wrote() {
    let (publisher, publishing, server) = publisher();
    let publishing = tokio::spawn(publishing);
    let mut server = pin!(server);
    for text in ["\u{1b}]52;c;eA==\u{7}", "\n::error::FORGED\n", "\u{202e}\u{2028}", "\u{9b}2J", "\u{1f600}"] {
        let mut transitions = transitions(&[Reason::WriteRefused]);
        transitions[0].note = text.repeat(1000);
        publisher.publish(&binding(), transitions).await;
        let event = next_event(&mut server).await.unwrap();
        let note = event["note"].as_str().unwrap();
        assert!(!note.contains(podidentity_core::foreign::is_active), "{note:?}");
        assert!(note.len() <= 1024, "{} bytes", note.len());
    }
    drop(publisher);
    publishing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_never_answered_is_waited_for_a_few_seconds_only() {
    let (publisher, publishing, handle) = publisher();
    publisher.publish(&binding(), transitions(&[Reason::Rolled, Reason::Verified])).await;
    drop(publisher);
    tokio::time::timeout(Duration::from_secs(20), publishing).await.expect("the others are held up");
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_published_events_pile_up_so_far_and_the_rest_is_left_out_after_a_while() {
    let (publisher, publishing, server) = publisher();
    let mut binding = binding();
    let began = Instant::now();
    for generation in 0..2_000 {
        // Of one generation they would be counted together.
        binding.metadata.generation = Some(generation);
        publisher.publish(&binding, transitions(&[Reason::Rolled])).await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    publisher.publish(&binding, transitions(&[Reason::Contested])).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    drop(publisher);
    let mut server = pin!(server);
    let publishing = tokio::spawn(publishing);
    let mut count = 0;
    while let Some(reason) = publish_next(&mut server).await {
        assert_eq!(reason, "Rolled");
        count += 1;
    }
    publishing.await.unwrap();
    assert_eq!(count, 2_000);
}

#[tokio::test]
async fn a_place_that_gets_free_is_taken() {
    let (publisher, publishing, server) = publisher();
    let publishing = tokio::spawn(publishing);
    let queueing = tokio::spawn(async move {
        for number in 0..5_000 {
            let mut binding = binding();
            binding.metadata.generation = Some(number);
            publisher.publish(&binding, transitions(&[Reason::Rolled])).await;
        }
    });
    let mut server = pin!(server);
    let mut count = 0;
    while publish_next(&mut server).await.is_some() {
        count += 1;
    }
    queueing.await.unwrap();
    publishing.await.unwrap();
    assert_eq!(count, 5_000, "none is left out");
}
