//! Workloads other than Deployments: those that the operator restarts, those that a person must
//! restart, and those that are only verified.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::wait::Watched;
use e2e::{NEEDS_ROLE, NEVER_READY_AS, Namespace, wait};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde_json::{Value, json};

use crate::steps::{change, verified};
use crate::world::World;

/// Creates the workload and waits until this many of its pods are ready.
async fn running<K>(namespace: &Namespace, workload: K, pods: usize) -> Result<K>
where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    let created = namespace.create(workload).await?;
    pods_ready(namespace, pods).await?;
    Ok(created)
}

async fn pods_ready(namespace: &Namespace, count: usize) -> Result<()> {
    let what = format!("{count} pods are ready");
    wait::objects(&namespace.api(), "app=app", &what, |pods: &[&Pod]| {
        let ready = |pod: &&&Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            let mut ready = conditions.filter(|it| it.type_ == "Ready" && it.status == "True");
            pod.metadata.deletion_timestamp.is_none() && ready.next().is_some()
        };
        let found = pods.iter().filter(ready).count();
        if found == count { Ok(()) } else { Err(format!("{found} are")) }
    })
    .await
}

async fn bound(namespace: &Namespace) -> Result<()> {
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    Ok(())
}

async fn pod_names(namespace: &Namespace) -> Result<Vec<String>> {
    let pods = namespace.api::<Pod>().list(&kube::api::ListParams::default().labels("app=app")).await?;
    Ok(pods.items.into_iter().filter_map(|pod| pod.metadata.name).collect())
}

/// The workload rolls once and is verified.
async fn rolled_and_verified<K>(namespace: &Namespace, workload: K, pods: usize) -> Result<()>
where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(namespace, workload, pods).await?;
    bound(namespace).await?;
    let binding = expect::ready(namespace, "app").await?;
    expect::status_names(&binding, ROLE, i32::try_from(pods)?)?;
    expect::pods_have(namespace, "app", pods, ROLE).await?;
    pods_ready(namespace, pods).await?;
    rolled(&before, &namespace.api().get("app").await?, 1)
}

/// A person deletes the pods one by one, as the message says; the operator does not change the
/// workload.
async fn by_hand<K>(namespace: &Namespace, id: &str, workload: K, pods: usize) -> Result<()>
where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(namespace, workload, pods).await?;
    bound(namespace).await?;
    let message = expect::stalled(namespace, "app", Reason::RestartRequired).await?;
    ensure!(message.contains(id) && message.contains("OnDelete"), "the message does not say why: {message}");
    e2e::injection::in_force(namespace, "app", ROLE).await?;
    for pod in pod_names(namespace).await? {
        namespace.delete::<Pod>(&pod).await?;
    }
    expect::pods_have(namespace, "app", pods, ROLE).await?;
    let binding = verified(namespace, i32::try_from(pods)?).await?;
    expect::status_names(&binding, ROLE, i32::try_from(pods)?)?;
    rolled(&before, &namespace.api().get("app").await?, 0)
}

pub(crate) async fn stateful_set(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let workload = fixtures::stateful_set("app", "app", 3, &json!({}))?;
    Box::pin(rolled_and_verified(&namespace, workload, 3)).await
}

pub(crate) async fn stateful_set_on_delete(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let workload = fixtures::stateful_set("app", "app", 2, &json!({"updateStrategy": {"type": "OnDelete"}}))?;
    by_hand(&namespace, "StatefulSet/app", workload, 2).await
}

/// A StatefulSet with one pod, which never becomes ready with the other role. Its controller does
/// not replace a pod that is not ready, so the rollback needs a person.
pub(crate) async fn stateful_set_rolled_back(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let mut set = fixtures::stateful_set("app", "app", 1, &json!({}))?;
    let annotations = set.spec.template.metadata.get_or_insert_default();
    annotations.annotations = Some([(NEVER_READY_AS.to_owned(), OTHER_ROLE.to_owned())].into());
    running(&namespace, set, 1).await?;
    let rollout = json!({"rollout": {"onFailure": "Rollback", "progressDeadlineSeconds": 10}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &rollout)?).await?;
    expect::ready(&namespace, "app").await?;

    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    let message = expect::stalled(&namespace, "app", Reason::RestartRequired).await?;
    for part in [OTHER_ROLE, ROLE, "Pod/app-0", "delete it"] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    namespace.delete::<Pod>("app-0").await?;
    expect::stalled(&namespace, "app", Reason::RolledBack).await?;
    expect::pods_have(&namespace, "app", 1, ROLE).await
}

/// The first pod crashes because it lacks the role. The StatefulSet would wait for it forever,
/// whatever its template says.
pub(crate) async fn stateful_set_that_waits(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let mut set = fixtures::stateful_set("app", "app", 2, &json!({}))?;
    let annotations = set.spec.template.metadata.get_or_insert_default();
    annotations.annotations = Some([(NEEDS_ROLE.to_owned(), "true".to_owned())].into());
    let before = namespace.create(set).await?;
    wait::object(&namespace.api(), "app-0", "it is there without the role", |pod: Option<&Pod>| {
        pod.map(|_| ()).ok_or_else(|| "it is not".to_owned())
    })
    .await?;
    bound(&namespace).await?;
    let message = expect::stalled(&namespace, "app", Reason::RestartRequired).await?;
    ensure!(message.contains("Pod/app-0"), "the message does not name the pod: {message}");
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    namespace.delete::<Pod>("app-0").await?;
    expect::status_names(&verified(&namespace, 2).await?, ROLE, 2)?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;
    rolled(&before, &namespace.api().get("app").await?, 0)
}

