//! How several workloads roll one after the other, and how a failure affects the rest.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{NEVER_READY_AS, Namespace, READY_AFTER, wait};
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::names::{IDENTITY_ANNOTATION, RELEASE_ANNOTATION, condition};
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde_json::{Value, json};

use crate::steps::{change, name, running, several, verified};
use crate::world::World;

/// The number of workloads in the scenario with many.
const MANY: usize = 20;

/// Pods of the n-th Deployment never become ready with the role.
fn fails(n: usize, role: &str) -> impl Fn(usize) -> Value {
    move |it| if it == n { json!({NEVER_READY_AS: role}) } else { json!({}) }
}

fn policy(on_failure: &str, max_concurrent: i32) -> Value {
    let rollout = json!({"onFailure": on_failure, "maxConcurrent": max_concurrent, "progressDeadlineSeconds": 10, "settleSeconds": 1});
    json!({"rollout": rollout})
}

/// Checks how often each workload of [`several`] rolled since `before`.
async fn each_rolled(namespace: &Namespace, before: &[Deployment], times: impl Fn(usize) -> i64) -> Result<()> {
    for (n, before) in before.iter().enumerate() {
        rolled(before, &namespace.api().get(&name(n)).await?, times(n))?;
    }
    Ok(())
}

async fn now(namespace: &Namespace, count: usize) -> Result<Vec<Deployment>> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(namespace.api().get(&name(n)).await?);
    }
    Ok(all)
}

pub(crate) async fn halted(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, MANY, fails(0, ROLE)).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &policy("Halt", 5))?).await?;
    let message = expect::stalled(&namespace, "app", Reason::RolloutHalted).await?;
    ensure!(message.contains("Deployment/app-00") && message.contains("19 more"), "who waits is not said: {message}");
    each_rolled(&namespace, &before, |n| i64::from(n == 0)).await?;
    expect::event(&namespace, Reason::RolloutHalted).await?;
    // The canary's old pod still serves.
    let canary: Deployment = namespace.api().get(&name(0)).await?;
    ensure!(canary.status.context("no status")?.available_replicas == Some(1), "the canary does not serve any more");
    Ok(())
}

async fn rolled_back(namespace: &Namespace, count: usize) -> Result<()> {
    let message = expect::stalled(namespace, "app", Reason::RolledBack).await?;
    ensure!(message.contains(OTHER_ROLE) && message.contains(ROLE), "the message does not name the roles: {message}");
    expect::annotated(namespace, "app", Some(ROLE)).await?;
    let first = identity(&expect::rolled_out(namespace, &name(0)).await?).map(str::to_owned);
    for n in 0..count {
        let after = expect::rolled_out(namespace, &name(n)).await?;
        ensure!(identity(&after).map(str::to_owned) == first, "{} has another identity", name(n));
        expect::pods_have(namespace, &name(n), 1, ROLE).await?;
    }
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    let status = binding.status.unwrap_or_default();
    ensure!(status.role_arn.as_deref() == Some(ROLE), "status.roleArn is {:?}", status.role_arn);
    Ok(())
}

pub(crate) async fn canary_rolled_back(_: Arc<World>, namespace: Namespace) -> Result<()> {
    several(&namespace, MANY, fails(0, OTHER_ROLE)).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &policy("Rollback", 5))?).await?;
    expect::ready(&namespace, "app").await?;
    let good = now(&namespace, MANY).await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    rolled_back(&namespace, MANY).await?;
    each_rolled(&namespace, &good, |n| if n == 0 { 2 } else { 0 }).await
}

/// Two workloads have rolled when the third one fails; then the role is corrected.
pub(crate) async fn all_rolled_back(_: Arc<World>, namespace: Namespace) -> Result<()> {
    several(&namespace, 5, fails(2, OTHER_ROLE)).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &policy("Rollback", 1))?).await?;
    expect::ready(&namespace, "app").await?;
    let good = now(&namespace, 5).await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    rolled_back(&namespace, 5).await?;
    each_rolled(&namespace, &good, |n| if n <= 2 { 2 } else { 0 }).await?;

    let third = "arn:aws:iam::111122223333:role/corrected";
    change(&namespace, json!({"roleArn": third})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, third, 5)
}

pub(crate) async fn continued(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 4, fails(0, ROLE)).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &policy("Continue", 2))?).await?;
    expect::reason(&namespace, "app", condition::RECONCILING, "True", Reason::RolloutHalted).await?;
    for n in 1..4 {
        expect::workload(&namespace, "app", &format!("Deployment/{}", name(n)), WorkloadState::Current).await?;
        expect::pods_have(&namespace, &name(n), 1, ROLE).await?;
    }
    let message = expect::stalled(&namespace, "app", Reason::RolloutHalted).await?;
    ensure!(message.contains("Deployment/app-00"), "who failed is not said: {message}");
    each_rolled(&namespace, &before, |_| 1).await
}

