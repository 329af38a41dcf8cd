//! Bugs planted between the operator and the API server, to test whether the campaign notices them.
//! The API server sees what an operator with such a bug would send.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::cases;
use super::plan::Plan;
use super::request::Asked;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// After a crash, the workload restarts once more.
    SecondRestart,
    /// After a new role, the previous one is written again.
    StaleArn,
    /// The finalizer of a deleted binding is never removed.
    FinalizerLeft,
    /// A change is never noticed.
    EventLost,
}

/// A bug, the plan that must notice it, and a part of the expected message of an oracle or a wait.
pub fn plans() -> Vec<(Bug, Plan, &'static str)> {
    let plan = |case, rule: &str| {
        let mut plan = Plan::of_rules("planted", &case, &[rule]);
        plan.patience = 45;
        plan
    };
    vec![
        (Bug::SecondRestart, plan(cases::bound(), "patch deployments/app: kill after"), "rolls: "),
        (Bug::StaleArn, plan(cases::role_changed(), "patch deployments/app #2: kill before"), "roles: "),
        (Bug::FinalizerLeft, plan(cases::released(), "patch podidentitybindings.status/app: kill after"), "step Gone"),
        (Bug::EventLost, plan(cases::late(), "event serviceaccounts/app: lose"), "step "),
    ]
}

static PRESENT: Mutex<Option<Bug>> = Mutex::new(None);

/// Plants a bug, or none.
pub fn plant(bug: Option<Bug>) {
    *PRESENT.lock().unwrap_or_else(PoisonError::into_inner) = bug;
}

fn present() -> Option<Bug> {
    *PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The method of the buggy operator's request, if it differs.
pub(super) fn bend(asked: &Asked, method: &Method, body: &Bytes) -> Option<Method> {
    let removes = || serde_json::from_slice::<Value>(body).is_ok_and(|it| it["metadata"]["finalizers"] == json!([]));
    let left = present() == Some(Bug::FinalizerLeft) && *method == Method::PATCH;
    (left && asked.resource == "podidentitybindings" && removes()).then_some(Method::GET)
}

/// The additional requests of the buggy operator.
pub(super) async fn besides(upstream: &kube::Client, asked: &Asked, uri: &str, seen: &Seen, crashed: bool) {
    let body = match present() {
        Some(Bug::SecondRestart) if crashed && asked.resource == "podidentitybindings.status" => {
            seen.take("deployments", true)
        }
        Some(Bug::StaleArn) if asked.resource == "serviceaccounts" => seen.take("serviceaccounts", false),
        _ => None,
    };
    let Some((path, mut body)) = body else { return };
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    if present() == Some(Bug::SecondRestart) {
        body["spec"]["template"]["metadata"]["annotations"] =
            json!({podidentity_api::names::IDENTITY_ANNOTATION: "again"});
    }
    let path = if path.is_empty() { uri.to_owned() } else { path };
    let request = Request::patch(path).header("Content-Type", "application/apply-patch+yaml");
    if let Ok(request) = request.body(Body::from(body.to_string().into_bytes())) {
        let _: Result<Response<Body>, _> = upstream.send(request).await;
    }
}

/// The first write of each resource, which a forgetful operator would repeat.
#[derive(Default)]
pub(super) struct Seen(Mutex<Vec<(String, String, Value)>>);

impl Seen {
    /// Records a write that the API server has accepted.
    pub(super) fn note(&self, asked: &Asked, uri: &str, body: &Bytes) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.verb == "patch"
            && let Ok(body) = serde_json::from_slice(body)
        {
            seen.push((asked.resource.clone(), uri.to_owned(), body));
        }
    }

    /// The first write of the resource, returned once. Without `alone`, only after a second,
    /// different write.
    fn take(&self, resource: &str, alone: bool) -> Option<(String, Value)> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it: Vec<_> = seen.iter().filter(|(which, ..)| which == resource).cloned().collect();
        let (_, path, body) = of_it.first()?;
        let another =
            of_it.iter().any(|(.., other)| other["metadata"]["annotations"] != body["metadata"]["annotations"]);
        if !alone && !another {
            return None;
        }
        seen.retain(|(which, ..)| which != resource);
        Some((path.clone(), body.clone()))
    }
}
