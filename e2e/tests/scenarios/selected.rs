//! The operator looks after the namespaces that its label selector selects.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{ControlPlane, Namespace, Operator, audit, wait};
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::FINALIZER;
use serde_json::{Value, json};

use crate::steps::{bound, change, running};
use crate::world::World;

const LABEL: &str = "platform.example.com/operator";
const SELECTOR: &str = "--namespace-selector=platform.example.com/operator=one,!legacy";

fn label(value: &Value) -> Value {
    json!({"labels": {LABEL: value}})
}

/// Does the work while the operator runs; an error names the folder of the logs.
fn on(
    control_plane: &ControlPlane,
    operator: &Operator,
    work: impl Future<Output = Result<()>>,
) -> impl Future<Output = Result<()>> {
    // Scenarios are large futures.
    let work = Box::pin(work);
    async move {
        let done = operator.while_alive(control_plane, work).await;
        done.inspect_err(|_| control_plane.keep_logs())
            .with_context(|| format!("logs: {}", control_plane.logs().display()))
    }
}

pub(crate) async fn by_label(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let operator = Operator::start(&control_plane, &[SELECTOR]).await?;
    let work = async {
        let beside = control_plane.namespace("beside").await?;
        beside.mark(&label(&json!("one"))).await?;
        let moved = control_plane.namespace("moved").await?;
        left_out(&control_plane, &operator, &moved, &beside).await?;
        taken_in(&operator, &moved).await?;
        left_alone(&operator, &moved, &beside).await?;
        deleted_meanwhile(&moved, &beside).await
    };
    on(&control_plane, &operator, work).await
}

/// Without the label, the operator does nothing and counts nothing, while it works in the namespace
/// `beside`.
async fn left_out(
    control_plane: &ControlPlane,
    operator: &Operator,
    namespace: &Namespace,
    beside: &Namespace,
) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(namespace, "app", 2).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    bound(beside, &json!({})).await?;
    untouched(control_plane, namespace).await?;
    shows(operator, namespace, false).await?;

    // The label alone does not suffice.
    namespace.mark(&json!({"labels": {LABEL: "one", "legacy": ""}})).await?;
    turn(beside, OTHER_ROLE).await?;
    untouched(control_plane, namespace).await?;
    namespace.mark(&json!({"labels": {LABEL: null, "legacy": null}})).await
}

async fn untouched(control_plane: &ControlPlane, namespace: &Namespace) -> Result<()> {
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    ensure!(binding.metadata.finalizers.is_none(), "it has a finalizer: {:?}", binding.metadata.finalizers);
    let observed = binding.status.and_then(|status| status.observed_generation);
    ensure!(observed == Some(-1), "it was observed: {observed:?}");
    let mut requests = control_plane.operator_requests()?;
    requests.retain(|it| it.object_ref.as_ref().is_some_and(|object| object.namespace == namespace.name));
    ensure!(requests.is_empty(), "requests about a namespace without the label:\n{}", audit::summary(&requests));
    Ok(())
}

/// Changes the role in `beside` and waits for the result: the operator has then seen all earlier
/// events.
async fn turn(beside: &Namespace, role: &str) -> Result<()> {
    change(beside, json!({"roleArn": role})).await?;
    expect::status_names(&expect::ready(beside, "app").await?, role, 2)
}

/// Whether the metrics show the binding.
async fn shows(operator: &Operator, namespace: &Namespace, shown: bool) -> Result<()> {
    let own = [&*format!("namespace=\"{}\"", namespace.name)];
    let ready = ["condition=\"Ready\""];
    let all = if shown { 2 } else { 1 };
    let what = format!("metrics of {all} bindings");
    let seen = |it: &e2e::scrape::Scrape| {
        it.count("podidentity_binding_pods", &own) == if shown { 2 } else { 0 }
            && it.count("podidentity_bindings", &ready) == all
            && it.count("podidentity_pods", &[]) == 2 * all
    };
    operator.shows(&what, seen).await.map(drop)
}

/// With the label, the operator looks after the namespace's bindings at once.
async fn taken_in(operator: &Operator, namespace: &Namespace) -> Result<()> {
    let before = expect::rolled_out(namespace, "app").await?;
    namespace.mark(&label(&json!("one"))).await?;
    expect::status_names(&expect::ready(namespace, "app").await?, ROLE, 2)?;
    rolled(&before, &expect::rolled_out(namespace, "app").await?, 1)?;
    shows(operator, namespace, true).await
}

