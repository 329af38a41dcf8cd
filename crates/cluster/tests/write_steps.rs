//! What goes over the wire for each step, and what each answer means.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::preflight::{Place, Preflights};
use podidentity_cluster::sts::{Options, Sts};
use podidentity_cluster::write::steps::{Written, write_steps};
use podidentity_core::objects::{WorkloadId, WorkloadKind};
use podidentity_core::outcome::ProblemKind;
use podidentity_core::plan::Plan;
use podidentity_core::provenance::Provenance;
use podidentity_core::step::{Declared, Step, Target};
use serde_json::{Value, json};

type Handle = tower_test::mock::Handle<Request<Body>, Response<Body>>;

struct Seen {
    method: String,
    uri: String,
    body: Value,
}

/// Answers one request and tells what it was.
async fn answer(handle: &mut Handle, code: u16, body: Value) -> Seen {
    let (request, respond) = handle.next_request().await.unwrap();
    let (parts, content) = request.into_parts();
    let bytes = content.collect_bytes().await.unwrap();
    respond.send_response(Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap());
    Seen {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

/// Carries out steps against these answers.
async fn carry_out(steps: Vec<Step>, answers: Vec<(u16, Value)>) -> (Written, Vec<Seen>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        for (code, body) in answers {
            seen.push(answer(&mut handle, code, body).await);
        }
        seen
    });
    let written = write_steps(&client, &preflights(), "shop", &Plan { steps, ..Plan::default() }).await;
    (written, server.await.unwrap())
}

/// Of no use: these steps ask nothing.
fn preflights() -> Preflights {
    let options = Options::from_environment("test");
    Preflights::new(Sts::new(options).unwrap(), Place::Unknown, 1)
}

fn target(name: &str) -> Target {
    Target { name: name.into(), uid: "the-uid".into(), resource_version: "42".into() }
}

fn annotate(force: bool) -> Step {
    let annotations = BTreeMap::from([("eks.amazonaws.com/role-arn".to_owned(), "the-role".to_owned())]);
    Step::Annotate { account: target("my-app"), annotations, force, written_for: None, declared: None }
}

fn roll(name: &str) -> Step {
    let workload = WorkloadId { kind: WorkloadKind::Deployment, name: name.into() };
    Step::Restart { workload, target: target(name), mark: "abc".into() }
}

fn account_with(annotations: &Value) -> Value {
    json!({"metadata": {
        "name": "my-app", "namespace": "shop", "uid": "the-uid", "resourceVersion": "43", "annotations": annotations,
    }})
}

/// A workload whose template has this mark.
fn marked(name: &str, mark: &str) -> Value {
    let template = json!({"metadata": {"annotations": {"podidentity.dev/identity": mark}}});
    json!({"metadata": {"name": name}, "spec": {"template": template}})
}

fn account() -> Value {
    account_with(&json!({"eks.amazonaws.com/role-arn": "the-role"}))
}

fn status(code: u16, reason: &str, message: &str, causes: &Value) -> (u16, Value) {
    let details = json!({"causes": causes});
    (code, json!({"status": "Failure", "code": code, "reason": reason, "message": message, "details": details}))
}

#[tokio::test]
async fn annotating_applies_our_keys_alone_on_the_object_as_it_was_seen() {
    let (written, seen) = carry_out(vec![annotate(false)], vec![(200, account())]).await;
    assert_eq!(written.problems, []);
    assert_eq!(seen[0].method, "PATCH");
    assert_eq!(seen[0].uri, "/api/v1/namespaces/shop/serviceaccounts/my-app?&fieldManager=podidentity-operator");
    let expected = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "my-app", "namespace": "shop", "uid": "the-uid", "resourceVersion": "42",
            "annotations": {"eks.amazonaws.com/role-arn": "the-role"},
        },
    });
    assert_eq!(seen[0].body, expected);
}

