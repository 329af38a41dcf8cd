//! Deployments in states in which users leave them. [`crate::kinds`] has other kinds.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, ROLE};
use e2e::{NEVER_READY, Namespace, wait};
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::{Reason, WorkloadState};
use serde_json::{Value, json};

use crate::steps::{name, running, several, verified};
use crate::world::World;

pub(crate) async fn selected(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 2, |_| json!({})).await?;
    let spec = json!({"rollout": {"workloadSelector": {"matchLabels": {"app": name(0)}}}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &spec)?).await?;
    expect::workload(&namespace, "app", "Deployment/app-01", WorkloadState::Excluded).await?;
    expect::workload(&namespace, "app", "Deployment/app-00", WorkloadState::Current).await?;
    let binding = expect::ready(&namespace, "app").await?;
    let status = binding.status.unwrap_or_default();
    ensure!(status.rolled.as_deref() == Some("1/1"), "what is excluded is counted: {:?}", status.rolled);
    rolled(&before[0], &expect::rolled_out(&namespace, &name(0)).await?, 1)?;
    rolled(&before[1], &expect::rolled_out(&namespace, &name(1)).await?, 0)
}

pub(crate) async fn paused(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 1).await?;
    let paused = namespace.change::<Deployment>("app", &json!({"spec": {"paused": true}})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::workload(&namespace, "app", "Deployment/app", WorkloadState::Paused).await?;
    let message = expect::stalled(&namespace, "app", Reason::RestartRequired).await?;
    ensure!(message.contains("Deployment/app") && message.contains("resume"), "no advice: {message}");
    rolled(&paused, &namespace.api().get("app").await?, 0)?;

    let resumed = namespace.change::<Deployment>("app", &json!({"spec": {"paused": false}})).await?;
    expect::ready(&namespace, "app").await?;
    rolled(&resumed, &expect::rolled_out(&namespace, "app").await?, 1)
}

pub(crate) async fn scaled_to_zero(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = namespace.create(fixtures::deployment("app", "app", 0)?).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::workload(&namespace, "app", "Deployment/app", WorkloadState::ScaledToZero).await?;
    expect::ready(&namespace, "app").await?;
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    rolled(&before, &namespace.api().get("app").await?, 0)?;

    let scaled = namespace.change::<Deployment>("app", &json!({"spec": {"replicas": 2}})).await?;
    expect::status_names(&verified(&namespace, 2).await?, ROLE, 2)?;
    rolled(&scaled, &expect::rolled_out(&namespace, "app").await?, 0)?;
    expect::pods_have(&namespace, "app", 2, ROLE).await
}

/// The Deployment rolls once, and is complete at the moment when the binding reports it.
async fn complete_when_ready(namespace: &Namespace, spec: &Value) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::deployment_like("app", "app", &json!({}), spec)?).await?;
    let before = expect::rolled_out(namespace, "app").await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let binding = expect::ready(namespace, "app").await?;
    let after: Deployment = namespace.api().get("app").await?;
    let status = after.status.clone().context("no status")?;
    ensure!(status.available_replicas == Some(2), "ready, but available are {:?} of 2", status.available_replicas);
    expect::status_names(&binding, ROLE, 2)?;
    rolled(&before, &after, 1)
}

pub(crate) async fn min_ready_seconds(_: Arc<World>, namespace: Namespace) -> Result<()> {
    complete_when_ready(&namespace, &json!({"replicas": 2, "minReadySeconds": 2})).await
}

pub(crate) async fn recreated(_: Arc<World>, namespace: Namespace) -> Result<()> {
    complete_when_ready(&namespace, &json!({"replicas": 2, "strategy": {"type": "Recreate"}})).await
}

/// The Deployment's own rollout has failed; a wait for it would never end.
pub(crate) async fn deadline_exceeded(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let spec = json!({"replicas": 1, "progressDeadlineSeconds": 1});
    let before = fixtures::deployment_like("app", "app", &json!({NEVER_READY: "true"}), &spec)?;
    let before = namespace.create(before).await?;
    wait::object(&namespace.api(), "app", "its rollout has failed", |it: Option<&Deployment>| {
        let conditions =
            it.iter().flat_map(|it| it.status.iter().flat_map(|status| status.conditions.iter().flatten()));
        let mut reasons = conditions.filter_map(|it| it.reason.as_deref());
        if reasons.any(|it| it == "ProgressDeadlineExceeded") { Ok(()) } else { Err("it has not".to_owned()) }
    })
    .await?;
    // The longer deadline counts, so the binding's has to be short as well.
    let short = json!({"rollout": {"progressDeadlineSeconds": 10}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &short)?).await?;
    let halted = expect::workload(&namespace, "app", "Deployment/app", WorkloadState::Halted).await?;
    let message = halted.message.unwrap_or_default();
    ensure!(message.contains("ProgressDeadlineExceeded"), "the message does not say why: {message}");
    expect::stalled(&namespace, "app", Reason::RolloutHalted).await?;
    rolled(&before, &namespace.api().get("app").await?, 1)
}
