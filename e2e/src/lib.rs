//! A real control plane for the demo, the end-to-end tests and the benchmarks, with the operator as
//! a real process.
//!
//! ```text
//! ControlPlane::start ─► Operator::start (config/, its own service account) ─► fixtures ─► wait
//! ```

pub mod binaries;
pub mod certs;
pub mod kubeconfig;
pub mod ports;
pub mod process;
pub mod signals;
mod workdir;

pub mod audit;
pub mod bench;
pub mod broken;
pub mod container;
pub mod controlplane;
pub mod expect;
pub mod faults;
pub mod fixtures;
pub mod history;
pub mod injection;
mod installed;
pub mod kube_state_metrics;
mod kubectl;
pub mod memory_limit;
mod namespace;
pub mod operator;
pub mod pages;
pub mod policies;
pub mod prometheus;
pub mod proxy;
pub mod scrape;
mod serve;
pub mod statuses;
pub mod sts;
pub mod terminal;
pub mod wait;
mod webhook;

pub use controlplane::{Component, ControlPlane, Lists, NEEDS_ROLE, NEVER_READY, NEVER_READY_AS, Options, READY_AFTER};
pub use namespace::Namespace;
pub use operator::Operator;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().map(std::path::Path::to_path_buf).unwrap_or(crate_folder)
}

/// A binary of a workspace package, next to this executable: both come from the same build.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folder = this.parent().context("this executable lies in no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let program = folder.join(name);
    let release = if folder.ends_with("release") { " --release" } else { "" };
    ensure!(
        program.is_file(),
        "{} is missing; build it first:\n  cargo build{release} -p {package}",
        program.display()
    );
    Ok(program)
}
