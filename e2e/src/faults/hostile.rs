//! A tenant that does everything to keep the operator from serving a hundred other bindings.
//!
//! ```text
//! the tenant is at work ─► a hundred bindings in twenty namespaces ─► each is served ─► what is said of the tenant
//! ```
//!
//! The tenant has `edit` in three namespaces and can reach the operator's port. It has:
//!
//! - the largest pods that an API server accepts, changed continuously, in a namespace with
//!   bindings and in one without;
//! - twelve Deployments that never come up after a restart, with the longest deadlines;
//! - a binding whose role changes ten times a second;
//! - five hundred connections that never finish their request.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::condition;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::malformed::largest_pods;
use crate::fixtures::{self, OTHER_ROLE, ROLE};
use crate::memory_limit::{MemoryLimit, Peak};
use crate::{ControlPlane, NEVER_READY_AS, Namespace, Operator, expect, wait};

const NEIGHBOURS: usize = 20;
const BINDINGS_OF_EACH: usize = 5;
/// The number of each neighbour's bindings that have a workload that needs a restart.
const WORKLOADS_OF_EACH: usize = 1;
const HOGS: usize = 12;
const CONNECTIONS: usize = 500;
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);

/// The measurements.
#[derive(Debug)]
pub struct Measured {
    /// For each of the neighbours' bindings, the time from its creation to its first status.
    pub first_status: Vec<Duration>,
    /// The time to `Ready`.
    pub ready: Vec<Duration>,
    /// How often the tenant changed its binding's role.
    pub role_changes: usize,
    /// Restarts of the tenant's workload whose role changed.
    pub restarts: i64,
    /// The operator's peak memory under the limit of its manifest, if this machine can set one.
    pub memory: Option<Peak>,
}

/// Runs the scenario on its own control plane.
pub async fn run() -> Result<Measured> {
    let control_plane = ControlPlane::start().await?;
    let measured = on(&control_plane).await;
    if measured.is_err() {
        control_plane.keep_logs();
    }
    measured
}

async fn on(control_plane: &ControlPlane) -> Result<Measured> {
    control_plane.install().await?;
    let tenant = Tenant::settle(control_plane).await?;
    let neighbours = try_join_all((0..NEIGHBOURS).map(|_| control_plane.namespace("neighbour"))).await?;
    try_join_all(neighbours.iter().map(prepare)).await?;
    let operator = Operator::start_installed(control_plane, &[]).await?;
    let limit = MemoryLimit::of_the_operator(&operator)?;
    tenant.bind().await?;
    let _connections = half_open(&operator).await?;

    let served = async {
        let served = try_join_all(neighbours.iter().map(serve)).await?;
        anyhow::Ok(served.into_iter().flatten().unzip())
    };
    // The first future to finish ends the run: the tenant and the probe never finish by themselves.
    let work = async {
        tokio::select! {
            served = served => served,
            failed = async { futures::try_join!(tenant.change_roles(), tenant.touch_pods(), stays_alive(&operator)) } => {
                failed?;
                bail!("the tenant has stopped")
            }
        }
    };
    let (first_status, ready): (Vec<Duration>, Vec<Duration>) = operator.while_alive(control_plane, work).await?;
    let restarts = tenant.judge().await?;
    let memory = limit.map(|limit| limit.peak()).transpose()?;
    Ok(Measured { first_status, ready, role_changes: tenant.changed(), restarts, memory })
}

/// The tenant's namespaces.
struct Tenant {
    bound: Namespace,
    /// Without a binding.
    unbound: Namespace,
    /// The namespace of the binding whose role changes. Nothing else here takes restart slots.
    restless: Namespace,
    changes: std::cell::Cell<usize>,
}

impl Tenant {
    /// Creates the objects that exist before the operator starts.
    async fn settle(control_plane: &ControlPlane) -> Result<Self> {
        let bound = control_plane.namespace("tenant").await?;
        let unbound = control_plane.namespace("tenant").await?;
        let restless = control_plane.namespace("tenant").await?;
        for (name, pod) in largest_pods() {
            for namespace in [&bound, &unbound] {
                namespace.create(fixtures::service_account(&name)?).await?;
                namespace.create::<Pod>(serde_json::from_value(pod.clone())?).await?;
            }
        }
        for hog in hogs() {
            bound.create(fixtures::service_account(&hog)?).await?;
            let mut deployment = fixtures::deployment_with(&hog, &hog, 1, &json!({NEVER_READY_AS: ROLE}))?;
            deployment.spec.progress_deadline_seconds = Some(7 * 86_400);
            bound.create(deployment).await?;
        }
        restless.create(fixtures::service_account(FLIPPED)?).await?;
        restless.create(fixtures::deployment(FLIPPED, FLIPPED, 1)?).await?;
        expect::rolled_out(&restless, FLIPPED).await?;
        for name in hogs() {
            expect::rolled_out(&bound, &name).await?;
        }
        Ok(Self { bound, unbound, restless, changes: std::cell::Cell::new(0) })
    }

