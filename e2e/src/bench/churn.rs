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

/// Pods of so many identities come and go.
const IDENTITIES: usize = 100;
/// An extra pod lives until its identity has got so many more.
const LIFE: usize = 2;

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

/// `rate` pod events a second: of four turns two change the status of a pod, one creates a pod, one deletes it.
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
        while let Some(done) = requests.try_join_next() {
            done??;
        }
    }
    while let Some(done) = requests.join_next().await {
        done??;
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = world.cpu(Some(operator))? - cpu;
    // Counts that were held back are written a little later.
    world.rest(operator).await?;
    let requests = counted(&log.read(world)?);
    Ok(Churn { seconds: took, events, identities, cpu: cpu.operator, requests })
}

async fn event(client: kube::Client, size: objects::Size, identities: usize, turn: usize, round: usize) -> Result<()> {
    let number = turn / 4;
    // Without the first one, which got another role when the operator was started.
    let identity = Identity::of(1 + number % identities);
    let Some(workload) = identity.workloads(&size).into_iter().next() else { return Ok(()) };
    let Identity { namespace, name } = &identity;
    // Generation 0 is no rollout's: extra pods, as an autoscaler makes them.
    let extra = |turn: usize| objects::pod_name(&workload, 0, turn);
    match turn % 4 {
        0 => {
            let pod = objects::pod(&workload, 0, number, name, Some(&objects::role(round)));
            http::create(&client, &path("pods", namespace, ""), &pod).await
        }
        2 if number >= LIFE * identities => {
            let earlier = number - LIFE * identities;
            http::delete(&client, &path("pods", namespace, &extra(earlier))).await
        }
        _ if number >= identities => {
            // A pod that the identity got a turn ago, and that lives for another.
            let pod = path("pods", namespace, &extra(number - identities));
            http::merge(&client, &format!("{pod}/status"), &objects::pod_status(turn)).await
        }
        _ => Ok(()),
    }
}
