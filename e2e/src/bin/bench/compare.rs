//! `bench compare`: this build, another build, and other operators of the same job.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use e2e::bench::compare::{self, Contender, Plan};
use e2e::bench::objects::Size;
use e2e::bench::world::Program;

/// Compares operators in turns, always beside the raw client. Prints ratios with their spread.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Bindings, each with a service account of its own; at least 2.
    #[arg(long, default_value_t = 100)]
    bindings: usize,
    /// Pods of each binding's Deployment.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// Rounds for each operator.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Changes one at a time in each round.
    #[arg(long, default_value_t = 50)]
    singles: usize,
    /// How often a round is tried until its two rounds of the raw client differ by at most a tenth.
    #[arg(long, default_value_t = 3)]
    attempts: usize,
    /// The operator's binary of another build.
    #[arg(long)]
    base: Option<PathBuf>,
    /// A command that runs another operator of the same job. It finds the cluster by KUBECONFIG.
    #[arg(long, value_name = "COMMAND")]
    peer: Option<String>,
}

impl CompareArgs {
    fn contenders(&self) -> Result<Vec<Contender>> {
        let mut all = vec![compare::ours("this build", None)];
        if let Some(base) = &self.base {
            ensure!(base.is_file(), "{} is no binary; build the operator there first", base.display());
            all.push(compare::ours("base", Some(base.clone())));
        }
        if let Some(peer) = &self.peer {
            let words: Vec<String> = peer.split_whitespace().map(str::to_owned).collect();
            ensure!(!words.is_empty(), "--peer names no command");
            all.push(Contender { name: "peer".to_owned(), program: Program::Peer(words) });
        }
        Ok(all)
    }
}

pub(crate) async fn run(args: CompareArgs) -> Result<()> {
    ensure!(args.bindings >= 2 && args.replicas >= 1, "there must be at least 2 bindings with a pod each");
    let contenders = args.contenders()?;
    let size = Size { bindings: args.bindings, workloads: 1, replicas: args.replicas, bystanders: 0, settle: 0 };
    let singles = args.singles.min(args.bindings);
    let plan = Plan { size, rounds: args.rounds.max(1), singles, attempts: args.attempts };
    let began = Instant::now();
    let say = move |what: &str| eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
    let compared = compare::run(&plan, &contenders, &say).await?;
    println!("{}", compare::table(&size, &compared));
    Ok(())
}
