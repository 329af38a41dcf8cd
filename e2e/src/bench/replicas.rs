//! Plays the Deployment controller and everything below it. A changed pod template gets new pods,
//! which have the role of the round as if it had been injected. The old pods go, and the status
//! reports completion. It makes as few writes as possible: one creation and one deletion per pod,
//! and one write for the Deployment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, broadcast};

use super::objects::{self, Identity, Size};
use super::{http, load};
use crate::process::lock;

/// The observed fields of a Deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Resource)]
#[resource(inherit = Deployment)]
struct Replicated {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Spec {
    template: Template,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Template {
    spec: TemplateSpec,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TemplateSpec {
    service_account_name: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
}

/// The played controllers.
pub struct Replicas {
    round: Arc<AtomicUsize>,
    rolled: broadcast::Sender<Identity>,
    failed: Arc<Mutex<Option<anyhow::Error>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Replicas {
    /// Starts to play. `size` bounds the rollouts that may wait for a receiver.
    pub fn start(client: Client, size: Size) -> Self {
        let (rolled, _) = broadcast::channel((size.bindings * size.workloads).max(16) * 2);
        let failed = Arc::new(Mutex::new(None));
        let round = Arc::new(AtomicUsize::new(0));
        let player = Player {
            client,
            size,
            round: Arc::clone(&round),
            rolled: rolled.clone(),
            places: Arc::new(Semaphore::new(load::CONCURRENCY)),
            failed: Arc::clone(&failed),
        };
        Self { round, rolled, failed, task: tokio::spawn(Arc::new(player).run()) }
    }

    /// Sets the round whose role new pods get from now on.
    pub fn round(&self, round: usize) {
        self.round.store(round, Ordering::SeqCst);
    }

    /// The identities whose Deployments rolled out, one item per Deployment.
    pub fn rolled(&self) -> broadcast::Receiver<Identity> {
        self.rolled.subscribe()
    }

    /// Returns the first error, if there was one.
    pub fn check(&self) -> Result<()> {
        lock(&self.failed).take().map_or(Ok(()), Err)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Player {
    client: Client,
    size: Size,
    round: Arc<AtomicUsize>,
    rolled: broadcast::Sender<Identity>,
    places: Arc<Semaphore>,
    failed: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Player {
    async fn run(self: Arc<Self>) {
        let api = Api::<Replicated>::all(self.client.clone());
        let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
        let mut events = std::pin::pin!(events);
        let mut seen = std::collections::HashMap::<(String, String), i64>::new();
        while let Some(event) = events.next().await {
            let Ok(deployment) = event else { continue };
            let Replicated { metadata, spec, status } = deployment;
            let (namespace, name) = (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
            let generation = metadata.generation.unwrap_or_default();
            // Before its first status, the population still creates the Deployment and its pods.
            let newest = seen.entry((namespace.clone(), name.clone())).or_default();
            *newest = (*newest).max(status.observed_generation);
            if status.observed_generation == 0 || generation <= *newest {
                continue;
            }
            let before = std::mem::replace(newest, generation);
            let identity = Identity { namespace, name: spec.template.spec.service_account_name };
            let player = Arc::clone(&self);
            tokio::spawn(async move {
                let Ok(_place) = player.places.acquire().await else { return };
                match player.roll(&identity, &name, before, generation).await {
                    Ok(()) => drop(player.rolled.send(identity)),
                    Err(error) => drop(lock(&player.failed).get_or_insert(error)),
                }
            });
        }
    }

    async fn roll(&self, identity: &Identity, name: &str, before: i64, generation: i64) -> Result<()> {
        let Identity { namespace, name: account } = identity;
        let role = identity.role(self.round.load(Ordering::SeqCst));
        for number in 0..self.size.replicas {
            let pod = objects::pod(name, generation, number, account, Some(&role));
            http::create(&self.client, &http::path("pods", namespace, ""), &pod).await?;
            let old = objects::pod_name(name, before, number);
            http::delete(&self.client, &http::path("pods", namespace, &old)).await?;
        }
        let status = format!("{}/status", http::path("deployments", namespace, name));
        http::merge(&self.client, &status, &objects::deployment_status(generation, self.size.replicas)).await
    }
}
