//! Very many bindings at once, through a proxy that refuses a third of all requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::condition;

use super::proxy::{Helper, Proxy};
use super::rules::{Deed, Rule};
use super::run::usage;
use crate::fixtures::{self, ROLE};
use crate::{ControlPlane, Operator, Options, expect, operator};

/// The concurrency of the harness's own requests.
const AT_ONCE: usize = 32;

/// How long the whole run may take.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Writes for each binding if nothing is refused: finalizer, annotation, status and event, each
/// twice, because a status may be written before and after.
const WRITES_OF_EACH: usize = 8;

/// The measurements.
#[derive(Debug)]
pub struct Measured {
    /// The number of bindings.
    pub bindings: usize,
    /// Time until all bindings were created.
    pub created_in: Duration,
    /// Time from the first binding until all were ready.
    pub ready_in: Duration,
    /// All requests of the operator.
    pub requests: usize,
    /// Those of `requests` that a rule refused.
    pub refused: usize,
    /// Writes that reached the API server.
    pub writes: usize,
    /// The most requests in any second.
    pub busiest_second: usize,
    /// The most concurrent writes.
    pub most_at_once: usize,
    /// Memory in MiB: before the first binding, the peak, and in the end.
    pub memory: [usize; 3],
}

struct Nobody;

impl Helper for Nobody {
    fn kill_operator(&self) {}

    fn deed(&self, _: Deed) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

/// Creates this many bindings at once and waits until all are ready.
#[expect(clippy::too_many_lines, reason = "one run, step after step, whose steps share what was measured before")]
pub async fn run(bindings: usize) -> Result<Measured> {
    let control_plane = ControlPlane::start_with(&Options { nodes: 1, audit: false, ..Options::default() }).await?;
    control_plane.install().await?;
    let namespace = control_plane.namespace("overload").await?;
    let accounts: Api<ServiceAccount> = namespace.api();
    create_all(bindings, |name| {
        let accounts = accounts.clone();
        async move { Ok(accounts.create(&PostParams::default(), &fixtures::service_account(&name)?).await.map(|_| ())?) }
    })
    .await?;

    let rules = ["any * #1.. %6: answer 429 retry-after 1", "any * #4.. %6: answer 503"];
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse()).collect::<Result<_>>()?;
    let upstream = operator::client(&control_plane).await?;
    let proxy = Proxy::start(upstream, None, &rules, Arc::new(Nobody)).await?;
    let operator = Operator::start_as("operator-overload", &control_plane, proxy.server(), &[]).await?;
    let process = operator.process().id().context("the operator does not run")?;
    let listed = async {
        while !operator.log_about("all kinds listed").contains("all kinds") {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    };
    operator.while_alive(&control_plane, listed).await?;
    let memory = || usage(process).map_or(0, |usage| usage.memory_kib / 1024);
    let before = memory();

    let began = Instant::now();
    let api: Api<PodIdentityBinding> = namespace.api();
    create_all(bindings, |name| {
        let api = api.clone();
        async move { Ok(api.create(&PostParams::default(), &fixtures::binding(&name, &name, ROLE)?).await.map(|_| ())?) }
    })
    .await?;
    let created_in = began.elapsed();
    let mut most = before;
    let ready = async {
        loop {
            most = most.max(memory());
            let ready = count_ready(&api).await?;
            eprintln!("  {ready} of {bindings} ready after {} s", began.elapsed().as_secs());
            if ready == bindings {
                return anyhow::Ok(());
            }
            ensure!(began.elapsed() < DEADLINE, "only {ready} of {bindings} are ready after {DEADLINE:?}");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    operator.while_alive(&control_plane, ready).await?;
    let ready_in = began.elapsed();
    let (requests, refused, writes) = proxy.look(|journal| {
        let reached = journal.writes.iter().filter(|write| write.code.is_some()).count();
        (journal.requests(), journal.faults.len(), reached)
    });
    let (busiest_second, most_at_once) = proxy.look(|journal| (journal.busiest_second(), journal.most_at_once));
    let measured = Measured {
        bindings,
        created_in,
        ready_in,
        requests,
        refused,
        writes,
        busiest_second,
        most_at_once,
        memory: [before, most, memory()],
    };
    judge(&measured)?;
    Ok(measured)
}

/// Checks the limits: no more concurrent writes than reconciles, no more requests than the retries
/// need, no more memory than the objects take.
fn judge(measured: &Measured) -> Result<()> {
    let Measured { bindings, requests, refused, most_at_once, .. } = *measured;
    ensure!(refused * 10 >= requests * 3, "only {refused} of {requests} requests were refused: that is no overload");
    // A rule refuses every third write, and the operator repeats it.
    let most = bindings * WRITES_OF_EACH * 3 / 2 + 1000;
    ensure!(requests <= most, "{requests} requests for {bindings} bindings, expected at most {most}");
    // One for each of the 16 reconciles, and as many that timed out but are still running.
    ensure!(most_at_once <= 32, "{most_at_once} writes at the same time");
    let [before, highest, _] = measured.memory;
    let allowed = before + 64 + bindings / 20;
    ensure!(highest <= allowed, "{highest} MiB of memory, {before} before, expected at most {allowed}");
    Ok(())
}

async fn create_all<F: Future<Output = Result<()>>>(count: usize, create: impl Fn(String) -> F) -> Result<()> {
    let names = (0..count).map(|number| format!("app-{number:05}"));
    let mut creating = futures::stream::iter(names.map(create)).buffer_unordered(AT_ONCE);
    while let Some(created) = creating.next().await {
        created?;
    }
    Ok(())
}

async fn count_ready(api: &Api<PodIdentityBinding>) -> Result<usize> {
    let mut ready = 0;
    let mut params = kube::api::ListParams::default().limit(1000);
    loop {
        let page = api.list(&params).await?;
        ready += page.items.iter().filter(|binding| is_ready(binding)).count();
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(ready),
        }
    }
}

fn is_ready(binding: &PodIdentityBinding) -> bool {
    expect::condition_of(binding, condition::READY).is_some_and(|ready| ready.status == "True")
}
