//! The manual alternative: a shell loop over kubectl, one service account after the other.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::objects::Identity;
use super::process::usage;
use super::requests::Log;
use super::results::Loop;
use super::world::World;
use crate::binaries;

/// The administrator of the control plane; kubectl runs as this user.
const USER: &str = "e2e-admin";

/// Gives this many service accounts another role by hand. The operator must not run.
pub(super) async fn by_hand(world: &World, bindings: usize, round: usize) -> Result<Loop> {
    world.replicas.round(round);
    let script = crate::repository().join("e2e/src/bench/kubectl-loop.sh");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(script);
    let argument = |it: Identity| format!("{}/{}={}", it.namespace, it.name, it.role(round));
    command.args((0..bindings).map(Identity::of).map(argument));
    command.env("KUBECONFIG", world.control_plane.kubeconfig());
    command.env("KUBECACHEDIR", world.control_plane.folder().join("kubectl-cache"));
    command.env("PATH", format!("{}:{path}", binaries::folder()?.display()));
    let mut log = Log::now(world)?;
    let (began, before) = (Instant::now(), usage(std::process::id())?.children_cpu);
    let output = command.kill_on_drop(true).output().await.context("cannot run the loop")?;
    ensure!(output.status.success(), "the loop failed: {}", String::from_utf8_lossy(&output.stderr));
    world.replicas.check()?;
    Ok(Loop {
        bindings,
        seconds: began.elapsed().as_secs_f64(),
        cpu: usage(std::process::id())?.children_cpu - before,
        requests: log.of(world, USER)?.len(),
    })
}