fn list(items: &Value) -> Value {
    let (version, kind) = ("meta.k8s.io/v1", "PartialObjectMetadataList");
    json!({"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": "60"}, "items": items})
}

/// Takes the role away that stands there, for a binding of this generation.
fn replace(generation: i64) -> Step {
    let Step::Annotate { account, annotations, force, .. } = annotate(false) else { panic!() };
    let declared = Some(Declared { binding: "app".into(), uid: "its-uid".into(), generation });
    Step::Annotate { account, annotations, force, written_for: None, declared }
}

#[tokio::test]
async fn a_role_of_ours_is_replaced_only_if_no_later_declaration_is_found() {
    let binding = json!({"metadata": {"name": "app", "uid": "its-uid", "generation": 2, "resourceVersion": "50"}});
    let (written, seen) = carry_out(vec![replace(2)], vec![(200, list(&json!([binding]))), (200, account())]).await;
    assert_eq!(written.problems, []);
    assert!(seen[0].uri.ends_with("/podidentitybindings?&fieldSelector=metadata.name%3Dapp"), "{}", seen[0].uri);
    assert_eq!([seen[0].method.as_str(), seen[1].method.as_str()], ["GET", "PATCH"]);

    for items in [json!([binding]), json!([])] {
        let (written, seen) = carry_out(vec![replace(1), roll("web")], vec![(200, list(&items))]).await;
        assert_eq!(written.problems[0].kind, ProblemKind::Stale);
        assert_eq!(written.problems[0].what, "PodIdentityBinding shop/app");
        assert_eq!((written.done.len(), seen.len()), (0, 1));
    }
}

#[tokio::test]
async fn rolling_applies_one_annotation_of_the_template() {
    let (written, seen) = carry_out(vec![roll("web")], vec![(200, marked("web", "abc"))]).await;
    assert_eq!(written.done, [roll("web")]);
    let template = json!({"template": {"metadata": {"annotations": {"podidentity.dev/identity": "abc"}}}});
    assert_eq!(seen[0].body["spec"], template);
    assert_eq!(seen[0].body["metadata"]["resourceVersion"], "42");
}

#[tokio::test]
async fn the_binding_that_annotations_are_written_for_stands_beside_them() {
    let Step::Annotate { account: target, annotations, force, .. } = annotate(false) else { panic!() };
    let written_for = Provenance { binding: "app".into(), uid: "u".into(), generation: 3, hash: "abc".into() };
    let step = Step::Annotate { account: target, annotations, force, written_for: Some(written_for), declared: None };
    let (_, seen) = carry_out(vec![step], vec![(200, account())]).await;
    let expected = json!({"eks.amazonaws.com/role-arn": "the-role", "podidentity.dev/bound-by": "app/u/3/abc"});
    assert_eq!(seen[0].body["metadata"]["annotations"], expected);
}

/// An admission policy or webhook changes the object on its way.
#[tokio::test]
async fn an_answer_without_what_was_applied_is_a_problem() {
    for stored in [json!({"eks.amazonaws.com/role-arn": "another"}), json!({})] {
        let (written, _) = carry_out(vec![annotate(false)], vec![(200, account_with(&stored))]).await;
        assert_eq!(written.done, []);
        assert_eq!(written.problems[0].kind, ProblemKind::Rewritten);
        assert_eq!(written.objects.len(), 1, "what it is now is known all the same");
    }
    let answers = vec![(200, marked("web", "other")), (200, marked("worker", "abc"))];
    let (written, _) = carry_out(vec![roll("web"), roll("worker")], answers).await;
    assert_eq!(written.done, [roll("worker")]);
    assert_eq!(written.problems[0].kind, ProblemKind::Rewritten);
    assert_eq!(written.problems[0].workload.as_ref().unwrap().name, "web");
}

