//! The API server's audit log: every request, as the server saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// The service account that creates the load of benchmarks, in the operator's namespace.
pub(crate) const LOAD: &str = "bench-load";

/// Users whose requests belong to the control plane itself or to the load.
const NOISE: &[&str] = &[
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kwok",
    "system:anonymous",
    "system:serviceaccount:podidentity-system:bench-load",
];

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(rename = "auditID")]
    audit_id: String,
    /// `get`, `list`, `watch`, `create`, `patch`, ...
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// The user that sent the request.
    pub user: RequestUser,
    /// The target of the request; absent for paths such as `/version`.
    pub object_ref: Option<ObjectRef>,
    /// The answer.
    pub response_status: Option<ResponseStatus>,
    /// When the request arrived.
    pub request_received_timestamp: Timestamp,
    /// When it was answered; for a watch, when it began or ended.
    pub stage_timestamp: Timestamp,
}

/// The user that sent a request.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestUser {
    /// For example `system:serviceaccount:podidentity-system:podidentity-operator`.
    #[serde(default)]
    pub username: String,
}

/// The answer.
#[derive(Clone, Debug, Deserialize)]
pub struct ResponseStatus {
    /// HTTP status.
    #[serde(default)]
    pub code: u16,
}

/// The target of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    /// For example `deployments`.
    pub resource: String,
    /// For example `status`.
    pub subresource: String,
    /// Namespace, empty for cluster-wide requests.
    pub namespace: String,
    /// Name, empty for lists and watches.
    pub name: String,
}

impl Request {
    /// Whether the request can change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch" | "head" | "options")
    }

    /// Whether the request is about this resource in this namespace.
    pub fn is_about(&self, namespace: &str, resource: &str) -> bool {
        self.object_ref.as_ref().is_some_and(|object| object.namespace == namespace && object.resource == resource)
    }

    /// `patch deployments my-ns/my-app (200)`.
    pub fn summary(&self) -> String {
        let code = self.response_status.as_ref().map_or(0, |status| status.code);
        let Some(object) = &self.object_ref else {
            return format!("{} {} ({code})", self.verb, self.uri);
        };
        let mut text = format!("{} {}", self.verb, object.resource);
        for (mark, part) in [("/", &object.subresource), (" ", &object.namespace), ("/", &object.name)] {
            if !part.is_empty() {
                let _ = write!(text, "{mark}{part}");
            }
        }
        format!("{text} ({code})")
    }
}

/// The policy: all requests except the control plane's own. The log also has a watch when it
/// *starts*: its end may be minutes away.
pub(crate) fn policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "None", "users": NOISE}, {"level": "Metadata"}],
    })
}

/// Reads all requests, each once, in the order of their arrival.
pub(crate) fn read(log: &Path) -> Result<Vec<Request>> {
    let text = std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    // The server may still be writing the last line.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut seen = BTreeSet::new();
    let mut requests = Vec::new();
    for line in complete.lines() {
        let request: Request = serde_json::from_str(line).with_context(|| format!("not an audit event: {line}"))?;
        if seen.insert(request.audit_id.clone()) {
            requests.push(request);
        }
    }
    requests.sort_by_key(|request| request.request_received_timestamp);
    Ok(requests)
}

/// Reads the complete lines from this position on. Returns the requests and the next position.
/// Requests that the server logs twice, such as watches, appear twice.
pub(crate) fn read_from(log: &Path, place: u64) -> Result<(Vec<Request>, u64)> {
    let mut file = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // The server may still be writing the last line.
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    let next = place + u64::try_from(bytes.len())?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let requests: Result<Vec<Request>, _> = lines.map(serde_json::from_slice).collect();
    Ok((requests.context("not an audit event")?, next))
}

/// One line per kind of request with its count, for messages.
pub fn summary<'a>(requests: impl IntoIterator<Item = &'a Request>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for request in requests {
        *counts.entry(request.summary()).or_default() += 1;
    }
    counts.iter().fold(String::new(), |mut text, (what, count)| {
        let _ = writeln!(text, "  {count:>4} x {what}");
        text
    })
}
