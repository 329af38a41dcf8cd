//! The lower bound: a client that knows what to write. It watches, decides and decodes nothing, and
//! the harness tells it when a rollout is done.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use kube::api::ListParams;
use kube::{Api, Client};
use podidentity_api::{PodIdentityBinding, names};
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::provenance::Provenance;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinSet;

use super::http::{self, path};
use super::load::CONCURRENCY;
use super::objects::{self, Identity, Size};
use super::world::{MANAGER, World};

/// What the client knows before it begins.
pub(super) struct Raw {
    client: Client,
    size: Size,
    round: usize,
    places: Semaphore,
    known: HashMap<Identity, Known>,
}

/// What the client knows of a binding.
struct Known {
    /// What the operator writes on the service account beside the role. An apply without it would
    /// remove it, and the operator would have to read the binding before its next change of the role.
    bound_by: String,
    /// The final status.
    status: Value,
}

impl Raw {
    /// Prepares what to write: the statuses are the existing ones, with another role.
    pub(super) async fn prepare(world: &World, round: usize) -> Result<Arc<Self>> {
        let mut known = HashMap::new();
        let api = Api::<PodIdentityBinding>::all(world.load.clone());
        let mut page = ListParams::default().limit(500);
        loop {
            let list = api.list(&page).await?;
            for binding in list.items {
                let identity = Identity::of_binding(&binding);
                let of_binding = Known::of(&binding, &identity.role(round))?;
                known.insert(identity, of_binding);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
        let (client, size) = (world.raw.clone(), world.size);
        Ok(Arc::new(Self { client, size, round, places: Semaphore::new(CONCURRENCY), known }))
    }

    /// Writes for each changed identity, until this many identities are done.
    pub(super) async fn run(
        self: Arc<Self>,
        mut changed: mpsc::UnboundedReceiver<Identity>,
        mut rolled: broadcast::Receiver<Identity>,
        count: usize,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        let mut waiting: HashMap<Identity, usize> = HashMap::new();
        let mut done = 0;
        while done < count {
            tokio::select! {
                Some(identity) = changed.recv() => {
                    tasks.spawn(Arc::clone(&self).begin(identity));
                }
                identity = rolled.recv() => {
                    let identity = identity.context("the played controllers were not listened to in time")?;
                    let count = waiting.entry(identity.clone()).or_default();
                    *count += 1;
                    if *count == self.size.workloads {
                        tasks.spawn(Arc::clone(&self).finish(identity));
                    }
                }
                Some(finished) = tasks.join_next() => done += finished??,
            }
        }
        Ok(())
    }

    async fn begin(self: Arc<Self>, identity: Identity) -> Result<usize> {
        let _place = self.places.acquire().await?;
        let Identity { namespace, name } = &identity;
        let mut account = objects::annotation(&identity.role(self.round));
        account["metadata"]["annotations"][names::BOUND_BY_ANNOTATION] = json!(self.known(&identity)?.bound_by);
        http::apply(&self.client, &path("serviceaccounts", namespace, name), MANAGER, &account).await?;
        for workload in identity.workloads(&self.size) {
            let mark = objects::template_mark(&objects::mark(self.round));
            http::apply(&self.client, &path("deployments", namespace, &workload), MANAGER, &mark).await?;
        }
        self.status(&identity, rolling).await?;
        Ok(0)
    }

    async fn finish(self: Arc<Self>, identity: Identity) -> Result<usize> {
        let _place = self.places.acquire().await?;
        self.status(&identity, |status| status).await?;
        Ok(1)
    }

    async fn status(&self, identity: &Identity, change: impl FnOnce(Value) -> Value) -> Result<()> {
        let Identity { namespace, name } = identity;
        let status = change(self.known(identity)?.status.clone());
        let body = json!({"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "status": status});
        let object = format!("{}/status", path("podidentitybindings", namespace, name));
        http::apply(&self.client, &object, MANAGER, &body).await
    }

    fn known(&self, identity: &Identity) -> Result<&Known> {
        let Identity { namespace, name } = identity;
        self.known.get(identity).with_context(|| format!("{namespace}/{name} did not exist"))
    }
}

impl Known {
    /// What to write once the binding has this role.
    fn of(binding: &PodIdentityBinding, role: &str) -> Result<Self> {
        let mut changed = binding.clone();
        role.clone_into(&mut changed.spec.role_arn);
        changed.metadata.generation = binding.metadata.generation.map(|generation| generation + 1);
        let bound_by = Provenance::of(&changed, &DesiredIdentity::of(&changed.spec)).to_string();
        Ok(Self { bound_by, status: finished(binding, &changed)? })
    }
}

/// The final status of the changed binding.
fn finished(binding: &PodIdentityBinding, changed: &PodIdentityBinding) -> Result<Value> {
    let text = serde_json::to_string(&binding.status)?;
    let mut status: Value = serde_json::from_str(&text.replace(&binding.spec.role_arn, &changed.spec.role_arn))?;
    let generation = json!(changed.metadata.generation);
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"] = generation.clone();
    }
    status["observedGeneration"] = generation;
    Ok(status)
}

/// The status while the binding's workloads roll out.
fn rolling(mut status: Value) -> Value {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] != "ServiceAccountAnnotated" {
            condition["status"] = json!("False");
            condition["reason"] = json!("Rolling");
            condition["message"] = json!("1 of 1 workloads is being restarted");
        }
    }
    status["workloadsCurrent"] = json!(0);
    status["podsVerified"] = json!(0);
    status
}
