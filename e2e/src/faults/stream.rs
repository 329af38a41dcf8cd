//! A watch that passes through the proxy, event by event.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::pending;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::journal::{Event, SOON};
use super::proxy::{Answer, Broken, Shared, response};
use super::request::Asked;
use super::rules::Action;

type Sender = mpsc::Sender<Result<Frame<Bytes>, Broken>>;

/// The response to a watch: its events, as far as rules let them through.
pub(super) fn watch(shared: Arc<Shared>, asked: Asked, answered: http::Response<Body>, born: u64) -> Response<Answer> {
    let (sender, receiver) = mpsc::channel(64);
    let status = answered.status();
    let content_type = answered.headers().get(http::header::CONTENT_TYPE).cloned();
    let pump = Pump { shared, asked, born, sender, lines: Lines { body: answered.into_body(), read: BytesMut::new() } };
    tokio::spawn(pump.run());
    response(status, content_type, body(receiver))
}

/// The first half of a response; then the connection breaks.
pub(super) fn half(bytes: &Bytes) -> Answer {
    let frames = [Ok(Frame::data(bytes.slice(..bytes.len() / 2))), Err(Broken)];
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

fn body(receiver: mpsc::Receiver<Result<Frame<Bytes>, Broken>>) -> Answer {
    let frames = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    StreamBody::new(frames).boxed_unsync()
}

struct Pump {
    shared: Arc<Shared>,
    asked: Asked,
    born: u64,
    sender: Sender,
    lines: Lines,
}

impl Pump {
    async fn run(mut self) {
        let sender = self.sender.clone();
        // Ends when the operator closes the connection, even while a rule delays it.
        tokio::select! {
            () = sender.closed() => {}
            () = self.pump() => {}
        }
    }

    async fn pump(&mut self) {
        while let Some(line) = self.lines.next().await {
            let lag = self.shared.catches_up_in();
            tokio::time::sleep(lag).await;
            if self.pass(line).await.is_none() {
                return;
            }
        }
    }

    /// Delivers one event, or applies a rule; `None`: the watch is over.
    async fn pass(&mut self, line: Bytes) -> Option<()> {
        let Some(seen) = Seen::of(&line) else {
            if is_error(&line) {
                self.shared.note_error(format!("{}: the watch ends with an error", self.asked));
            }
            return self.send(line).await;
        };
        self.shared.is_at(&seen.version);
        let resource = &self.asked.resource;
        let key = format!("event {resource}/{}", seen.name);
        let nth = self.shared.count(&key);
        let among = self.shared.count(&format!("event {resource}"));
        self.shared.note_event(Event {
            at: Instant::now(),
            resource: resource.clone(),
            name: seen.name.clone(),
            nth,
            among,
            kind: seen.kind.clone(),
        });
        match self.shared.action(|rule| rule.is_about_event(resource, &seen.name), &key) {
            Some(Action::Delay(by)) => tokio::time::sleep(by).await,
            Some(Action::Cut) => return None,
            Some(Action::Break) => {
                self.send(line.slice(..line.len() / 2)).await?;
                let _ = self.sender.send(Err(Broken)).await;
                return None;
            }
            Some(Action::Gone) => {
                self.send(gone()).await?;
                return None;
            }
            Some(Action::Freeze(None)) => return pending().await,
            Some(Action::Freeze(Some(lasting))) => tokio::time::sleep(lasting).await,
            Some(Action::Coalesce) => return self.skip(&seen.name, line).await,
            Some(Action::Lose) => return Some(()),
            Some(Action::After(deed) | Action::Before(deed)) => self.shared.helper().deed(deed).await,
            Some(Action::KillBefore | Action::KillAfter) => self.shared.helper().kill_operator(),
            _ => {}
        }
        self.send(line).await
    }

    /// Delivers nothing until another event about the object arrives, then all events except the
    /// first one.
    async fn skip(&mut self, name: &str, first: Bytes) -> Option<()> {
        let mut held = Vec::new();
        let again = async {
            while let Some(line) = self.lines.next().await {
                let same = Seen::of(&line).is_some_and(|seen| seen.name == name);
                held.push(line);
                if same {
                    return true;
                }
            }
            false
        };
        let skipped = timeout(SOON, again).await.unwrap_or(false);
        if !skipped {
            self.shared.note_skip_in_vain();
            self.send(first).await?;
        }
        for line in held {
            // Each event is recorded, and another rule may apply to it.
            Box::pin(self.pass(line)).await?;
        }
        Some(())
    }

    async fn send(&mut self, line: Bytes) -> Option<()> {
        if self.shared.is_silent(self.born) {
            return pending().await;
        }
        self.sender.send(Ok(Frame::data(line))).await.ok()
    }
}

/// The object of an event.
struct Seen {
    kind: String,
    name: String,
    version: String,
}

impl Seen {
    /// `None` for bookmarks and errors.
    fn of(line: &Bytes) -> Option<Self> {
        let event: Value = serde_json::from_slice(line).ok()?;
        let kind = event["type"].as_str()?;
        if !matches!(kind, "ADDED" | "MODIFIED" | "DELETED") {
            return None;
        }
        let metadata = &event["object"]["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        Some(Self { kind: kind.to_owned(), name: text("name"), version: text("resourceVersion") })
    }
}

fn is_error(line: &Bytes) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|event| event["type"] == "ERROR")
}

fn gone() -> Bytes {
    let status = json!({"type": "ERROR", "object": {
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
        "message": "too old resource version, says the fault proxy",
    }});
    Bytes::from(format!("{status}\n"))
}

/// The lines of a body.
struct Lines {
    body: Body,
    read: BytesMut,
}

impl Lines {
    /// The next line with its line end. Dropping this future loses no data that it has read.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                return Some(self.read.split_to(end + 1).freeze());
            }
            let mut chunks = (&mut self.body).into_data_stream();
            let chunk = chunks.next().await?.ok()?;
            self.read.extend_from_slice(&chunk);
        }
    }
}
