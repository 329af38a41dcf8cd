//! `make bench`: measures, writes the result, and renders all results.

mod cli;
mod compare;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use e2e::bench::objects::Size;
use e2e::bench::phases::{self, Phase, Plan};
use e2e::bench::results::Run;
use e2e::bench::world::UNLIMITED;
use e2e::bench::{checks, plots, results, table};

/// Measures what the operator costs on a real API server, and compares it with a client that knows what to write.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes one run, stores its result, and renders all results of the folder.
    Run(RunArgs),
    /// Measures the kubectl plugin in a large cluster.
    Cli(cli::CliArgs),
    /// Compares this build with another one, and with other operators.
    Compare(compare::CompareArgs),
    /// Renders stored results: tables in Markdown, and plots.
    Render {
        /// The folder that `run` wrote to.
        #[arg(long, default_value_os_t = folder())]
        from: PathBuf,
        /// The folder to write tables and plots to.
        #[arg(long, default_value_os_t = folder())]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Bindings, each with a service account of its own; at least 2.
    #[arg(long, default_value_t = 100)]
    bindings: usize,
    /// Deployments of each binding.
    #[arg(long, default_value_t = 1)]
    workloads: usize,
    /// Pods of each Deployment.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// Pods that run as service accounts that no binding names.
    #[arg(long, default_value_t = 0)]
    bystanders: usize,
    /// Seconds that bindings wait between annotating and restarting (`rollout.settleSeconds`). By default none, since
    /// the raw client waits for nothing; the product's own default is there for the webhook's cache.
    #[arg(long, default_value_t = 0)]
    settle: u32,
    /// What to measure.
    #[arg(long, value_delimiter = ',', default_values_t = [Phase::Rounds, Phase::Startup, Phase::Silence, Phase::Scrape, Phase::Churn, Phase::Drift, Phase::Kubectl], value_enum)]
    phases: Vec<Phase>,
    /// Seconds of silence, and of churn.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Pod events a second.
    #[arg(long, default_value_t = 200)]
    rate: usize,
    /// Service accounts that the shell loop is run for.
    #[arg(long, default_value_t = 25)]
    by_hand: usize,
    /// How often the comparison is tried until the two rounds of the raw client differ by at most a tenth.
    #[arg(long, default_value_t = 3)]
    attempts: usize,
    /// Flags of the operator. By default its limit on rollouts is lifted, which would be all that is measured.
    #[arg(
        long,
        value_delimiter = ' ',
        allow_hyphen_values = true,
        default_value = UNLIMITED
    )]
    flags: Vec<String>,
    /// Fail if a count is not as promised. Times are never judged.
    #[arg(long)]
    check: bool,
    /// Folder of the results.
    #[arg(long, default_value_os_t = folder())]
    out: PathBuf,
}

/// Results have a few hundred kilobytes each, so they stay out of the repository.
/// `make bench-publish` copies the rendered files.
fn folder() -> PathBuf {
    e2e::repository().join("target/bench")
}

#[tokio::main]
async fn main() -> ExitCode {
    match execute(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<()> {
    let (from, out) = match command {
        Command::Cli(args) => return cli::run(args).await,
        Command::Compare(args) => return compare::run(args).await,
        Command::Render { from, out } => (from, out),
        Command::Run(args) => {
            ensure!(
                args.bindings >= 2 && args.workloads >= 1 && args.replicas >= 1,
                "there must be at least 2 bindings with a Deployment and a pod each"
            );
            let began = Instant::now();
            let say = move |what: &str| eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
            let check = args.check;
            let (plan, out) = args.plan();
            let mut run = Run::default();
            let measured = phases::run(&plan, &mut run, &say).await;
            // A later failure must not lose measurements that took long.
            if measured.is_ok() || run.has_anything() {
                let path = run.write(&out.join("results"))?;
                say(&format!("wrote {}", path.display()));
            }
            measured?;
            if check {
                checks::check(&run)?;
            }
            (out.clone(), out)
        }
    };
    let runs = results::read(&from.join("results"))?;
    let text = table::render(&runs);
    std::fs::write(out.join("results.md"), &text)?;
    plots::draw(&runs, &out)?;
    println!("{text}");
    Ok(())
}

impl RunArgs {
    fn plan(self) -> (Plan, PathBuf) {
        let size = Size {
            bindings: self.bindings,
            workloads: self.workloads,
            replicas: self.replicas,
            bystanders: self.bystanders,
            settle: self.settle,
        };
        let Self { phases, seconds, rate, by_hand, attempts, flags, out, .. } = self;
        (Plan { size, phases, seconds, rate, by_hand, attempts, flags }, out)
    }
}
