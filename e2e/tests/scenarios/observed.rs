//! What the operator reports about itself: metrics, liveness, readiness; and dry runs, which only
//! report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::audit::{self, Request};
use e2e::expect::{self, identity};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::kube_state_metrics::KubeStateMetrics;
use e2e::proxy::Proxy;
use e2e::{ControlPlane, Namespace, Operator, wait};
use futures::try_join;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::json;

use crate::replicas::instead_of_the_only_one;
use crate::steps::{bound, running, several, verified};
use crate::world::World;

/// The configuration for kube-state-metrics makes the metrics of single bindings from their
/// statuses.
pub(crate) async fn by_kube_state_metrics(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    verified(&namespace, 2).await?;
    let metrics = KubeStateMetrics::start(&world.control_plane, &namespace)?;
    let own = [&*format!("namespace=\"{}\"", namespace.name), "name=\"app\""];
    let ready = [own[0], own[1], "type=\"Ready\"", "reason=\"Verified\""];
    let done = metrics
        .shows("the binding is shown", |it| it.count("kube_podidentitybinding_status_condition", &ready) == 1)
        .await?;
    let ready = [own[0], own[1], "type=\"Ready\""];
    let changed = done.count("kube_podidentitybinding_status_condition_last_transition_time", &ready);
    ensure!(changed > 1_700_000_000, "the time of the change is {changed}");
    for name in ["pods", "pods_verified"] {
        let found = done.count(&format!("kube_podidentitybinding_status_{name}"), &own);
        ensure!(found == 2, "{name} is {found}: {done:#?}");
    }
    Ok(())
}

/// A series of events in its own cluster, and the resulting metrics.
pub(crate) async fn counted(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let operator = Operator::start(&control_plane, &[]).await?;
    let namespace = control_plane.namespace("counted").await?;
    several(&namespace, 3, |_| json!({})).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::ready(&namespace, "app").await?;
    let annotations = json!({"metadata": {"annotations": {fixtures::role_annotation(): OTHER_ROLE}}});
    namespace.change::<ServiceAccount>("app", &annotations).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    let ready = &["condition=\"Ready\"", "status=\"True\"", "reason=\"Verified\""];
    let done = operator
        .shows("the story is counted", |it| {
            it.count("podidentity_drift_repairs_total", &["Annotation"]) == 1
                && it.count("podidentity_bindings", ready) == 1
        })
        .await?;
    let own = &[&*format!("namespace=\"{}\"", namespace.name), "name=\"app\""];
    let deployments = &["verb=\"patch\"", "resource=\"deployments\"", "code=\"200\""];
    for (name, labels, wanted) in [
        ("podidentity_leader", &[][..], 1),
        ("podidentity_rollouts_started_total", &[], 3),
        ("podidentity_rollouts_completed_total", &[], 3),
        ("podidentity_rollouts_failed_total", &[], 0),
        ("podidentity_rollouts_in_flight", &[], 0),
        ("podidentity_api_requests_total", deployments, 3),
        ("podidentity_watch_lists_total", &["kind=\"Pod\""], 1),
        ("podidentity_undecodable_objects", &[], 0),
        ("podidentity_pods", &["verified=\"true\""], 3),
        ("podidentity_binding_ready", own, 1),
        ("podidentity_binding_pods", own, 3),
        ("podidentity_binding_pods_verified", own, 3),
    ] {
        let found = done.count(name, labels);
        ensure!(found == wanted, "{name} {labels:?} is {found}, not {wanted}: {done:#?}");
    }
    ensure!(done.count("podidentity_reconcile_duration_seconds_count", &[]) > 0, "no durations: {done:#?}");
    ensure!(done.sum("process_cpu_seconds_total", &[]) > 0.0, "no CPU time: {done:#?}");
    documented(done.names())
}

