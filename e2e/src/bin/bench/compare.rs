//! `bench compare`: this build, another build, and other operators of the same job.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use e2e::bench::compare::{self, Contender, Plan};
use e2e::bench::objects::Size;
use e2e::bench::phases::{self, Phase};
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
    /// What to measure in each round.
    #[arg(long, value_delimiter = ',', default_values_t = [Phase::Rounds], value_enum)]
    phases: Vec<Phase>,
    /// Seconds of silence, and of churn.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Pod events a second.
    #[arg(long, default_value_t = 200)]
    rate: usize,
    /// Changes one at a time in each round; 0 for none.
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
    ensure!(
        !args.phases.contains(&Phase::Scrape) && !args.phases.contains(&Phase::Kubectl),
        "--phases: scrape and kubectl are not compared, because each operator has metrics of its own and the shell loop runs \
         without an operator"
    );
    let contenders = args.contenders()?;
    let size = Size { bindings: args.bindings, workloads: 1, replicas: args.replicas, bystanders: 0, settle: 0 };
    let each = phases::Plan {
        size,
        phases: args.phases,
        seconds: args.seconds,
        rate: args.rate,
        by_hand: 0,
        attempts: args.attempts,
        flags: Vec::new(),
    };
    let plan = Plan { each, rounds: args.rounds.max(1), singles: args.singles.min(args.bindings) };
    let began = Instant::now();
    let say = move |what: &str| eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
    let compared = compare::run(&plan, &contenders, &say).await?;
    println!("{}", compare::table(&size, &compared));
    Ok(())
}
