//! A question to AWS: one token, one request, one verdict, and none of it if too much is asked already.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_api::PreflightResult;
use podidentity_api::Reason;
use podidentity_cluster::preflight::{Place, Preflights};
use podidentity_cluster::sts::{Options, Sts};
use podidentity_cluster::write::steps::{Written, write_steps};
use podidentity_core::plan::Plan;
use podidentity_core::preflight::Verdict;
use podidentity_core::step::{Declared, Question, Step, Target};
use podidentity_core::sts::Endpoint;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// `{"alg":"RS256"}`, `{"iss":"https://issuer.example.com","sub":"system:serviceaccount:shop:web","aud":["sts.amazonaws.com"]}`
/// and no signature that anybody would take.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlLmNvbSIsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpzaG9wOndlYiIsImF1ZCI6WyJzdHMuYW1hem9uYXdzLmNvbSJdfQ.c2ln";

const DENIED: &str = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform \
                      sts:AssumeRoleWithWebIdentity</Message></Error><RequestId>r-1</RequestId></ErrorResponse>";

fn question() -> Question {
    let account = Target { name: "web".into(), uid: "uid".into(), resource_version: "1".into() };
    Question {
        declared: Declared { binding: "web".into(), uid: "uid".into(), generation: 1 },
        account,
        role_arn: "arn:aws:iam::111122223333:role/web".into(),
        audience: "sts.amazonaws.com".into(),
        issuer: None,
    }
}

fn preflights(url: &str, at_once: usize) -> Preflights {
    let options = Options { timeout: Duration::from_secs(5), ..Options::from_environment("test") };
    let endpoint = Endpoint::custom(url, None).unwrap();
    Preflights::new(Sts::new(options).unwrap(), Place::Endpoint(endpoint), at_once)
}

/// An STS that gives one answer and returns what it was sent.
async fn sts(status: u16, answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut seen, mut buffer) = (String::new(), [0; 8192]);
        // The end of the form, which is the token.
        while !seen.contains("c2ln") {
            let read = stream.read(&mut buffer).await.unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all((head + answer).as_bytes()).await.unwrap();
        seen
    });
    (url, server)
}

/// Carries out the step against an API server that gives one answer, and returns what that was asked.
async fn carried_out(preflights: &Preflights, code: u16, answer: Value) -> (Written, String, Value) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let server = tokio::spawn(async move {
        let (request, respond) = handle.next_request().await.unwrap();
        let (parts, body) = request.into_parts();
        let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
        let answer = Body::from(answer.to_string().into_bytes());
        respond.send_response(Response::builder().status(code).body(answer).unwrap());
        (format!("{} {}", parts.method, parts.uri), body)
    });
    let plan = Plan { steps: vec![Step::Preflight(question())], ..Plan::default() };
    let acted = write_steps(&client, preflights, "shop", &plan).await;
    let (asked, body) = server.await.unwrap();
    (acted, asked, body)
}

fn failed(acted: &Written) -> (PreflightResult, Reason, &str) {
    let verdict = &acted.asked.as_ref().unwrap().answered.verdict;
    let Verdict::Failed { result, reason, message } = verdict else { unreachable!("{verdict:?}") };
    (*result, *reason, message)
}

fn token() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
        "spec": {"audiences": ["sts.amazonaws.com"]},
        "status": {"token": TOKEN, "expirationTimestamp": "2030-01-01T00:00:00Z"}})
}

fn refusal(code: u16, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message,
        "reason": "Forbidden", "metadata": {}})
}

#[tokio::test]
async fn one_token_is_asked_for_and_one_request_is_made_with_it() {
    let (url, server) = sts(403, DENIED).await;
    let (acted, asked, body) = carried_out(&preflights(&url, 1), 201, token()).await;
    assert!(asked.starts_with("POST /api/v1/namespaces/shop/serviceaccounts/web/token"), "{asked}");
    assert_eq!(body["spec"]["audiences"], json!(["sts.amazonaws.com"]));
    assert_eq!(body["spec"]["expirationSeconds"], 600);
    let sent = server.await.unwrap();
    assert!(sent.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fweb"), "{sent}");
    assert!(sent.contains("RoleSessionName=podidentity-preflight"), "{sent}");
    let (result, reason, message) = failed(&acted);
    assert_eq!((result, reason), (PreflightResult::Refused, Reason::RoleNotAssumable));
    assert!(message.contains("AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"), "{message}");
    assert!(!format!("{acted:?}").contains(&TOKEN[..20]), "the token is kept: {acted:?}");
}

#[tokio::test]
async fn without_a_token_aws_is_not_asked() {
    let words = "serviceaccounts \"web\" is forbidden: User \"x\" cannot create resource \"serviceaccounts/token\"";
    let nowhere = preflights("http://127.0.0.1:1", 1);
    let (acted, ..) = carried_out(&nowhere, 403, refusal(403, words)).await;
    let (result, reason, message) = failed(&acted);
    assert_eq!((result, reason), (PreflightResult::Unavailable, Reason::TokenRefused));
    assert!(message.contains("kubectl apply -n shop -k config/preflight/rights"), "{message}");

    let words = "ValidatingAdmissionPolicy 'podidentity-operator-guard-tokens' denied request: namespace shop";
    let (acted, ..) = carried_out(&nowhere, 403, refusal(403, words)).await;
    let (_, reason, message) = failed(&acted);
    assert_eq!(reason, Reason::TokenRefused);
    assert!(message.contains("kubectl label namespace shop podidentity.dev/preflight=enabled"), "{message}");

    let (acted, ..) = carried_out(&nowhere, 500, refusal(500, "etcdserver: request timed out")).await;
    assert_eq!(failed(&acted).1, Reason::PreflightUnavailable);
}

#[tokio::test]
async fn nobody_there_is_no_refusal() {
    let (acted, ..) = carried_out(&preflights("http://127.0.0.1:1", 1), 201, token()).await;
    let (result, reason, _) = failed(&acted);
    assert_eq!((result, reason), (PreflightResult::Unavailable, Reason::PreflightUnavailable));
}

#[tokio::test]
async fn where_too_much_is_asked_already_nobody_waits() {
    let (service, _handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let plan = Plan { steps: vec![Step::Preflight(question())], ..Plan::default() };
    let acted = write_steps(&client, &preflights("http://127.0.0.1:1", 0), "shop", &plan).await;
    assert!(acted.postponed && acted.asked.is_none() && acted.done.is_empty() && acted.problems.is_empty());
}
