//! What remains after a binding is deleted, and what a deletion never blocks.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE, role_annotation};
use e2e::{NEVER_READY_AS, Namespace, injection, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{self as core, Pod, ServiceAccount};
use kube::Api;
use kube::api::DeleteParams;
use podidentity_api::{PodIdentityBinding, Reason};
use serde_json::json;

use crate::steps::{bound, running_with};
use crate::world::World;

async fn deleted(namespace: &Namespace) -> Result<()> {
    namespace.delete::<PodIdentityBinding>("app").await?;
    expect::gone::<PodIdentityBinding>(namespace, "app").await
}

pub(crate) async fn released(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({})).await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", None).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;

    // The first, second and last step; the status has the steps in between.
    let reasons = [Reason::Annotated, Reason::Verified, Reason::Released];
    for reason in reasons {
        expect::event(&namespace, reason).await?;
    }
    let table = world.control_plane.kubectl(&["get", "events", "-n", &namespace.name]).await?;
    for reason in reasons {
        ensure!(table.contains(reason.as_str()), "kubectl get events does not show {reason}:\n{table}");
    }
    let spare = [Reason::RolloutStarted, Reason::RolloutCompleted];
    ensure!(!spare.iter().any(|it| table.contains(it.as_str())), "there are more events than a change has:\n{table}");
    Ok(())
}

/// A value that Helm also sets stays.
pub(crate) async fn released_to_another(_: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    let same = json!({"metadata": {"annotations": {role_annotation(): ROLE}}});
    namespace.take_over::<ServiceAccount>("helm", "app", same).await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    Ok(())
}

pub(crate) async fn revoked(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({"deletionPolicy": "Revoke"})).await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", None).await?;
    let after = expect::rolled_out(&namespace, "app").await?;
    rolled(&before, &after, 1)?;
    wait::objects(&namespace.api(), "app=app", "no pod has the role", |pods: &[&Pod]| {
        let live = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let roles: Vec<_> = live.flat_map(|pod| injection::roles(pod)).collect();
        if roles.len() == 2 && roles.iter().all(|(_, role)| role.is_none()) {
            Ok(())
        } else {
            Err(format!("{roles:?}"))
        }
    })
    .await
}

pub(crate) async fn retained(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({"deletionPolicy": "Retain"})).await?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    ensure!(binding.metadata.finalizers.is_none(), "it has a finalizer: {:?}", binding.metadata.finalizers);
    let pods = expect::pod_uids(&namespace, "app").await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    ensure!(pods == expect::pod_uids(&namespace, "app").await?, "pods were restarted");
    Ok(())
}

/// `suspend` keeps its promise until the end.
pub(crate) async fn suspended(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({"deletionPolicy": "Revoke"})).await?;
    crate::steps::change(&namespace, json!({"suspend": true})).await?;
    expect::ready(&namespace, "app").await?;
    deleted(&namespace).await?;
    expect::event(&namespace, Reason::Retained).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// A StatefulSet whose pods only a person replaces. The binding still goes, and reports whose pods
/// keep the role.
pub(crate) async fn not_revoked(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &json!({"deletionPolicy": "Revoke"}))?).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    injection::in_force(&namespace, "app", ROLE).await?;
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    let before = namespace.create(fixtures::stateful_set("app", "app", 1, &on_delete)?).await?;
    crate::steps::verified(&namespace, 1).await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", None).await?;
    let note = expect::event(&namespace, Reason::RoleKept).await?.note.unwrap_or_default();
    ensure!(note.contains("StatefulSet/app"), "the event does not say who keeps the role: {note}");
    expect::pods_have(&namespace, "app", 1, ROLE).await?;
    rolled(&before, &namespace.api().get("app").await?, 0)
}

pub(crate) async fn nothing_left(_: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({"deletionPolicy": "Revoke"})).await?;
    namespace.delete::<Deployment>("app").await?;
    namespace.delete::<ServiceAccount>("app").await?;
    expect::gone::<ServiceAccount>(&namespace, "app").await?;
    deleted(&namespace).await
}

/// A rollout that cannot finish blocks neither the deletion nor the next binding.
pub(crate) async fn while_rolling(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running_with(&namespace, "app", 1, &json!({NEVER_READY_AS: ROLE})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::restarted(&namespace, &before).await?;
    deleted(&namespace).await?;
    expect::annotated(&namespace, "app", None).await?;

    namespace.create(fixtures::binding("app", "app", OTHER_ROLE)?).await?;
    expect::ready(&namespace, "app").await?;
    expect::pods_have(&namespace, "app", 1, OTHER_ROLE).await
}

/// The namespace has an owning binding, one that waits for it, and one whose revocation is in
/// progress.
pub(crate) async fn namespace_deleted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let first = bound(&namespace, &json!({"deletionPolicy": "Revoke"})).await?;
    ensure!(identity(&first).is_some(), "it was not rolled");
    namespace.create(fixtures::binding("another", "app", OTHER_ROLE)?).await?;
    expect::stalled(&namespace, "another", Reason::ServiceAccountClaimed).await?;
    namespace.create(fixtures::service_account("stuck")?).await?;
    let stuck = fixtures::deployment_with("stuck", "stuck", 1, &json!({NEVER_READY_AS: ROLE}))?;
    namespace.create(stuck).await?;
    let before = expect::rolled_out(&namespace, "stuck").await?;
    namespace.create(fixtures::binding_with("stuck", "stuck", ROLE, &json!({"deletionPolicy": "Revoke"}))?).await?;
    expect::restarted(&namespace, &before).await?;

    let api = Api::<core::Namespace>::all(world.control_plane.client());
    api.delete(&namespace.name, &DeleteParams::default()).await.context("cannot delete the namespace")?;
    let gone = |found: Option<&core::Namespace>| {
        let conditions = found.and_then(|it| it.status.as_ref()?.conditions.clone());
        if found.is_none() { Ok(()) } else { Err(format!("it exists: {conditions:?}")) }
    };
    wait::object(&api, &namespace.name, "the namespace is gone", gone).await
}
