//! The kubectl plugin beside an operator that runs: it acts on what the plugin writes, and both say the same.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::terminal::Terminal;
use e2e::{ControlPlane, Namespace, program};
use podidentity_api::names::{condition, reason};
use serde_json::{Value, json};

use crate::steps::{change, running};
use crate::world::World;

const PLUGIN: &str = "kubectl-podidentity";

/// Runs the plugin in the namespace; what it printed.
fn plugin(control_plane: &ControlPlane, namespace: &Namespace, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program(PLUGIN, PLUGIN)?);
    command.args(args).args(["-n", &namespace.name]).env("KUBECONFIG", control_plane.kubeconfig());
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

/// What it says of the only binding.
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
    expect::reason(&namespace, "app", condition::READY, "False", reason::SUSPENDED).await?;
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
    expect::reason(namespace, "app", condition::READY, "False", reason::AWAITING_RELEASE).await.map(drop)
}

/// In the world whose operator requires grants, which nobody has told the plugin.
pub(crate) async fn asks_for_grants(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let stalled = expect::stalled(&namespace, "app", reason::ROLE_NOT_ALLOWED).await?;
    let view = said(&world.control_plane, &namespace, &[])?;
    ensure!(view["state"] == "Failing" && view["reason"] == reason::ROLE_NOT_ALLOWED, "{view}");
    ensure!(view["message"] == stalled, "the operator says {stalled:?}, the plugin {}", view["message"]);
    let view = said(&world.control_plane, &namespace, &["--require-grants=false"])?;
    ensure!(view["reason"] != reason::ROLE_NOT_ALLOWED, "the flag is not honoured: {view}");
    Ok(())
}

pub(crate) async fn live_in_a_terminal(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 2).await?;
    let plugin = program(PLUGIN, PLUGIN)?;
    let plugin = plugin.to_str().context("the path is no text")?;
    let kubeconfig = world.control_plane.kubeconfig().to_string_lossy().into_owned();
    let command = [plugin, "status", "-w", "-n", &namespace.name];
    let env = [("KUBECONFIG", kubeconfig.as_str())];
    let terminal = Terminal::open((100, 24), &command, &env)?;
    terminal.until("it is live", |screen| screen.contains("live; Ctrl-C ends"))?;
    ensure!(terminal.variable("cursor_flag")? == "0", "the cursor blinks in the picture");

    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    terminal.until("the binding is verified", |screen| screen.contains("2/2 pods  Verified"))?;

    terminal.resize(60, 4)?;
    let small =
        terminal.until("it is drawn anew", |screen| screen.contains("more line") || screen.lines().count() <= 4)?;
    ensure!(small.lines().all(|line| line.chars().count() <= 60), "{small}");

    terminal.press(&["C-c"])?;
    terminal.until("it has ended", |screen| screen.contains("Pane is dead") && screen.contains("2/2 pods"))?;
    ensure!(terminal.variable("cursor_flag")? == "1", "the cursor is gone");
    ensure!(terminal.variable("alternate_on")? == "0", "the alternate screen is left on");
    ensure!(terminal.variable("pane_dead_status")? == "0", "it failed");
    Ok(())
}