fn partition(from: i32) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": from}}})
}

pub(crate) async fn partitioned(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, fixtures::stateful_set("app", "app", 3, &partition(2))?, 3).await?;
    bound(&namespace).await?;
    let state = expect::workload(&namespace, "app", "StatefulSet/app", WorkloadState::Paused).await?;
    let message = state.message.unwrap_or_default();
    ensure!(message.contains("number 2, its partition"), "the message does not say why: {message}");
    ensure!(
        (state.pods_verified, state.pods_total) == (1, 3),
        "verified: {} of {}",
        state.pods_verified,
        state.pods_total
    );
    expect::stalled(&namespace, "app", Reason::RestartRequired).await?;
    rolled(&before, &namespace.api().get("app").await?, 1)?;

    // The owner lowers the partition, and the StatefulSet controller does the rest.
    let lowered = namespace.change::<StatefulSet>("app", &json!({"spec": partition(0)})).await?;
    expect::status_names(&verified(&namespace, 3).await?, ROLE, 3)?;
    rolled(&lowered, &namespace.api().get("app").await?, 0)
}

/// One pod on each of the three nodes.
const NODES: usize = 3;

pub(crate) async fn daemon_set(_: Arc<World>, namespace: Namespace) -> Result<()> {
    rolled_and_verified(&namespace, fixtures::daemon_set("app", "app", &json!({}))?, NODES).await
}

pub(crate) async fn daemon_set_on_delete(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let workload: DaemonSet = fixtures::daemon_set("app", "app", &json!({"updateStrategy": {"type": "OnDelete"}}))?;
    by_hand(&namespace, "DaemonSet/app", workload, NODES).await
}

/// The status names workloads that the operator does not restart. They stay as they are until a
/// person acts.
async fn unmanaged(namespace: &Namespace, id: &str) -> Result<()> {
    let pods = expect::pod_uids(namespace, "app").await?;
    bound(namespace).await?;
    expect::workload(namespace, "app", id, WorkloadState::Unmanaged).await?;
    // A Job ends by itself; other workloads need a person.
    let message = if id.starts_with("Job/") {
        let reported = expect::reason(namespace, "app", condition::RECONCILING, "True", Reason::WaitingForJobs).await?;
        expect::condition_of(&reported, condition::RECONCILING).map(|it| it.message.clone()).unwrap_or_default()
    } else {
        expect::stalled(namespace, "app", Reason::VerificationFailed).await?
    };
    ensure!(message.contains("app"), "the message names no pod: {message}");
    e2e::injection::in_force(namespace, "app", ROLE).await?;
    ensure!(pods == expect::pod_uids(namespace, "app").await?, "pods were restarted");
    Ok(())
}

pub(crate) async fn bare_pod(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, fixtures::pod("app", "app")?, 1).await?;
    unmanaged(&namespace, "Pod/app").await?;

    namespace.delete::<Pod>("app").await?;
    expect::gone::<Pod>(&namespace, "app").await?;
    namespace.create(fixtures::pod("app", "app")?).await?;
    expect::status_names(&verified(&namespace, 1).await?, ROLE, 1)
}

pub(crate) async fn replica_set(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, fixtures::replica_set("app", "app", 1)?, 1).await?;
    unmanaged(&namespace, "ReplicaSet/app").await?;
    rolled(&before, &namespace.api().get("app").await?, 0)
}

/// Waits for the pod of a Job, and checks it like the other workloads.
async fn unmanaged_job(namespace: &Namespace, job: &str) -> Result<Job> {
    wait::objects(&namespace.api(), "app=app", "the Job has a pod", |pods: &[&Pod]| {
        if pods.len() == 1 { Ok(()) } else { Err(format!("{} pods", pods.len())) }
    })
    .await?;
    let before: Job = namespace.api().get(job).await?;
    unmanaged(namespace, &format!("Job/{job}")).await?;
    Ok(before)
}

pub(crate) async fn job(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::job("app", "app")?).await?;
    let before = unmanaged_job(&namespace, "app").await?;
    rolled(&before, &namespace.api().get("app").await?, 0)?;

    // The Job creates another pod, which has the role. It does not come up, so it proves nothing.
    let pod = pod_names(&namespace).await?.pop().context("no pod")?;
    namespace.delete::<Pod>(&pod).await?;
    let has_role = |binding: Option<&PodIdentityBinding>| {
        let verified = binding.and_then(|binding| binding.status.as_ref()?.verified.clone());
        if verified.as_deref() == Some("1/1") { Ok(()) } else { Err(format!("{verified:?}")) }
    };
    wait::object(&namespace.api(), "app", "the new pod has the role", has_role).await?;
    let status = expect::ready(&namespace, "app").await?.status.unwrap_or_default();
    ensure!(
        status.last_verified_role_arn.is_none(),
        "a pod that is not ready proves {:?}",
        status.last_verified_role_arn
    );
    Ok(())
}

pub(crate) async fn cron_job(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::cron_job("app", "app")?).await?;
    let run = ["create", "job", "app-1", "--from=cronjob/app", "-n", &namespace.name];
    world.control_plane.kubectl(&run).await?;
    unmanaged_job(&namespace, "app-1").await?;
    Ok(())
}
