//! Two replicas: one works, the other takes over during a rollout, and no workload is rolled twice.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::operator::NAMESPACE;
use e2e::{ControlPlane, Namespace, Operator, READY_AFTER, wait};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::steps::{change, name, several};
use crate::world::World;

/// The workloads roll one after the other, so that a takeover can happen in between.
const WORKLOADS: usize = 8;

/// How the leader stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    Killed,
    Terminated,
    Frozen,
}

pub(crate) async fn leader_killed(world: Arc<World>, namespace: Namespace) -> Result<()> {
    Box::pin(instead_of_the_only_one(&world, taken_over(&world, &namespace, Away::Killed))).await
}

pub(crate) async fn leader_terminated(world: Arc<World>, namespace: Namespace) -> Result<()> {
    Box::pin(instead_of_the_only_one(&world, taken_over(&world, &namespace, Away::Terminated))).await
}

pub(crate) async fn leader_frozen(world: Arc<World>, namespace: Namespace) -> Result<()> {
    Box::pin(instead_of_the_only_one(&world, taken_over(&world, &namespace, Away::Frozen))).await
}

/// The world's own operator takes no part in elections, so it is stopped for this scenario.
pub(crate) async fn instead_of_the_only_one(world: &World, story: impl Future<Output = Result<()>>) -> Result<()> {
    world.operator.kill();
    let told = story.await;
    world.operator.restart()?;
    told
}

/// Two replicas that stand for election; the first one leads.
async fn replicas(control_plane: &ControlPlane) -> Result<(Operator, Operator)> {
    let args = ["--leader-elect", "--lease-namespace", NAMESPACE];
    let server = control_plane.server();
    let leader = Operator::start_as("replica-1", control_plane, server, &args).await?;
    leader.shows("the first replica leads", |it| it.count("podidentity_leader", &[]) > 0).await?;
    let standby = Operator::start_as("replica-2", control_plane, server, &args).await?;
    standby.answers("/readyz", 200).await?;
    let leads = standby.metrics().await?.count("podidentity_leader", &[]);
    ensure!(leads == 0, "both replicas lead");
    Ok((leader, standby))
}

async fn taken_over(world: &World, namespace: &Namespace, away: Away) -> Result<()> {
    let (leader, standby) = replicas(&world.control_plane).await?;
    let before = several(namespace, WORKLOADS, |_| json!({READY_AFTER: "500ms"})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let begun = at_least_rolled(namespace, 3).await?;
    ensure!(begun < WORKLOADS, "the rollout was over before the leader could go away in the middle of it");
    let passed_by = standby.metrics().await?;
    ensure!(writes(&passed_by) == 0, "the replica that does not lead has written");

    let gone = Instant::now();
    match away {
        Away::Killed => leader.kill(),
        Away::Terminated => leader.terminate().await?,
        Away::Frozen => leader.freeze(),
    }
    let ended = gone.elapsed();
    standby.shows("the second replica leads", |it| it.count("podidentity_leader", &[]) > 0).await?;
    let took_over = gone.elapsed();
    standby.shows("the second replica goes on", |it| it.count("podidentity_rollouts_started_total", &[]) > 0).await?;
    println!(
        "leader {away:?} (gone after {ended:.1?}): lease taken over after {took_over:.1?}, next workload rolled after {:.1?}",
        gone.elapsed()
    );
    all_rolled(namespace, &before, 1, ROLE).await?;

    match away {
        Away::Terminated => gave_it_up(&world.control_plane, &leader).await,
        Away::Frozen => does_no_harm(namespace, &leader, &standby, &before).await,
        Away::Killed => Ok(()),
    }
}

/// The writes of a replica, except those of its lease.
fn writes(metrics: &e2e::scrape::Scrape) -> i64 {
    let of = |verb| {
        let verb = format!("verb=\"{verb}\"");
        metrics.count("podidentity_api_requests_total", &[&verb])
            - metrics.count("podidentity_api_requests_total", &[&verb, "resource=\"leases\""])
    };
    of("patch") + of("create") + of("update") + of("delete")
}

async fn gave_it_up(control_plane: &ControlPlane, leader: &Operator) -> Result<()> {
    let log = leader.log_about("gave the lease up");
    ensure!(!log.is_empty(), "the leader that was asked to end did not give the lease up");
    let lease = Api::<Lease>::namespaced(control_plane.client(), NAMESPACE).get("podidentity-operator").await?;
    let transitions = lease.spec.and_then(|spec| spec.lease_transitions);
    ensure!(transitions >= Some(2), "the lease counts {transitions:?} transitions");
    Ok(())
}

/// The former leader wakes up in a cluster that has moved on.
async fn does_no_harm(namespace: &Namespace, old: &Operator, new: &Operator, before: &[Deployment]) -> Result<()> {
    change(namespace, json!({"roleArn": OTHER_ROLE})).await?;
    all_rolled(namespace, before, 2, OTHER_ROLE).await?;
    old.thaw();
    let woken = old.shows("it sees that it does not lead", |it| it.count("podidentity_leader", &[]) == 0).await?;
    // It has caught up once it has seen the owner's last change of the role.
    old.answers("/livez", 200).await?;
    change(namespace, json!({"roleArn": ROLE})).await?;
    all_rolled(namespace, before, 3, ROLE).await?;
    let later = old.metrics().await?;
    ensure!(writes(&later) == writes(&woken), "the leader of old went on writing: {later:#?}");
    let leads = new.metrics().await?.count("podidentity_leader", &[]);
    ensure!(leads == 1, "the new leader has lost the lease to one that was frozen");
    Ok(())
}

/// Waits until at least this many workloads have rolled. Returns their number.
async fn at_least_rolled(namespace: &Namespace, count: usize) -> Result<usize> {
    let what = format!("{count} workloads are rolled");
    wait::objects(&namespace.api(), "", &what, |deployments: &[&Deployment]| {
        let rolled = deployments.iter().filter(|deployment| identity(deployment).is_some()).count();
        if rolled >= count { Ok(rolled) } else { Err(format!("{rolled} are")) }
    })
    .await
}

/// Waits until the rollout is complete. Each workload must have changed exactly this many times
/// since `before`.
async fn all_rolled(namespace: &Namespace, before: &[Deployment], times: i64, role: &str) -> Result<()> {
    let binding = expect::ready(namespace, "app").await?;
    expect::status_names(&binding, role, i32::try_from(WORKLOADS)?)?;
    let after = try_join_all((0..WORKLOADS).map(|n| {
        let name = name(n);
        async move { expect::rolled_out(namespace, &name).await }
    }))
    .await?;
    for (before, after) in before.iter().zip(&after) {
        rolled(before, after, times).context("after the take-over")?;
    }
    Ok(())
}
