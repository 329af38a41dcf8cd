//! The population, and the changes that users make to it.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Mutex;

use anyhow::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::http::{self, path};
use super::objects::{self, Identity, PER_NAMESPACE, Size};
use super::world::World;
use crate::process::lock;

/// Concurrent requests of the load and of the raw client: the operator's default concurrency.
pub const CONCURRENCY: usize = 16;
/// Concurrent spec changes: few, as from users and GitOps tools.
const CHANGES: usize = 8;

/// Creates everything except the bindings. Pods have the role of round 0 if `injected`.
pub async fn populate(world: &World, injected: bool) -> Result<()> {
    let Size { bindings, bystanders, .. } = world.size;
    let identities = bindings + bystanders.div_ceil(PER_NAMESPACE);
    namespaces(&world.load, identities).await?;
    for_each(0..bindings, |number| identity(world, number, injected)).await?;
    // Bystanders: a hundred pods per service account that no binding names.
    for_each(bindings..identities, |number| async move {
        let Identity { namespace, name } = Identity::of(number);
        http::create(&world.load, &path("serviceaccounts", &namespace, ""), &objects::service_account(&name)).await
    })
    .await?;
    for_each(0..bystanders, |number| async move {
        let Identity { namespace, name } = Identity::of(bindings + number / PER_NAMESPACE);
        pod(&world.load, &namespace, &objects::pod(&name, 1, number % PER_NAMESPACE, &name, None)).await
    })
    .await
}

async fn identity(world: &World, number: usize, injected: bool) -> Result<()> {
    let identity = Identity::of(number);
    let Identity { namespace, name } = &identity;
    let (load, size) = (&world.load, &world.size);
    let role = injected.then(|| identity.role(0));
    http::create(load, &path("serviceaccounts", namespace, ""), &objects::service_account(name)).await?;
    for workload in identity.workloads(size) {
        running(load, &identity, &workload, size.replicas, role.as_deref()).await?;
    }
    Ok(())
}

/// Creates the namespaces for this many identities.
pub(super) async fn namespaces(client: &Client, identities: usize) -> Result<()> {
    let namespaces: BTreeSet<String> = (0..identities).map(|number| Identity::of(number).namespace).collect();
    for_each(namespaces, |namespace| async move {
        http::create(client, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await
    })
    .await
}

/// Creates a complete Deployment of an identity, and its pods, which have the role.
pub(super) async fn running(
    client: &Client,
    identity: &Identity,
    workload: &str,
    replicas: usize,
    role: Option<&str>,
) -> Result<()> {
    let Identity { namespace, name } = identity;
    http::create(client, &path("deployments", namespace, ""), &objects::deployment(workload, name, replicas)).await?;
    for replica in 0..replicas {
        pod(client, namespace, &objects::pod(workload, 1, replica, name, role)).await?;
    }
    let status = format!("{}/status", path("deployments", namespace, workload));
    http::merge(client, &status, &objects::deployment_status(1, replicas)).await
}

/// Creates a running pod.
async fn pod(client: &Client, namespace: &str, pod: &Value) -> Result<()> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    http::create(client, &path("pods", namespace, ""), pod).await?;
    http::merge(client, &format!("{}/status", path("pods", namespace, name)), &objects::pod_status(0)).await
}

/// Creates all bindings with the role of round 0. Returns when each was sent.
pub async fn bind(world: &World) -> Result<HashMap<Identity, Timestamp>> {
    let sent = Mutex::new(HashMap::new());
    for_each(0..world.size.bindings, |number| {
        let identity = Identity::of(number);
        let collection = path("podidentitybindings", &identity.namespace, "");
        let binding = objects::binding(&identity.name, &identity.role(0), world.size.settle);
        lock(&sent).insert(identity, Timestamp::now());
        async move { http::create(&world.load, &collection, &binding).await }
    })
    .await?;
    Ok(sent.into_inner().unwrap_or_default())
}

/// Gives all bindings the role of a round. Returns when each change was sent, and sends the changed
/// identities to `changed`.
pub async fn change_role(
    world: &World,
    round: usize,
    changed: Option<mpsc::UnboundedSender<Identity>>,
) -> Result<HashMap<Identity, Timestamp>> {
    let sent = Mutex::new(HashMap::new());
    let requests = (0..world.size.bindings).map(|number| {
        let identity = Identity::of(number);
        lock(&sent).insert(identity.clone(), Timestamp::now());
        let changed = changed.clone();
        async move {
            change_one(world, &identity, round).await?;
            // The receiver may be closed.
            changed.map(|changed| changed.send(identity));
            anyhow::Ok(())
        }
    });
    stream::iter(requests).buffer_unordered(CHANGES).try_collect::<Vec<()>>().await?;
    drop(changed);
    Ok(sent.into_inner().unwrap_or_default())
}

/// Gives one binding the role of a round.
pub async fn change_one(world: &World, identity: &Identity, round: usize) -> Result<()> {
    let patch = json!({"spec": {"roleArn": identity.role(round)}});
    http::merge(&world.load, &path("podidentitybindings", &identity.namespace, &identity.name), &patch).await
}

/// Does something for each item, concurrently.
pub async fn for_each<T, F: Future<Output = Result<()>>>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Result<()> {
    stream::iter(items.into_iter().map(work)).buffer_unordered(CONCURRENCY).try_for_each(|()| async { Ok(()) }).await
}
