//! `bench cli`: the kubectl plugin in a large cluster.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use e2e::bench::plugin::{self, Population, WRONG_EVERY};

#[derive(Debug, Args)]
pub(crate) struct CliArgs {
    /// Bindings, each with a service account and a Deployment; of every twenty one has wrong pods.
    #[arg(long, default_value_t = 10_000)]
    bindings: usize,
    /// Pods of each Deployment.
    #[arg(long, default_value_t = 5)]
    replicas: usize,
    /// The plugin; default: the one that was built beside this program.
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Leave the cluster running afterwards, to look at it.
    #[arg(long)]
    keep: bool,
    /// Fail if a command has not seen everything. Times are never judged.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(args: CliArgs) -> Result<()> {
    ensure!(args.bindings >= WRONG_EVERY && args.replicas >= 1, "there must be at least {WRONG_EVERY} bindings");
    let plugin = args.plugin.map_or_else(|| e2e::program("kubectl-podidentity", "kubectl-podidentity"), Ok)?;
    let population = Population { bindings: args.bindings, replicas: args.replicas };
    let began = Instant::now();
    let say = move |what: &str| eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
    let costs = plugin::run(population, plugin, args.keep, &say).await?;
    println!("{costs}");
    if args.check {
        costs.check()?;
    }
    Ok(())
}
