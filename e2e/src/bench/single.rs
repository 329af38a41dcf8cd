//! One change at a time on a quiet cluster, by the operator or by the raw client.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::load;
use super::objects::Identity;
use super::raw::Raw;
use super::requests::{Log, last_writes};
use super::results::{Latency, Single};
use super::world::World;
use crate::Operator;

/// Changes this many bindings, each after the previous one is Ready. `operator`: `None` is the raw
/// client.
pub(super) async fn changes(world: &World, operator: Option<&Operator>, round: usize, count: usize) -> Result<Single> {
    ensure!(count <= world.size.bindings, "{count} bindings cannot be changed, there are {}", world.size.bindings);
    let raw = if operator.is_none() { Some(Raw::prepare(world, round).await?) } else { None };
    world.readiness.expect(round);
    world.replicas.round(round);
    let mut log = Log::now(world)?;
    let (changed, receiver) = mpsc::unbounded_channel();
    let running = raw.map(|raw| tokio::spawn(raw.run(receiver, world.replicas.rolled(), count)));
    let mut answered = HashMap::new();
    for number in 0..count {
        let identity = Identity::of(number);
        load::change_one(world, &identity, round).await?;
        answered.insert(identity.clone(), Timestamp::now());
        // No one listens while the operator works.
        let _ = changed.send(identity);
        let ready = world.readiness.all(number + 1);
        match operator {
            Some(operator) => operator.while_alive(&world.control_plane, ready).await?,
            None => ready.await?,
        };
    }
    let ready = world.readiness.all(count).await?;
    match (running, operator) {
        (Some(running), _) => running.await.context("the raw client panicked")??,
        (None, Some(operator)) => world.rest(operator).await?,
        (None, None) => {}
    }
    let requests = log.read(world)?;
    let since = |reached: &HashMap<Identity, Timestamp>| {
        let took = reached.iter().filter_map(|(identity, at)| {
            answered.get(identity).map(|answered| at.duration_since(*answered).as_secs_f64().max(0.0))
        });
        Latency::of(took.collect())
    };
    Ok(Single { annotated: since(&last_writes(&requests, "serviceaccounts")), ready: since(&ready) })
}
