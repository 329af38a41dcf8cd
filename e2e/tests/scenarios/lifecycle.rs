//! The life of a binding.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE, role_annotation};
use e2e::{NEVER_READY, Namespace, injection, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::DeleteParams;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde_json::json;

use crate::steps::{running, verified};
use crate::world::World;

/// Binds an application that ran without a role. Returns its Deployment before the binding and
/// after convergence.
async fn bound(namespace: &Namespace) -> Result<(Deployment, Deployment)> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(namespace, "app", 2).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::ready(namespace, "app").await?;
    Ok((before, expect::rolled_out(namespace, "app").await?))
}

pub(crate) async fn bound_first(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    injection::in_force(&namespace, "app", ROLE).await?;

    let before = namespace.create(fixtures::deployment("app", "app", 2)?).await?;
    expect::rolled_out(&namespace, "app").await?;
    verified(&namespace, 2).await?;
    let after = expect::rolled_out(&namespace, "app").await?;
    rolled(&before, &after, 0)?;
    expect::pods_have(&namespace, "app", 2, ROLE).await
}

pub(crate) async fn running_pods(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = [running(&namespace, "first", 2).await?, running(&namespace, "second", 1).await?];
    let bystander = namespace.create(fixtures::deployment("bystander", "default", 1)?).await?;

    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let binding = expect::ready(&namespace, "app").await?;
    expect::status_names(&binding, ROLE, 3)?;
    let status = binding.status.unwrap_or_default();
    ensure!(status.rolled.as_deref() == Some("2/2"), "status.rolled is {:?}", status.rolled);

    let mut identities = Vec::new();
    for before in &before {
        let name = before.metadata.name.as_deref().unwrap_or_default();
        let after = expect::rolled_out(&namespace, name).await?;
        rolled(before, &after, 1)?;
        identities.push(identity(&after).context("the template has no identity annotation")?.to_owned());
    }
    ensure!(identities[0] == identities[1], "one role, two identities: {identities:?}");
    expect::pods_have(&namespace, "first", 2, ROLE).await?;
    expect::pods_have(&namespace, "second", 1, ROLE).await?;
    rolled(&bystander, &expect::rolled_out(&namespace, "bystander").await?, 0)
}

pub(crate) async fn account_later(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let annotated = condition::SERVICE_ACCOUNT_ANNOTATED;
    let waiting = expect::reason(&namespace, "app", annotated, "False", Reason::ServiceAccountNotFound).await?;
    let ready = expect::condition_of(&waiting, condition::READY).context("there is no condition Ready")?;
    ensure!(ready.status == "False", "ready without a service account");
    ensure!(ready.message.contains("app"), "the message does not name the service account: {}", ready.message);

    namespace.create(fixtures::service_account("app")?).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    injection::in_force(&namespace, "app", ROLE).await?;
    running(&namespace, "app", 1).await?;
    expect::status_names(&verified(&namespace, 1).await?, ROLE, 1)?;
    expect::pods_have(&namespace, "app", 1, ROLE).await
}

pub(crate) async fn role_changed(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let (before, first) = bound(&namespace).await?;
    rolled(&before, &first, 1)?;

    let second = change_role(&namespace, OTHER_ROLE).await?;
    rolled(&first, &second, 1)?;
    ensure!(identity(&first) != identity(&second), "two roles, one identity: {:?}", identity(&first));

    let third = change_role(&namespace, ROLE).await?;
    rolled(&second, &third, 1)?;
    ensure!(identity(&first) == identity(&third), "one role, two identities: {:?}", identity(&third));
    Ok(())
}

async fn change_role(namespace: &Namespace, role: &str) -> Result<Deployment> {
    namespace.change::<PodIdentityBinding>("app", &json!({"spec": {"roleArn": role}})).await?;
    let binding = expect::ready(namespace, "app").await?;
    expect::status_names(&binding, role, 2)?;
    expect::annotated(namespace, "app", Some(role)).await?;
    expect::pods_have(namespace, "app", 2, role).await?;
    expect::rolled_out(namespace, "app").await
}

