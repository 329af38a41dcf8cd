//! Tests of rules, between a client and a fake API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{AsyncBufReadExt, FutureExt, TryStreamExt};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};

use super::proxy::{Helper, Proxy};
use super::rules::{Deed, Rule};

/// Events of the fake API server: two objects, `a` and `b`.
const EVENTS: [(&str, &str); 5] =
    [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("MODIFIED", "a")];

/// A fake API server that answers writes with 200 and lists with their own path, and counts writes.
fn api_server(writes: Arc<AtomicUsize>) -> Client {
    let answer = move |request: Request<Body>| {
        let writes = Arc::clone(&writes);
        async move {
            let uri = request.uri().to_string();
            if uri.contains("watch=true") {
                let lines = EVENTS.iter().enumerate().map(|(number, (kind, name))| {
                    let metadata = json!({"name": name, "resourceVersion": number.to_string()});
                    Ok::<_, std::io::Error>(Frame::data(Bytes::from(format!(
                        "{}\n",
                        json!({"type": kind, "object": {"metadata": metadata}})
                    ))))
                });
                let lines: Vec<_> = lines.collect();
                return Ok::<_, std::io::Error>(Response::new(Either::Stream(StreamBody::new(futures::stream::iter(
                    lines,
                )))));
            }
            if request.method() == http::Method::PATCH {
                writes.fetch_add(1, Ordering::SeqCst);
            }
            let answer = json!({"uri": uri, "metadata": {"resourceVersion": "41"}}).to_string();
            Ok(Response::new(Either::Whole(Body::from(answer.into_bytes()))))
        }
    };
    Client::new(tower::service_fn(answer), "default")
}

type Lines = StreamBody<futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::io::Error>>>>;

/// Both kinds of responses, as one body.
enum Either {
    Stream(Lines),
    Whole(Body),
}

impl hyper::body::Body for Either {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Stream(lines) => std::pin::Pin::new(lines).poll_frame(context),
            Self::Whole(body) => std::pin::Pin::new(body).poll_frame(context).map_err(std::io::Error::other),
        }
    }
}

#[derive(Default)]
struct Notes {
    kills: AtomicUsize,
    deeds: AtomicUsize,
}

impl Helper for Notes {
    fn kill_operator(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    fn deed(&self, _: Deed) -> BoxFuture<'_, ()> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        async {}.boxed()
    }
}

/// A proxy with these rules, a client of it, and the observable effects.
struct Scene {
    proxy: Proxy,
    client: Client,
    writes: Arc<AtomicUsize>,
    notes: Arc<Notes>,
}

impl Scene {
    async fn with(rules: &[&str]) -> Result<Self> {
        let (writes, notes) = (Arc::<AtomicUsize>::default(), Arc::<Notes>::default());
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse()).collect::<Result<_>>()?;
        let helper: Arc<dyn Helper> = Arc::clone(&notes) as _;
        let proxy = Proxy::start(api_server(Arc::clone(&writes)), Some("mine"), &rules, helper).await?;
        let mut config = Config::new(proxy.server().parse()?);
        config.default_retry = false;
        Ok(Self { client: Client::try_from(config)?, proxy, writes, notes })
    }

    async fn list(&self) -> kube::Result<Value> {
        self.client.request(Request::get("/api/v1/pods?limit=5").body(Vec::new()).unwrap_or_default()).await
    }

    async fn patch(&self) -> kube::Result<Value> {
        let request = Request::patch("/api/v1/namespaces/mine/pods/a").body(b"{}".to_vec()).unwrap_or_default();
        self.client.request(request).await
    }

    /// Type and name of the events of a watch, and whether it ended properly.
    async fn watch(&self) -> (Vec<String>, bool) {
        let request = Request::get("/api/v1/pods?watch=true").body(Vec::new()).unwrap_or_default();
        let Ok(stream) = self.client.request_stream(request).await else { return (Vec::new(), false) };
        let mut lines = stream.lines();
        let mut seen = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(5), lines.try_next()).await {
                Ok(Ok(Some(line))) => {
                    let event: Value = serde_json::from_str(&line).unwrap_or_default();
                    let name = event["object"]["metadata"]["name"].as_str().unwrap_or("?");
                    seen.push(format!("{} {name}", event["type"].as_str().unwrap_or("half a line")));
                }
                Ok(Ok(None)) => return (seen, true),
                Ok(Err(_)) | Err(_) => return (seen, false),
            }
        }
    }
}