/// Without the label, everything stays as it is: the operator neither applies another role nor
/// repairs drift.
async fn left_alone(operator: &Operator, namespace: &Namespace, beside: &Namespace) -> Result<()> {
    namespace.mark(&label(&Value::Null)).await?;
    shows(operator, namespace, false).await?;
    let before = expect::rolled_out(namespace, "app").await?;
    change(namespace, json!({"roleArn": OTHER_ROLE})).await?;
    let drift =
        json!({"metadata": {"annotations": {fixtures::role_annotation(): "arn:aws:iam::111122223333:role/drift"}}});
    namespace.change::<ServiceAccount>("app", &drift).await?;
    turn(beside, ROLE).await?;
    expect::annotated(namespace, "app", Some("arn:aws:iam::111122223333:role/drift")).await?;
    rolled(&before, &expect::rolled_out(namespace, "app").await?, 0)?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    let status = binding.status.unwrap_or_default();
    ensure!(status.observed_generation < binding.metadata.generation, "the change of the role was observed");
    ensure!(status.role_arn.as_deref() == Some(ROLE), "the status has changed: {:?}", status.role_arn);
    Ok(())
}

/// A deleted binding keeps its finalizer until an operator looks after its namespace again.
async fn deleted_meanwhile(namespace: &Namespace, beside: &Namespace) -> Result<()> {
    namespace.delete::<PodIdentityBinding>("app").await?;
    turn(beside, OTHER_ROLE).await?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    let finalizers = binding.metadata.finalizers.unwrap_or_default();
    ensure!(finalizers == [FINALIZER], "its finalizers are {finalizers:?}");
    namespace.mark(&label(&json!("one"))).await?;
    expect::gone::<PodIdentityBinding>(namespace, "app").await
}

/// Two operators, each with its label. A namespace moves from one to the other: nothing restarts,
/// and the other operator handles the next change of the role.
pub(crate) async fn handed_over(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let one = Operator::start(&control_plane, &[SELECTOR]).await?;
    let selector = format!("--namespace-selector={LABEL}=two");
    let two = Operator::start_as("two", &control_plane, control_plane.server(), &[&selector]).await?;
    let work = async {
        two.answers("/readyz", 200).await?;
        let namespace = control_plane.namespace("shared").await?;
        namespace.mark(&label(&json!("one"))).await?;
        let before = bound(&namespace, &json!({})).await?;
        let counted = |count| move |it: &e2e::scrape::Scrape| it.count("podidentity_bindings", &["\"Ready\""]) == count;
        one.shows("one looks after it", counted(1)).await?;
        two.shows("two does not", counted(0)).await?;

        namespace.mark(&label(&json!("two"))).await?;
        one.shows("one does not any more", counted(0)).await?;
        two.shows("two looks after it", counted(1)).await?;
        rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

        let started = |it: &e2e::scrape::Scrape| it.count("podidentity_rollouts_started_total", &[]);
        let (of_one, of_two) = (started(&one.metrics().await?), started(&two.metrics().await?));
        turn(&namespace, OTHER_ROLE).await?;
        rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;
        let (one_now, two_now) = (started(&one.metrics().await?), started(&two.metrics().await?));
        ensure!((one_now, two_now) == (of_one, of_two + 1), "restarts: {one_now} by one, {two_now} by two");
        Ok(())
    };
    let work = Box::pin(work);
    on(&control_plane, &one, two.while_alive(&control_plane, work)).await
}

/// Incompatible flags, or an invalid selector, end the operator with a message that says what to
/// do.
pub(crate) async fn refused(world: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    for (name, args, advice) in [
        ("both", &[SELECTOR, "--namespaces=team-a"][..], "leave --namespaces out"),
        ("malformed", &["--namespace-selector=env prod"], "use =, !=, in or notin"),
        ("empty", &["--namespace-selector="], "leave the flag, or the variable, out"),
    ] {
        let operator = Operator::start_as(name, control_plane, control_plane.server(), args).await?;
        wait::until(&format!("it is told: {advice}"), async || {
            let log = operator.log_about(advice);
            if log.is_empty() { Err("the log does not say it".to_owned()) } else { Ok(()) }
        })
        .await?;
        wait::until("it has ended", async || operator.check().err().map(drop).ok_or("it runs".to_owned())).await?;
    }
    Ok(())
}
