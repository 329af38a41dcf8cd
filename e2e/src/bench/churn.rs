//! Silence, and pods that come, go and change while every identity stays correct.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::http::{self, path};
use super::objects::{self, Identity};
use super::requests::{Log, counted};
use super::results::{Churn, Window};
use super::world::World;
use crate::Operator;

/// The number of identities whose pods come and go.
const IDENTITIES: usize = 100;
/// An extra pod lives until its identity has this many newer ones.
const LIFE: usize = 2;
/// The most requests at the same time.
const AT_ONCE: usize = 32;

/// Nothing happens for a while.
pub(super) async fn silence(world: &World, operator: &Operator, seconds: u64) -> Result<Window> {
    world.rest(operator).await?;
    let mut log = Log::now(world)?;
    let (began, cpu) = (Instant::now(), world.cpu(Some(operator))?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let cpu = world.cpu(Some(operator))? - cpu;
    operator.check()?;
    let requests = counted(&log.read(world)?);
    Ok(Window { seconds: began.elapsed().as_secs_f64(), cpu: cpu.operator, requests })
}

/// `rate` pod events per second. In four turns, two change a pod's status, one creates a pod, and
/// one deletes a pod.
pub(super) async fn churn(
    world: &World,
    operator: &Operator,
    rate: usize,
    seconds: u64,
    round: usize,
) -> Result<Churn> {
    world.rest(operator).await?;
    let identities = IDENTITIES.min(world.size.bindings - 1);
    let mut log = Log::now(world)?;
    let (began, cpu) = (Instant::now(), world.cpu(Some(operator))?);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut events = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        requests.spawn(event(world.load.clone(), world.size, identities, events, round));
        events += 1;
        // Missed ticks are made up for at once, but never so many that a change overtakes the
        // creation of its pod.
        while requests.len() >= AT_ONCE {
            requests.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = requests.join_next().await {
        done??;
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = world.cpu(Some(operator))? - cpu;
    // The operator writes delayed counts a little later.
    world.rest(operator).await?;
    let requests = counted(&log.read(world)?);
    remove(world, identities, events).await?;
    Ok(Churn { seconds: took, events, identities, cpu: cpu.operator, requests })
}

/// What happens in a turn, with the number of the pod.
enum Turn {
    Creates(usize),
    Deletes(usize),
    Changes(usize),
}

/// What happens in a turn. Pods are created one after the other, and each is changed and deleted
/// when its identity has this many newer ones. At first, no pod can be changed or deleted.
fn turn(turn: usize, identities: usize) -> Option<Turn> {
    let number = turn / 4;
    match turn % 4 {
        0 => Some(Turn::Creates(number)),
        2 => number.checked_sub(LIFE * identities).map(Turn::Deletes),
        _ => number.checked_sub(identities).map(Turn::Changes),
    }
}

async fn event(client: kube::Client, size: objects::Size, identities: usize, at: usize, round: usize) -> Result<()> {
    match turn(at, identities) {
        Some(Turn::Creates(number)) => {
            let Some((identity, workload)) = owner(&size, identities, number) else { return Ok(()) };
            let pod = objects::pod(&workload, 0, number, &identity.name, Some(&identity.role(round)));
            http::create(&client, &path("pods", &identity.namespace, ""), &pod).await
        }
        Some(Turn::Deletes(number)) => delete(&client, &size, identities, number).await,
        Some(Turn::Changes(number)) => {
            let Some(pod) = extra(&size, identities, number) else { return Ok(()) };
            http::merge(&client, &format!("{pod}/status"), &objects::pod_status(at)).await
        }
        None => Ok(()),
    }
}

/// Removes the extra pods that remain after this many turns.
async fn remove(world: &World, identities: usize, turns: usize) -> Result<()> {
    let all = || (0..turns).filter_map(|at| turn(at, identities));
    // Pods are deleted in the order in which they were created.
    let deleted = all().filter(|turn| matches!(turn, Turn::Deletes(_))).count();
    let created = all().filter(|turn| matches!(turn, Turn::Creates(_))).count();
    for number in deleted..created {
        delete(&world.load, &world.size, identities, number).await?;
    }
    Ok(())
}

async fn delete(client: &kube::Client, size: &objects::Size, identities: usize, number: usize) -> Result<()> {
    let Some(pod) = extra(size, identities, number) else { return Ok(()) };
    http::delete(client, &pod).await
}

/// The path of an extra pod. Generation 0 belongs to no rollout: the pods appear as if an
/// autoscaler created them.
fn extra(size: &objects::Size, identities: usize, number: usize) -> Option<String> {
    let (identity, workload) = owner(size, identities, number)?;
    Some(path("pods", &identity.namespace, &objects::pod_name(&workload, 0, number)))
}

/// The owner of the pod; `None` if the identity has no Deployment.
fn owner(size: &objects::Size, identities: usize, number: usize) -> Option<(Identity, String)> {
    // Skips the first identity, which got another role when the operator started.
    let identity = Identity::of(1 + number % identities);
    let workload = identity.workloads(size).into_iter().next()?;
    Some((identity, workload))
}
