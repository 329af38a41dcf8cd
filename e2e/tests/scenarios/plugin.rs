//! The kubectl plugin next to a running operator: the operator acts on what the plugin writes, and
//! both report the same.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{ControlPlane, Namespace, program};
use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::{Value, json};

use crate::steps::{change, running};
use crate::world::World;

const PLUGIN: &str = "kubectl-podidentity";

/// Runs the plugin in the namespace and returns its output.
fn plugin(control_plane: &ControlPlane, namespace: &Namespace, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program(PLUGIN, PLUGIN)?);
    command.args(args).args(["-n", &namespace.name]).env("KUBECONFIG", control_plane.kubeconfig());
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The plugin's JSON output about the only binding.
fn said(control_plane: &ControlPlane, namespace: &Namespace, args: &[&str]) -> Result<Value> {
    let status = plugin(control_plane, namespace, &[&["status", "-o", "json"], args].concat())?;
    let status: Value = serde_json::from_str(&status)?;
    Ok(status["identities"][0].clone())
}

pub(crate) async fn writes_are_acted_upon(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let run = |args: &[&str]| plugin(&world.control_plane, &namespace, args);
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 2).await?;
    let spec = json!({"rollout": {"policy": "Manual"}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &spec)?).await?;
    waits_for_release(&namespace).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

    let printed = run(&["release", "app"])?;
    ensure!(printed == "podidentitybinding.podidentity.dev/app released\n", "{printed}");
    expect::ready(&namespace, "app").await?;
    let first = expect::rolled_out(&namespace, "app").await?;
    rolled(&before, &first, 1)?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;

    run(&["suspend", "pib/app"])?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::reason(&namespace, "app", condition::READY, "False", Reason::Suspended).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    ensure!(run(&["suspend", "app"])?.ends_with("/app unchanged\n"), "it is suspended already");

    run(&["resume", "app"])?;
    waits_for_release(&namespace).await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    rolled(&first, &expect::rolled_out(&namespace, "app").await?, 0)?;

    run(&["release", "app"])?;
    expect::ready(&namespace, "app").await?;
    rolled(&first, &expect::rolled_out(&namespace, "app").await?, 1)?;
    expect::pods_have(&namespace, "app", 2, OTHER_ROLE).await
}

async fn waits_for_release(namespace: &Namespace) -> Result<()> {
    expect::reason(namespace, "app", condition::READY, "False", Reason::AwaitingRelease).await.map(drop)
}

/// Runs in the world whose operator requires grants. The plugin has no flag that says so.
pub(crate) async fn asks_for_grants(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let stalled = expect::stalled(&namespace, "app", Reason::RoleNotAllowed).await?;
    let view = said(&world.control_plane, &namespace, &[])?;
    ensure!(view["state"] == "Failing" && view["reason"] == Reason::RoleNotAllowed.as_str(), "{view}");
    ensure!(view["message"] == stalled, "the operator says {stalled:?}, the plugin {}", view["message"]);
    let view = said(&world.control_plane, &namespace, &["--require-grants=false"])?;
    ensure!(view["reason"] != Reason::RoleNotAllowed.as_str(), "the flag is not honoured: {view}");
    Ok(())
}
