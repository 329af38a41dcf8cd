//! The operator's process: crashes, terminations, and idle periods.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::audit::{self, Request};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, ROLE};
use e2e::{ControlPlane, Namespace, READY_AFTER, wait};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, Reason};
use serde_json::json;

use crate::world::World;

/// How long the test observes a converged binding. Silence can only be measured by listening for a
/// while.
const WINDOW: Duration = Duration::from_secs(30);

/// Trailing writes (counts, events) may follow `Ready`; after this long without a request they are over.
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) async fn quiet(world: Arc<World>, namespace: Namespace) -> Result<()> {
    // A new process: reopening a watch after five minutes would count as a request.
    world.operator.restart()?;
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::deployment("app", "app", 2)?).await?;
    expect::rolled_out(&namespace, "app").await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::ready(&namespace, "app").await?;
    let control_plane = &world.control_plane;
    settled(control_plane).await?;

    let began = Timestamp::now();
    tokio::time::sleep(WINDOW).await;
    world.operator.check()?;
    let seen = requests_since(control_plane, began)?;
    ensure!(seen.is_empty(), "{} requests in {WINDOW:?} of silence:\n{}", seen.len(), audit::summary(&seen));

    // Proves that the silence was real: the operator reacts, and the audit log records it.
    namespace.create(fixtures::binding("other", "other", ROLE)?).await?;
    let missing = Reason::ServiceAccountNotFound;
    expect::reason(&namespace, "other", condition::SERVICE_ACCOUNT_ANNOTATED, "False", missing).await?;
    ensure!(!requests_since(control_plane, began)?.is_empty(), "the audit log does not show the operator's requests");
    Ok(())
}

async fn settled(control_plane: &ControlPlane) -> Result<()> {
    let began = std::time::Instant::now();
    loop {
        let since = Timestamp::now();
        tokio::time::sleep(SETTLED).await;
        let seen = requests_since(control_plane, since)?;
        if seen.is_empty() {
            return Ok(());
        }
        if began.elapsed() > wait::DEADLINE {
            bail!("the operator does not come to rest; its last requests:\n{}", audit::summary(&seen));
        }
    }
}

fn requests_since(control_plane: &ControlPlane, since: Timestamp) -> Result<Vec<Request>> {
    let mut requests = control_plane.operator_requests()?;
    requests.retain(|request| request.request_received_timestamp >= since);
    Ok(requests)
}

/// Pods take a while to become ready, so that a rollout can be interrupted.
async fn slow_deployment(namespace: &Namespace) -> Result<Deployment> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::deployment_with("app", "app", 2, &json!({READY_AFTER: "1s"}))?).await?;
    expect::rolled_out(namespace, "app").await
}

async fn rolled_once(namespace: &Namespace, before: &Deployment) -> Result<()> {
    let binding = expect::ready(namespace, "app").await?;
    expect::status_names(&binding, ROLE, 2)?;
    rolled(before, &expect::rolled_out(namespace, "app").await?, 1)?;
    expect::pods_have(namespace, "app", 2, ROLE).await
}

pub(crate) async fn killed_after_annotating(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = slow_deployment(&namespace).await?;
    let mut binding = fixtures::binding("app", "app", ROLE)?;
    binding.spec.rollout.settle_seconds = 5;
    namespace.create(binding).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    world.operator.kill();
    let deployment = expect::rolled_out(&namespace, "app").await?;
    ensure!(identity(&deployment).is_none(), "the roll was started before settleSeconds were over");
    world.operator.restart()?;
    rolled_once(&namespace, &before).await
}

pub(crate) async fn killed_while_rolling(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = slow_deployment(&namespace).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let what = "the roll has started";
    let started = wait::object(&namespace.api(), "app", what, |deployment: Option<&Deployment>| {
        let found = deployment.and_then(identity);
        found.map(str::to_owned).ok_or_else(|| "the template has no identity annotation".to_owned())
    })
    .await?;
    world.operator.kill();
    world.operator.restart()?;
    rolled_once(&namespace, &before).await?;
    let after = expect::rolled_out(&namespace, "app").await?;
    let identity = identity(&after).context("the identity annotation is gone")?;
    ensure!(identity == started, "the identity changed from {started} to {identity}");
    Ok(())
}

/// Runs in the exclusive world, because it removes the injection for everyone.
pub(crate) async fn without_injection(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    control_plane.remove_injection().await?;
    let result = not_verified(&namespace).await;
    control_plane.install_injection().await?;
    result
}

async fn not_verified(namespace: &Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::deployment("app", "app", 1)?).await?;
    expect::rolled_out(namespace, "app").await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    // The workload was rolled, but the new pod still has no role.
    let what = "a pod that missed the injection is reported";
    wait::object(&namespace.api(), "app", what, |binding: Option<&PodIdentityBinding>| {
        let status = binding.and_then(|binding| binding.status.clone()).unwrap_or_default();
        let reasons: Vec<_> = status.findings.iter().map(|finding| finding.reason.as_str()).collect();
        let is_ready = status.conditions.iter().any(|found| found.type_ == condition::READY && found.status == "True");
        if !is_ready && status.pods_verified == 0 && reasons.contains(&"InjectionMissed") {
            return Ok(());
        }
        Err(format!("ready: {is_ready}, verified: {}, findings: {reasons:?}", status.pods_verified))
    })
    .await
}

pub(crate) async fn ends_when_asked(world: Arc<World>, _: Namespace) -> Result<()> {
    world.operator.answers("/readyz", 200).await?;
    let ended = world.operator.terminate().await;
    world.operator.restart()?;
    ended
}