    /// Creates the tenant's bindings, first those that take restart slots and never free them.
    async fn bind(&self) -> Result<()> {
        let longest = json!({"rollout": {"progressDeadlineSeconds": 86_400, "settleSeconds": 0}});
        for hog in hogs() {
            self.bound.create(fixtures::binding_with(&hog, &hog, ROLE, &longest)?).await?;
        }
        let at_once = json!({"rollout": {"settleSeconds": 0}});
        self.restless.create(fixtures::binding_with(FLIPPED, FLIPPED, ROLE, &at_once)?).await?;
        for (name, _) in largest_pods() {
            self.bound.create(fixtures::binding(&name, &name, ROLE)?).await?;
        }
        Ok(())
    }

    async fn change_roles(&self) -> Result<()> {
        loop {
            let role = if self.changes.get().is_multiple_of(2) { OTHER_ROLE } else { ROLE };
            let patch = json!({"spec": {"roleArn": role}});
            self.restless.change::<PodIdentityBinding>(FLIPPED, &patch).await?;
            self.changes.set(self.changes.get() + 1);
            tokio::time::sleep(BETWEEN_CHANGES).await;
        }
    }

    async fn touch_pods(&self) -> Result<()> {
        for turn in 0_usize.. {
            for (name, _) in largest_pods() {
                let patch = json!({"metadata": {"labels": {"turn": turn.to_string()}}});
                self.bound.change::<Pod>(&name, &patch).await?;
                self.unbound.change::<Pod>(&name, &patch).await?;
            }
            tokio::time::sleep(BETWEEN_CHANGES).await;
        }
        Ok(())
    }

    fn changed(&self) -> usize {
        self.changes.get()
    }

    /// Checks that no binding of the tenant is ready that should not be, and that its restarts are
    /// bounded. Returns the number of restarts.
    async fn judge(&self) -> Result<i64> {
        for name in largest_pods().into_iter().map(|(name, _)| name).chain(hogs()) {
            let binding: PodIdentityBinding = self.bound.api().get(&name).await?;
            let ready = expect::condition_of(&binding, condition::READY);
            let ready = ready.with_context(|| format!("{name} has no status"))?;
            ensure!(ready.status != "True", "{name} is called ready: {}", ready.message);
        }
        let flipped: Deployment = self.restless.api().get(FLIPPED).await?;
        let restarts = flipped.metadata.generation.unwrap_or_default() - 1;
        // A role that changes during a restart waits for that restart.
        let (changes, most) = (self.changed(), i64::try_from(self.changed() / 4)? + 2);
        ensure!(restarts <= most, "{restarts} restarts for {changes} changes of the role, expected at most {most}");
        Ok(restarts)
    }
}

const FLIPPED: &str = "flipped";

fn hogs() -> impl Iterator<Item = String> {
    (0..HOGS).map(|number| format!("hog-{number}"))
}

/// The objects of a neighbour before it creates bindings.
async fn prepare(neighbour: &Namespace) -> Result<()> {
    for (number, name) in names().enumerate() {
        neighbour.create::<ServiceAccount>(fixtures::service_account(&name)?).await?;
        if number < WORKLOADS_OF_EACH {
            neighbour.create(fixtures::deployment(&name, &name, 1)?).await?;
            expect::rolled_out(neighbour, &name).await?;
        }
    }
    Ok(())
}

fn names() -> impl Iterator<Item = String> {
    (0..BINDINGS_OF_EACH).map(|number| format!("app-{number}"))
}

/// Creates the neighbour's bindings. Returns the time of each to its first status and to ready.
async fn serve(neighbour: &Namespace) -> Result<Vec<(Duration, Duration)>> {
    let one = async |name: String| {
        let began = Instant::now();
        neighbour.create(fixtures::binding(&name, &name, ROLE)?).await?;
        let api = neighbour.api();
        wait::object(&api, &name, "it has a status", |binding: Option<&PodIdentityBinding>| {
            let status = binding.and_then(|binding| binding.status.as_ref());
            status.filter(|status| !status.conditions.is_empty()).map(|_| ()).ok_or_else(|| "none".to_owned())
        })
        .await?;
        let first = began.elapsed();
        expect::ready(neighbour, &name).await?;
        anyhow::Ok((first, began.elapsed()))
    };
    try_join_all(names().map(one)).await
}

/// Opens connections that never finish their request. The operator may refuse them, or close them
/// after a while.
async fn half_open(operator: &Operator) -> Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        if let Ok(mut stream) = TcpStream::connect(operator.address()).await {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: op").await;
            open.push(stream);
        }
    }
    ensure!(!open.is_empty(), "no connection to the operator was taken");
    Ok(open)
}

/// Returns an error as soon as the operator's liveness check fails.
async fn stays_alive(operator: &Operator) -> Result<()> {
    loop {
        let (code, text) = operator.get("/livez").await?;
        ensure!(code == 200, "/livez answers {code}: {text}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The median and the longest time, for the report.
pub fn median_and_longest(times: &[Duration]) -> (Duration, Duration) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}
