//! Which bindings are ready, observed through one watch, whichever client made them so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use podidentity_api::PodIdentityBinding;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::objects::Identity;
use crate::process::lock;

/// If no binding has become ready for this long, something is broken.
const STALLED: Duration = Duration::from_secs(300);

/// The observed fields of a binding.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Resource)]
#[resource(inherit = PodIdentityBinding)]
struct Binding {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: Option<i64>,
    role_arn: Option<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// The bindings that are ready with the role of the expected round.
pub struct Readiness {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    round: usize,
    ready_at: HashMap<Identity, Timestamp>,
}

impl Readiness {
    /// Starts the watch.
    pub fn start(client: Client) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let changed = Arc::new(Notify::new());
        let task = tokio::spawn(watch(client, Arc::clone(&state), Arc::clone(&changed)));
        Self { state, changed, task }
    }

    /// Expects the roles of this round from now on.
    pub fn expect(&self, round: usize) {
        *lock(&self.state) = State { round, ready_at: HashMap::new() };
    }

    /// Waits until this many bindings are ready with the role. Returns when each became ready.
    pub async fn all(&self, count: usize) -> Result<HashMap<Identity, Timestamp>> {
        loop {
            let changed = self.changed.notified();
            let ready = lock(&self.state).ready_at.len();
            if ready >= count {
                return Ok(lock(&self.state).ready_at.clone());
            }
            if tokio::time::timeout(STALLED, changed).await.is_err() {
                bail!("{ready} of {count} bindings are ready, and none became so for {STALLED:?}");
            }
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(client: Client, state: Arc<Mutex<State>>, changed: Arc<Notify>) {
    let events = watcher(Api::<Binding>::all(client), watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events.applied_objects());
    while let Some(event) = events.next().await {
        let Ok(binding) = event else { continue };
        let identity = Identity::of_binding(&binding);
        let mut state = lock(&state);
        if is_ready(&binding, &identity.role(state.round)) {
            state.ready_at.entry(identity).or_insert_with(Timestamp::now);
            changed.notify_one();
        }
    }
}

fn is_ready(binding: &Binding, role: &str) -> bool {
    let status = &binding.status;
    let ready = |condition: &Condition| condition.type_ == "Ready" && condition.status == "True";
    status.role_arn.as_deref() == Some(role)
        && status.observed_generation == binding.metadata.generation
        && status.conditions.iter().any(ready)
}
