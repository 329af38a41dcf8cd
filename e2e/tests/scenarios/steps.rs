//! Steps with which several scenarios begin.

use anyhow::Result;
use e2e::audit::Request;
use e2e::expect;
use e2e::fixtures::{self, ROLE};
use e2e::{Namespace, wait};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::PodIdentityBinding;
use serde_json::{Value, json};

use crate::world::World;

/// A Deployment that already runs.
pub(crate) async fn running(namespace: &Namespace, name: &str, replicas: i32) -> Result<Deployment> {
    running_with(namespace, name, replicas, &json!({})).await
}

/// The same with annotations on its pods.
pub(crate) async fn running_with(
    namespace: &Namespace,
    name: &str,
    replicas: i32,
    annotations: &Value,
) -> Result<Deployment> {
    namespace.create(fixtures::deployment_with(name, "app", replicas, annotations)?).await?;
    expect::rolled_out(namespace, name).await
}

/// A service account, and a Deployment of one pod that already runs as it. Both have this name.
pub(crate) async fn running_as_its_own(namespace: &Namespace, name: &str, annotations: &Value) -> Result<Deployment> {
    namespace.create(fixtures::service_account(name)?).await?;
    namespace.create(fixtures::deployment_with(name, name, 1, annotations)?).await?;
    expect::rolled_out(namespace, name).await
}

/// This many running Deployments of one pod each: `app-00`, `app-01`, ...
pub(crate) async fn several(
    namespace: &Namespace,
    count: usize,
    annotations: impl Fn(usize) -> Value,
) -> Result<Vec<Deployment>> {
    namespace.create(fixtures::service_account("app")?).await?;
    let all = (0..count).map(|n| {
        let (name, annotations) = (name(n), annotations(n));
        async move { running_with(namespace, &name, 1, &annotations).await }
    });
    try_join_all(all).await
}

/// The name of a Deployment of [`several`].
pub(crate) fn name(n: usize) -> String {
    format!("app-{n:02}")
}

/// Creates service account, Deployment and binding, and waits for convergence. Returns the
/// Deployment after that.
pub(crate) async fn bound(namespace: &Namespace, spec: &Value) -> Result<Deployment> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(namespace, "app", 2).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, spec)?).await?;
    expect::ready(namespace, "app").await?;
    expect::rolled_out(namespace, "app").await
}

/// Changes the spec of the binding `app`.
pub(crate) async fn change(namespace: &Namespace, spec: Value) -> Result<()> {
    namespace.change::<PodIdentityBinding>("app", &json!({"spec": spec})).await?;
    Ok(())
}

/// Waits until the binding `app` is ready and counts this many pods: it may have been ready before
/// the pods existed.
pub(crate) async fn verified(namespace: &Namespace, pods: i32) -> Result<PodIdentityBinding> {
    let what = format!("{pods} pods are verified and have come up");
    wait::object(&namespace.api(), "app", &what, |binding: Option<&PodIdentityBinding>| {
        let status = binding.and_then(|binding| binding.status.clone()).unwrap_or_default();
        let proven = status.role_arn.is_some() && status.last_verified_role_arn == status.role_arn;
        if status.pods_verified == pods && proven {
            return Ok(());
        }
        Err(format!("{} are verified, proven is {:?}", status.pods_verified, status.last_verified_role_arn))
    })
    .await?;
    expect::ready(namespace, "app").await
}

/// The operator's writes to this resource of the namespace so far.
pub(crate) fn writes(world: &World, namespace: &Namespace, resource: &str) -> Result<Vec<Request>> {
    let mut requests = world.control_plane.operator_requests()?;
    requests.retain(|request| request.is_write() && request.is_about(&namespace.name, resource));
    Ok(requests)
}
