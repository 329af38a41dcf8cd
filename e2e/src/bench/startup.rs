//! The operator starts in a populated cluster, in which one binding changed while the operator was
//! down.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use super::load;
use super::objects::Identity;
use super::process::usage;
use super::requests::{Log, counted, is_lease, succeeded};
use super::results::Startup;
use super::world::World;
use crate::Operator;
use crate::audit::Request;

const LISTED: &str = "all kinds listed";
const DEADLINE: Duration = Duration::from_secs(600);

/// Starts the operator. Returns it and the measurements of its start.
pub(super) async fn start(world: &World, round: usize) -> Result<(Operator, Startup)> {
    world.readiness.expect(round);
    world.replicas.round(round);
    load::change_one(world, &Identity::of(0), round).await?;
    let mut log = Log::now(world)?;
    let server_before = world.cpu(None)?.server;
    let began = Timestamp::now();
    let operator = world.operator().await?;
    let mut requests = Vec::new();
    let first = first_write(world, &operator, &mut log, &mut requests).await?;
    let id = operator.id().context("the operator has ended")?;
    let cpu = usage(id)?.cpu;
    let server_cpu = world.cpu(None)?.server - server_before;
    let listed = listed_at(&operator, began)?;
    world.readiness.all(1).await?;
    world.rest(&operator).await?;
    requests.extend(log.read(world)?);
    let settled = usage(id)?;
    let since = |at: Timestamp| at.duration_since(began).as_secs_f64();
    let startup = Startup {
        listed_seconds: listed.map(since),
        first_write_seconds: since(first),
        cpu,
        server_cpu,
        resident_kib: settled.resident,
        peak_kib: settled.peak,
        requests: counted(&requests),
    };
    Ok((operator, startup))
}

async fn first_write(world: &World, operator: &Operator, log: &mut Log, all: &mut Vec<Request>) -> Result<Timestamp> {
    let began = Instant::now();
    loop {
        operator.check()?;
        let requests = log.read(world)?;
        let first = requests.iter().find(|request| request.is_write() && succeeded(request) && !is_lease(request));
        let at = first.map(|request| request.stage_timestamp);
        all.extend(requests);
        if let Some(at) = at {
            return Ok(at);
        }
        ensure!(began.elapsed() < DEADLINE, "the operator has written nothing within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The time of the last log line about the lists; each line begins with its time. `None`: another
/// operator, which says nothing of the kind.
fn listed_at(operator: &Operator, began: Timestamp) -> Result<Option<Timestamp>> {
    let log = operator.log_about(LISTED);
    let Some(line) = log.lines().last() else { return Ok(None) };
    let at: Timestamp = line.split_whitespace().next().unwrap_or_default().parse()?;
    ensure!(at >= began, "the operator's log does not say when this start had listed all kinds");
    Ok(Some(at))
}
