//! Rollouts while the operator, the injection or the CRD goes away, and the limit across all
//! bindings. These scenarios need a cluster for themselves.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{NEVER_READY_AS, Namespace, READY_AFTER, wait};
use futures::future::try_join_all;
use futures::try_join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use podidentity_api::{PodIdentityBinding, WorkloadState};
use serde_json::json;

use crate::rollouts::in_flight;
use crate::steps::{bound, change, name, running_as_its_own, several};
use crate::world::{NARROW, World};

/// How often the operator is killed.
const KILLS: usize = 25;

/// A small generator of pseudo-random numbers (xorshift), so that a seed repeats a run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn seed() -> u64 {
    let given = std::env::var("E2E_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| RandomState::new().hash_one("seed")).max(1)
}

pub(crate) async fn killed_at_random(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let seed = seed();
    println!("killed_at_random: E2E_SEED={seed}");
    each_change_rolls_once(&world, &namespace, Random(seed)).await.with_context(|| format!("with E2E_SEED={seed}"))
}

async fn each_change_rolls_once(world: &World, namespace: &Namespace, mut random: Random) -> Result<()> {
    let before = several(namespace, 6, |_| json!({READY_AFTER: "500ms"})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let kills = async {
        for _ in 0..KILLS {
            // From the first requests of a new process to the middle of its work.
            tokio::time::sleep(Duration::from_millis(random.below(1500))).await;
            world.operator.kill();
            world.operator.restart()?;
        }
        anyhow::Ok(())
    };
    let over = AtomicBool::new(false);
    let kills = async {
        let killed = kills.await;
        over.store(true, Ordering::SeqCst);
        killed
    };
    // The role changes back and forth until the last kill.
    let changes = async {
        let mut before = rolled_once(namespace, before, ROLE).await?;
        for role in [OTHER_ROLE, ROLE].into_iter().cycle() {
            if over.load(Ordering::SeqCst) {
                break;
            }
            change(namespace, json!({"roleArn": role})).await?;
            before = rolled_once(namespace, before, role).await?;
        }
        anyhow::Ok(())
    };
    try_join!(kills, changes).map(|_| ())
}

/// Waits until all workloads have rolled, each exactly once since `before`.
async fn rolled_once(namespace: &Namespace, before: Vec<Deployment>, role: &str) -> Result<Vec<Deployment>> {
    expect::ready(namespace, "app").await?;
    let mut after = Vec::new();
    for (n, before) in before.iter().enumerate() {
        let now = expect::rolled_out(namespace, &name(n)).await?;
        rolled(before, &now, 1)?;
        expect::pods_have(namespace, &name(n), 1, role).await?;
        after.push(now);
    }
    Ok(after)
}

pub(crate) async fn limited_across_bindings(_: Arc<World>, namespace: Namespace) -> Result<()> {
    limit_holds(&namespace, 5, || Ok(())).await
}

/// Kills the operator whenever the limit of concurrent rollouts is reached: the next process must
/// count what it finds.
pub(crate) async fn limited_across_restarts(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let kill = || {
        world.operator.kill();
        world.operator.restart()
    };
    limit_holds(&namespace, 8, kill).await
}

/// Binds this many service accounts at once, each with a Deployment. Calls `at_limit` for every set
/// of workloads that roll at the limit.
async fn limit_holds(
    namespace: &Namespace,
    bindings: usize,
    mut at_limit: impl FnMut() -> Result<()> + Send,
) -> Result<()> {
    let bind = |n| {
        let name = name(n);
        async move { running_as_its_own(namespace, &name, &json!({READY_AFTER: "1s"})).await }
    };
    let before = try_join_all((0..bindings).map(bind)).await?;
    for n in 0..bindings {
        namespace.create(fixtures::binding(&name(n), &name(n), ROLE)?).await?;
    }
    let (mut most, mut at) = (0, Vec::new());
    wait::objects(&namespace.api(), "", "all are rolled", |all: &[&Deployment]| {
        let flying: Vec<String> = in_flight(all).into_iter().map(str::to_owned).collect();
        if flying.len() >= NARROW && flying != at {
            at_limit().map_err(|error| error.to_string())?;
            at.clone_from(&flying);
        }
        most = most.max(flying.len());
        let marked = all.iter().filter(|it| identity(it).is_some()).count();
        if marked == bindings && flying.is_empty() { Ok(()) } else { Err(format!("{marked} marked, {flying:?}")) }
    })
    .await?;
    ensure!(most == NARROW, "the limit is {NARROW}, at the same time were rolled {most}, for example {at:?}");
    for (n, before) in before.iter().enumerate() {
        expect::ready(namespace, &name(n)).await?;
        rolled(before, &expect::rolled_out(namespace, &name(n)).await?, 1)?;
    }
    Ok(())
}

/// A binding without a finalizer is deleted during a rollout that never ends. Another binding gets
/// its slot.
pub(crate) async fn gone_while_rolling(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let retain = json!({"deletionPolicy": "Retain"});
    for n in 0..=NARROW {
        let (name, waits) = (name(n), n == NARROW);
        let annotations = if waits { json!({}) } else { json!({NEVER_READY_AS: ROLE}) };
        running_as_its_own(&namespace, &name, &annotations).await?;
        namespace.create(fixtures::binding_with(&name, &name, ROLE, &retain)?).await?;
        let state = if waits { WorkloadState::Pending } else { WorkloadState::Rolling };
        expect::workload(&namespace, &name, &format!("Deployment/{name}"), state).await?;
    }
    namespace.delete::<PodIdentityBinding>(&name(0)).await?;
    expect::ready(&namespace, &name(NARROW)).await?;
    // The other scenarios in this world need all slots.
    for n in 1..=NARROW {
        namespace.delete::<PodIdentityBinding>(&name(n)).await?;
    }
    Ok(())
}

/// Many bindings are deleted at once, and each must restart a workload.
pub(crate) async fn revocations_limited(_: Arc<World>, namespace: Namespace) -> Result<()> {
    const BINDINGS: usize = 5;
    let revoke = json!({"deletionPolicy": "Revoke"});
    let bind = |n| {
        let (name, namespace, revoke) = (name(n), &namespace, &revoke);
        async move {
            running_as_its_own(namespace, &name, &json!({READY_AFTER: "1s"})).await?;
            namespace.create(fixtures::binding_with(&name, &name, ROLE, revoke)?).await?;
            expect::ready(namespace, &name).await?;
            expect::rolled_out(namespace, &name).await
        }
    };
    let before = try_join_all((0..BINDINGS).map(bind)).await?;
    try_join_all((0..BINDINGS).map(|n| {
        let namespace = &namespace;
        async move { namespace.delete::<PodIdentityBinding>(&name(n)).await }
    }))
    .await?;
    let mut most = 0;
    wait::objects(&namespace.api(), "", "all are revoked", |all: &[&Deployment]| {
        let flying = in_flight(all);
        most = most.max(flying.len());
        let revoked = all.iter().filter(|it| identity(it).is_some_and(|mark| mark.starts_with("revoked-"))).count();
        if revoked == BINDINGS && flying.is_empty() { Ok(()) } else { Err(format!("{revoked} revoked, {flying:?}")) }
    })
    .await?;
    ensure!(most <= NARROW, "the limit is {NARROW}, at the same time were rolled {most}");
    for (n, before) in before.iter().enumerate() {
        expect::gone::<PodIdentityBinding>(&namespace, &name(n)).await?;
        rolled(before, &expect::rolled_out(&namespace, &name(n)).await?, 1)?;
    }
    Ok(())
}

/// Injection disappears during a rollout and comes back.
pub(crate) async fn injection_interrupted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    const WORKLOADS: usize = 6;
    several(&namespace, WORKLOADS, |_| json!({READY_AFTER: "1s"})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::pods_have(&namespace, &name(0), 1, ROLE).await?;
    world.control_plane.remove_injection().await?;
    let missed = missed(&namespace).await;
    world.control_plane.install_injection().await?;
    missed?;

    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, i32::try_from(WORKLOADS)?)?;
    let mut restarted_again = 0;
    for n in 0..WORKLOADS {
        expect::pods_have(&namespace, &name(n), 1, ROLE).await?;
        let after = expect::rolled_out(&namespace, &name(n)).await?;
        restarted_again += usize::from(identity(&after).is_some_and(|mark| mark.contains('-')));
    }
    ensure!(restarted_again > 0, "no template carries the count of a second attempt");
    Ok(())
}