#[tokio::test]
async fn every_refusal_is_told_apart() {
    let conflict = json!([{
        "reason": "FieldManagerConflict",
        "message": "conflict with \"helm\"",
        "field": ".metadata.annotations.eks.amazonaws.com/role-arn",
    }]);
    for (answer, kind) in [
        (status(409, "Conflict", "conflict", &conflict), ProblemKind::Conflict),
        (status(409, "Conflict", "the object has been modified", &json!([])), ProblemKind::Stale),
        (status(404, "NotFound", "not found", &json!([])), ProblemKind::Stale),
        (status(403, "Forbidden", "not allowed", &json!([])), ProblemKind::Refused),
        (status(422, "Invalid", "invalid", &json!([])), ProblemKind::Refused),
        (status(429, "TooManyRequests", "slow down", &json!([])), ProblemKind::Failed),
        (status(500, "InternalError", "oops", &json!([])), ProblemKind::Failed),
        (status(503, "ServiceUnavailable", "later", &json!([])), ProblemKind::Failed),
    ] {
        let shown = answer.1.to_string();
        let (written, _) = carry_out(vec![annotate(false)], vec![answer]).await;
        assert_eq!(written.problems[0].kind, kind, "{shown}");
        assert_eq!(written.problems[0].what, "ServiceAccount shop/my-app");
    }
}

#[tokio::test]
async fn the_conflicting_manager_and_field_are_named() {
    let causes = json!([{"reason": "FieldManagerConflict", "message": "conflict with \"helm\"", "field": ".metadata"}]);
    let (written, _) = carry_out(vec![annotate(false)], vec![status(409, "Conflict", "conflict", &causes)]).await;
    assert_eq!(written.problems[0].message, "conflict with \"helm\" (.metadata)");
}

#[tokio::test]
async fn a_failed_step_ends_the_run_but_rolls_are_independent() {
    let failed = || status(500, "InternalError", "oops", &json!([]));
    let (written, seen) = carry_out(vec![annotate(true), roll("a")], vec![failed()]).await;
    assert_eq!((written.done.len(), seen.len()), (0, 1));

    let web = marked("b", "abc");
    let (written, seen) = carry_out(vec![roll("a"), roll("b")], vec![failed(), (200, web)]).await;
    assert_eq!((written.done, seen.len()), (vec![roll("b")], 2));
}

#[tokio::test]
async fn an_empty_plan_sends_nothing() {
    let (written, seen) = carry_out(Vec::new(), Vec::new()).await;
    assert!(written.done.is_empty() && written.problems.is_empty() && seen.is_empty());
}

fn remove_finalizer() -> Step {
    Step::SetFinalizer { binding: target("app"), present: false }
}

fn binding(finalizers: &[&str]) -> Value {
    json!({
        "metadata": {
            "name": "app", "namespace": "shop", "uid": "the-uid", "resourceVersion": "43", "finalizers": finalizers,
        },
        "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"},
    })
}

#[tokio::test]
async fn a_finalizer_that_another_manager_owns_too_is_removed_all_the_same() {
    let left = binding(&["example.com/other", "podidentity.dev/release"]);
    let answers = vec![(200, left), (200, binding(&["example.com/other"]))];
    let (written, seen) = carry_out(vec![remove_finalizer()], answers).await;
    assert_eq!(written.problems, []);
    let expected =
        json!({"metadata": {"uid": "the-uid", "resourceVersion": "43", "finalizers": ["example.com/other"]}});
    assert_eq!((seen[1].method.as_str(), &seen[1].body), ("PATCH", &expected));
}

#[tokio::test]
async fn a_finalizer_is_removed_from_a_binding_that_cannot_be_applied_to() {
    let refused = status(500, "InternalError", "failed to create typed live object: expected string", &json!([]));
    let left = list(&json!([binding(&["podidentity.dev/release"])]));
    let answers = vec![refused, (200, left), (200, binding(&[]))];
    let (written, seen) = carry_out(vec![remove_finalizer()], answers).await;
    assert_eq!(written.problems, []);
    assert_eq!((seen[1].method.as_str(), seen[2].body["metadata"]["finalizers"].clone()), ("GET", json!([])));
}