pub(crate) async fn adopted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::annotated_service_account("app", ROLE)?).await?;
    injection::in_force(&namespace, "app", ROLE).await?;
    let before = running(&namespace, "app", 2).await?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;
    let pods = expect::pod_uids(&namespace, "app").await?;

    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)?;

    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    ensure!(pods == expect::pod_uids(&namespace, "app").await?, "pods were restarted");
    let mut writes = world.control_plane.operator_requests()?;
    writes.retain(|request| {
        let object = request.object_ref.clone().unwrap_or_default();
        request.is_write() && object.namespace == namespace.name && object.resource == "deployments"
    });
    ensure!(writes.is_empty(), "the operator wrote workloads:\n{}", e2e::audit::summary(&writes));
    Ok(())
}

pub(crate) async fn removed_by_hand(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let (_, before) = bound(&namespace).await?;
    let pods = expect::pod_uids(&namespace, "app").await?;

    let removal = json!({"metadata": {"annotations": {role_annotation(): null}}});
    namespace.change::<ServiceAccount>("app", &removal).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    let counted = |binding: Option<&PodIdentityBinding>| {
        let account = binding.and_then(|binding| binding.status.as_ref()?.service_account.as_ref());
        let restored = account.map(|account| account.restored);
        if restored == Some(1) { Ok(()) } else { Err(format!("restored: {restored:?}")) }
    };
    wait::object(&namespace.api(), "app", "the restoration is counted", counted).await?;

    let binding = expect::ready(&namespace, "app").await?;
    expect::status_names(&binding, ROLE, 2)?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    ensure!(pods == expect::pod_uids(&namespace, "app").await?, "pods were restarted");
    Ok(())
}

pub(crate) async fn in_its_own_rollout(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let stuck = fixtures::deployment_with("app", "app", 2, &json!({NEVER_READY: "true"}))?;
    let before = namespace.create(stuck).await?;
    let two = |pods: &[&Pod]| if pods.len() == 2 { Ok(()) } else { Err(format!("{} pods", pods.len())) };
    wait::objects(&namespace.api(), "app=app", "two pods exist", two).await?;

    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let what = "the workload waits for its own rollout";
    wait::object(&namespace.api(), "app", what, |binding: Option<&PodIdentityBinding>| {
        let workloads = binding.and_then(|binding| binding.status.as_ref()).map(|status| &status.workloads);
        let state = workloads.and_then(|workloads| workloads.first()).map(|workload| workload.state);
        let waits = matches!(state, Some(WorkloadState::Pending | WorkloadState::Rolling));
        if waits { Ok(()) } else { Err(format!("its state is {state:?}")) }
    })
    .await?;
    injection::in_force(&namespace, "app", ROLE).await?;
    let untouched: Deployment = namespace.api().get("app").await?;
    rolled(&before, &untouched, 0)?;

    // The owner repairs the Deployment. The pods of that rollout get the role, so the operator need
    // not restart it.
    let repair = json!({"spec": {"template": {"metadata": {"annotations": {NEVER_READY: null}}}}});
    namespace.change::<Deployment>("app", &repair).await?;
    expect::status_names(&verified(&namespace, 2).await?, ROLE, 2)?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)
}

pub(crate) async fn deleted(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let (_, before) = bound(&namespace).await?;
    let pods = expect::pod_uids(&namespace, "app").await?;

    let api = namespace.api::<PodIdentityBinding>();
    api.delete("app", &DeleteParams::default()).await?;
    expect::gone::<PodIdentityBinding>(&namespace, "app").await?;
    expect::annotated(&namespace, "app", None).await?;

    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    ensure!(pods == expect::pod_uids(&namespace, "app").await?, "Release restarted pods");
    Ok(())
}