async fn missed(namespace: &Namespace) -> Result<()> {
    wait::object(&namespace.api(), "app", "a missed injection is reported", |it: Option<&PodIdentityBinding>| {
        let findings = it.iter().flat_map(|it| it.status.iter().flat_map(|status| &status.findings));
        let reasons: Vec<_> = findings.map(|finding| finding.reason.as_str()).collect();
        if reasons.contains(&"InjectionMissed") { Ok(()) } else { Err(format!("findings: {reasons:?}")) }
    })
    .await
}

/// The CRD is deleted together with a binding, and installed again.
pub(crate) async fn definition_deleted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    const CRD: &str = "podidentitybindings.podidentity.dev";
    let before = bound(&namespace, &json!({})).await?;
    let api = Api::<CustomResourceDefinition>::all(world.control_plane.client());
    api.delete(CRD, &kube::api::DeleteParams::default()).await.context("cannot delete the definition")?;
    let gone = wait::object(&api, CRD, "the definition is gone", |it: Option<&CustomResourceDefinition>| {
        if it.is_none() { Ok(()) } else { Err("it exists".to_owned()) }
    })
    .await;
    let released = expect::annotated(&namespace, "app", None).await;
    world.control_plane.install().await?;
    gone?;
    released?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

    namespace.create(fixtures::binding("app", "app", OTHER_ROLE)?).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, OTHER_ROLE, 2)?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)
}