#[tokio::test]
async fn without_rules_one_namespace_is_shown_as_it_is() -> Result<()> {
    let scene = Scene::with(&[]).await?;
    assert_eq!(scene.list().await?["uri"], "/api/v1/namespaces/mine/pods?limit=5");
    assert_eq!(scene.watch().await.0, ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b", "MODIFIED a"]);
    scene.patch().await?;
    let (writes, events) = scene.proxy.look(|journal| (journal.writes.clone(), journal.events.len()));
    assert_eq!((writes.len(), writes[0].code, events), (1, Some(200), 5));
    Ok(())
}

#[tokio::test]
async fn a_refused_request_does_not_reach_the_api_server() -> Result<()> {
    let scene = Scene::with(&["patch pods/a #2: answer 429 retry-after 7"]).await?;
    scene.patch().await?;
    let Err(kube::Error::Api(status)) = scene.patch().await else { panic!("not refused") };
    assert_eq!(status.code, 429);
    scene.patch().await?;
    assert_eq!(scene.writes.load(Ordering::SeqCst), 2);
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_is_that_of_a_write_that_was_done() -> Result<()> {
    let scene = Scene::with(&["patch pods/a: drop answer", "patch pods/a #2: reset"]).await?;
    assert!(scene.patch().await.is_err());
    assert_eq!(scene.writes.load(Ordering::SeqCst), 1);
    assert!(scene.patch().await.is_err());
    assert_eq!(scene.writes.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn the_operator_is_killed_before_or_after() -> Result<()> {
    let scene = Scene::with(&["patch pods/a: kill before", "patch pods/a #2: kill after"]).await?;
    assert!(scene.patch().await.is_err());
    assert_eq!((scene.writes.load(Ordering::SeqCst), scene.notes.kills.load(Ordering::SeqCst)), (0, 1));
    assert!(scene.patch().await.is_err());
    assert_eq!((scene.writes.load(Ordering::SeqCst), scene.notes.kills.load(Ordering::SeqCst)), (1, 2));
    Ok(())
}

#[tokio::test]
async fn in_the_past_lists_are_those_of_then() -> Result<()> {
    let scene = Scene::with(&["patch pods/a: stale 60s"]).await?;
    scene.list().await?;
    assert!(scene.patch().await.is_err());
    let uri = scene.list().await?["uri"].clone();
    assert_eq!(uri, "/api/v1/namespaces/mine/pods?limit=5&resourceVersion=41&resourceVersionMatch=Exact");
    Ok(())
}

#[tokio::test]
async fn half_an_answer_is_an_error() -> Result<()> {
    let scene = Scene::with(&["list pods: truncate"]).await?;
    assert!(scene.list().await.is_err());
    scene.list().await?;
    Ok(())
}

#[tokio::test]
async fn a_skipped_event_is_part_of_the_next_one_about_its_object() -> Result<()> {
    let scene = Scene::with(&["event pods/a #1: coalesce"]).await?;
    assert_eq!(scene.watch().await.0, ["ADDED b", "MODIFIED a", "DELETED b", "MODIFIED a"]);
    let scene = Scene::with(&["event pods/a #3: coalesce"]).await?;
    assert_eq!(scene.watch().await.0.len(), 5, "nothing follows: it is shown");
    assert!(scene.proxy.look(|journal| journal.faults.is_empty()));
    Ok(())
}

#[tokio::test]
async fn watches_end_break_expire_and_freeze() -> Result<()> {
    let scene = Scene::with(&["event pods/b: cut"]).await?;
    assert_eq!(scene.watch().await, (vec!["ADDED a".to_owned()], true));
    let scene = Scene::with(&["event pods/b: break"]).await?;
    assert!(!scene.watch().await.1);
    let scene = Scene::with(&["event pods/b: gone"]).await?;
    assert_eq!(scene.watch().await.0, ["ADDED a", "ERROR ?"]);
    let scene = Scene::with(&["event pods/b: freeze"]).await?;
    assert_eq!(scene.watch().await, (vec!["ADDED a".to_owned()], false));
    Ok(())
}

#[tokio::test]
async fn half_open_connections_are_silent_and_new_ones_work() -> Result<()> {
    let scene = Scene::with(&["patch pods/a: half-open"]).await?;
    let patched = tokio::time::timeout(Duration::from_millis(300), scene.patch()).await;
    assert!(patched.is_err(), "an answer came: {patched:?}");
    scene.list().await?;
    Ok(())
}
