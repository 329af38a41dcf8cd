//! The same job in turns: raw client, operator, raw client.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::load;
use super::objects::Identity;
use super::process::usage;
use super::raw::Raw;
use super::requests::{Log, counted, last_writes};
use super::results::{Job, Latency};
use super::world::World;
use crate::Operator;

/// All bindings are created while the operator runs.
pub(super) async fn onboarding(world: &World, operator: &Operator) -> Result<Job> {
    world.readiness.expect(0);
    world.replicas.round(0);
    let measure = Measure::begin(world, Some(operator))?;
    let sent = load::bind(world).await?;
    let ready = operator.while_alive(&world.control_plane, world.readiness.all(world.size.bindings)).await?;
    let job = measure.end(world, Some(operator), &sent, &ready);
    world.rest(operator).await?;
    job
}

/// All bindings get another role while the operator runs.
pub(super) async fn operator(world: &World, operator: &Operator, round: usize) -> Result<Job> {
    world.rest(operator).await?;
    world.readiness.expect(round);
    world.replicas.round(round);
    let mut measure = Measure::begin(world, Some(operator))?;
    let sent = load::change_role(world, round, None).await?;
    let ready = operator.while_alive(&world.control_plane, world.readiness.all(world.size.bindings)).await?;
    measure.seconds = Some(measure.began.elapsed().as_secs_f64());
    // The operator's later writes count, too.
    world.rest(operator).await?;
    measure.end(world, Some(operator), &sent, &ready)
}

/// All bindings get another role, and the raw client writes what the operator would write.
pub(super) async fn raw(world: &World, round: usize) -> Result<Job> {
    let raw = Raw::prepare(world, round).await?;
    world.readiness.expect(round);
    world.replicas.round(round);
    let rolled = world.replicas.rolled();
    let (changed, receiver) = mpsc::unbounded_channel();
    let measure = Measure::begin(world, None)?;
    let running = tokio::spawn(raw.run(receiver, rolled, world.size.bindings));
    let sent = load::change_role(world, round, Some(changed)).await?;
    running.await.context("the raw client panicked")??;
    let ready = world.readiness.all(world.size.bindings).await?;
    measure.end(world, None, &sent, &ready)
}

struct Measure {
    began: Instant,
    cpu: super::world::Cpu,
    log: Log,
    seconds: Option<f64>,
}

impl Measure {
    fn begin(world: &World, operator: Option<&Operator>) -> Result<Self> {
        let log = Log::now(world)?;
        Ok(Self { log, cpu: world.cpu(operator)?, began: Instant::now(), seconds: None })
    }

    fn end(
        mut self,
        world: &World,
        operator: Option<&Operator>,
        sent: &HashMap<Identity, Timestamp>,
        ready: &HashMap<Identity, Timestamp>,
    ) -> Result<Job> {
        let seconds = self.seconds.unwrap_or_else(|| self.began.elapsed().as_secs_f64());
        let cpu = world.cpu(operator)? - self.cpu;
        world.replicas.check()?;
        let requests = self.log.read(world)?;
        let since = |reached: &HashMap<Identity, Timestamp>| {
            let took = |(identity, at): (&Identity, &Timestamp)| {
                sent.get(identity).map(|sent| at.duration_since(*sent).as_secs_f64().max(0.0))
            };
            Latency::of(reached.iter().filter_map(took).collect())
        };
        Ok(Job {
            by: if operator.is_some() { "operator" } else { "raw client" }.to_owned(),
            seconds,
            sent_seconds: between_first_and_last(sent),
            operator_cpu: cpu.operator,
            harness_cpu: cpu.harness,
            server_cpu: cpu.server,
            requests: counted(&requests),
            annotated: since(&last_writes(&requests, "serviceaccounts")),
            patched: since(&last_writes(&requests, "deployments")),
            ready: since(ready),
            peak_kib: operator.and_then(Operator::id).map(usage).transpose()?.map_or(0, |usage| usage.peak),
        })
    }
}

fn between_first_and_last(sent: &HashMap<Identity, Timestamp>) -> f64 {
    let bounds = sent.values().min().zip(sent.values().max());
    bounds.map_or(0.0, |(first, last)| last.duration_since(*first).as_secs_f64())
}
