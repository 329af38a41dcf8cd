//! A control plane in which everything is broken, to try the kubectl plugin on:
//! `cargo run -p e2e --bin broken`.

use anyhow::Result;
use e2e::ControlPlane;

#[tokio::main]
async fn main() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let namespace = control_plane.existing_namespace("default");
    control_plane.break_everything(&namespace).await?;
    println!("export KUBECONFIG={}", control_plane.kubeconfig().display());
    println!("Ctrl-C ends it");
    std::future::pending().await
}