/// The Deployments that have started to roll and are not complete.
pub(crate) fn in_flight<'a>(deployments: &[&'a Deployment]) -> Vec<&'a str> {
    let is_in_flight = |it: &&&Deployment| {
        let status = it.status.clone().unwrap_or_default();
        let progressing = status.conditions.iter().flatten().find(|it| it.type_.as_deref() == Some("Progressing"));
        let complete = status.observed_generation == it.metadata.generation
            && status.updated_replicas == status.replicas
            && progressing.is_some_and(|it| it.reason.as_deref() == Some("NewReplicaSetAvailable"));
        identity(it).is_some() && !complete
    };
    deployments.iter().filter(is_in_flight).filter_map(|it| it.metadata.name.as_deref()).collect()
}

pub(crate) async fn canary_first(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 6, |_| json!({READY_AFTER: "1s"})).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &policy("Halt", 2))?).await?;
    let mut most = 0;
    let mut wrong = None;
    wait::objects(&namespace.api(), "", "all are rolled", |all: &[&Deployment]| {
        let flying = in_flight(all);
        most = most.max(flying.len());
        let canary_is_alone = !flying.contains(&"app-00") || flying.len() == 1;
        if flying.len() > 2 || !canary_is_alone {
            wrong = Some(format!("at the same time: {flying:?}"));
        }
        let marked = all.iter().filter(|it| identity(it).is_some()).count();
        if marked == 6 && flying.is_empty() || wrong.is_some() {
            Ok(())
        } else {
            Err(format!("{marked} marked, {flying:?}"))
        }
    })
    .await?;
    ensure!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    ensure!(most == 2, "maxConcurrent is 2, at the same time were rolled {most}");
    expect::ready(&namespace, "app").await?;
    each_rolled(&namespace, &before, |_| 1).await
}

pub(crate) async fn manual(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 1).await?;
    let manual = json!({"rollout": {"policy": "Manual"}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &manual)?).await?;
    for (role, generation) in [(ROLE, 1), (OTHER_ROLE, 2)] {
        change(&namespace, json!({"roleArn": role})).await?;
        let message = expect::stalled(&namespace, "app", Reason::AwaitingRelease).await?;
        let released = message.rsplit_once(&format!("{RELEASE_ANNOTATION}=")).map(|(_, value)| value.to_owned());
        let of_generation = |value: &String| value.starts_with(&format!("{generation}-"));
        let Some(released) = released.filter(of_generation) else {
            bail!("the message does not say how to release: {message}")
        };
        expect::annotated(&namespace, "app", Some(role)).await?;
        rolled(&before, &expect::rolled_out(&namespace, "app").await?, generation - 1)?;

        let release = json!({"metadata": {"annotations": {RELEASE_ANNOTATION: released}}});
        namespace.change::<PodIdentityBinding>("app", &release).await?;
        expect::ready(&namespace, "app").await?;
        rolled(&before, &expect::rolled_out(&namespace, "app").await?, generation)?;
        expect::pods_have(&namespace, "app", 1, role).await?;
    }
    Ok(())
}

pub(crate) async fn never(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 1).await?;
    let never = json!({"rollout": {"policy": "Never"}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &never)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::RolloutDisabled).await?;
    ensure!(message.contains("Deployment/app"), "the message does not say what to restart: {message}");
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

    let by_hand = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "by-hand"}}}}});
    let restarted = namespace.change::<Deployment>("app", &by_hand).await?;
    expect::status_names(&verified(&namespace, 1).await?, ROLE, 1)?;
    rolled(&restarted, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// Another manager removes the mark whenever it sees it, like a GitOps tool that owns the whole
/// template.
pub(crate) async fn reverted(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 2).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let removal = json!({"spec": {"template": {"metadata": {"annotations": {IDENTITY_ANNOTATION: null}}}}});
    let undo = async {
        loop {
            wait::object(&namespace.api(), "app", "it is rolled", |it: Option<&Deployment>| {
                it.and_then(identity).map(|_| ()).ok_or_else(|| "it has no mark".to_owned())
            })
            .await?;
            namespace.change::<Deployment>("app", &removal).await?;
        }
    };
    let message = tokio::select! {
        message = expect::stalled(&namespace, "app", Reason::RolloutReverted) => message?,
        undone = undo => return undone,
    };
    ensure!(message.contains("Deployment/app"), "the message does not name the workload: {message}");
    let after: Deployment = namespace.api().get("app").await?;
    let changes = after.metadata.generation.zip(before.metadata.generation).map_or(0, |(new, old)| new - old);
    ensure!(changes <= 2 * 5, "{changes} changes of the template");
    let stalled: PodIdentityBinding = namespace.api().get("app").await?;
    ensure!(expect::condition_of(&stalled, condition::RECONCILING).is_none(), "stalled and reconciling");
    expect::event(&namespace, Reason::RolloutReverted).await?;
    Ok(())
}