/// Checks that docs/metrics.md has the metric of every series.
fn documented<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let page = std::fs::read_to_string(e2e::repository().join("docs/metrics.md"))?;
    let suffixes = ["_bucket", "_sum", "_count"];
    let stem = |name: &'a str| suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let missing: BTreeSet<_> = names.map(stem).filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    ensure!(missing.is_empty(), "docs/metrics.md lacks {missing:?}");
    Ok(())
}

/// Two operators that write nothing observe the cluster. The network of one of them goes silent.
pub(crate) async fn frozen_watch(world: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    let proxy = Proxy::start(control_plane.port()).await?;
    // The shortest allowed value: on an idle cluster, a watch gets its first bookmark after two
    // minutes.
    let args = ["--dry-run=silent", "--stalled-after=150s"];
    let behind = format!("https://{}", proxy.address());
    let cut_off = Operator::start_as("cut-off", control_plane, &behind, &args).await?;
    let well = Operator::start_as("well", control_plane, control_plane.server(), &args).await?;
    try_join!(cut_off.answers("/readyz", 200), well.answers("/readyz", 200))?;
    cut_off.answers("/livez", 200).await?;

    proxy.flow(false);
    // Longer than the timeout of a response.
    tokio::time::sleep(Duration::from_secs(100)).await;
    let told = cut_off.answers("/livez", 503).await?;
    println!("a frozen network, as /livez tells it:\n{told}");
    ensure!(told.contains("[-] watches failed: no sign of life from the watch of"), "livez says: {told}");
    let (code, told) = well.get("/livez").await?;
    ensure!(code == 200, "time alone makes it fail: {told}");
    proxy.flow(true);
    cut_off.answers("/livez", 200).await?;
    Ok(())
}

pub(crate) async fn dry_run(world: Arc<World>, namespace: Namespace) -> Result<()> {
    Box::pin(instead_of_the_only_one(&world, only_told(&world, &namespace))).await?;
    // The operator then does what the dry run reported.
    let binding = expect::ready(&namespace, "app").await?;
    expect::status_names(&binding, ROLE, 2)
}

async fn only_told(world: &World, namespace: &Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    namespace.create(fixtures::service_account("app")?).await?;
    running(namespace, "app", 2).await?;
    let began = Timestamp::now();
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let silent = Operator::start_as("silent", control_plane, control_plane.server(), &["--dry-run=silent"]).await?;
    let promise = format!("annotate service account app: {{\"{}\": \"{ROLE}\"}}", fixtures::role_annotation());
    wait::until("the log says what would be done", async || {
        let log = silent.log_about("would be done");
        if log.contains(&promise) { Ok(()) } else { Err(log) }
    })
    .await?;
    ensure!(written_since(world, began)?.is_empty(), "a silent dry run has written");
    silent.terminate().await?;

    let server = control_plane.server();
    let reporting = Operator::start_as("reporting", control_plane, server, &["--dry-run=report"]).await?;
    let binding = expect::reason(namespace, "app", condition::READY, "False", Reason::DryRun).await?;
    let message = &expect::condition_of(&binding, condition::READY).context("no condition")?.message;
    ensure!(message.contains(ROLE), "the status does not say what would be done: {message}");
    let written = written_since(world, began)?;
    let other = written.iter().filter(|request| {
        let object = request.object_ref.clone().unwrap_or_default();
        object.subresource != "status" && object.resource != "events"
    });
    let other: Vec<_> = other.collect();
    ensure!(other.is_empty(), "a dry run has written more than statuses:\n{}", audit::summary(other));
    expect::annotated(namespace, "app", None).await?;
    let deployment = expect::rolled_out(namespace, "app").await?;
    ensure!(identity(&deployment).is_none(), "a dry run has rolled a workload");
    reporting.terminate().await
}

fn written_since(world: &World, began: Timestamp) -> Result<Vec<Request>> {
    let mut requests = world.control_plane.operator_requests()?;
    requests.retain(|request| request.is_write() && request.request_received_timestamp >= began);
    Ok(requests)
}
