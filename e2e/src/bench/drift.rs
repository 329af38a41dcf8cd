//! Another user strips the role from every service account at once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use podidentity_api::names;
use serde_json::{Value, json};

use super::http::{self, path};
use super::load::for_each;
use super::objects::Identity;
use super::requests::{Log, counted, last_writes};
use super::results::{Drift, Latency};
use super::world::World;
use crate::Operator;
use crate::process::lock;

/// Without a repair for this long, something is broken.
const STALLED: Duration = Duration::from_secs(120);

/// Strips all service accounts and waits until they are repaired.
#[expect(clippy::too_many_lines, reason = "one measurement, from start to end")]
pub(super) async fn storm(world: &World, operator: &Operator) -> Result<Drift> {
    world.rest(operator).await?;
    let mut log = Log::now(world)?;
    let (began, cpu) = (Instant::now(), world.cpu(Some(operator))?);
    let stripped = Mutex::new(HashMap::new());
    let patch = json!({"metadata": {"annotations": {format!("{}/role-arn", names::EKS_DOMAIN): Value::Null}}});
    for_each(0..world.size.bindings, |number| {
        let identity = Identity::of(number);
        let account = path("serviceaccounts", &identity.namespace, &identity.name);
        lock(&stripped).insert(identity, Timestamp::now());
        let patch = &patch;
        async move { http::merge(&world.load, &account, patch).await }
    })
    .await?;
    let stripping_seconds = began.elapsed().as_secs_f64();
    let stripped = stripped.into_inner().unwrap_or_default();
    let mut requests = Vec::new();
    let mut last_change = (0, Instant::now());
    let repaired = loop {
        requests.extend(log.read(world)?);
        let mut repaired = last_writes(&requests, "serviceaccounts");
        repaired.retain(|identity, at| stripped.get(identity).is_some_and(|stripped| stripped < at));
        if repaired.len() == stripped.len() {
            break repaired;
        }
        if repaired.len() > last_change.0 {
            last_change = (repaired.len(), Instant::now());
        }
        operator.check()?;
        ensure!(
            last_change.1.elapsed() < STALLED,
            "{} of {} are repaired, then no more",
            repaired.len(),
            stripped.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    world.rest(operator).await?;
    let cpu = world.cpu(Some(operator))? - cpu;
    requests.extend(log.read(world)?);
    let first = stripped.values().min().copied().unwrap_or_default();
    let last = repaired.values().max().copied().unwrap_or_default();
    let took = repaired.iter().map(|(identity, at)| at.duration_since(stripped[identity]).as_secs_f64());
    Ok(Drift {
        stripped: stripped.len(),
        stripping_seconds,
        seconds: last.duration_since(first).as_secs_f64(),
        repaired: Latency::of(took.collect()),
        cpu: cpu.operator,
        requests: counted(&requests),
    })
}
