//! The fault campaign; `make faults` runs it. See `docs/reliability.md`.

mod subset;
mod worlds;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use e2e::faults::campaign::{self, Campaign};
use e2e::faults::plan::Plan;
use e2e::faults::progress::Progress;
use e2e::faults::report::Verdict;
use e2e::faults::store::Store;
use e2e::faults::{cases, fixed, generate, leases, many, report, specs};
use e2e::signals;
use futures::future::join_all;

/// Breaks things around the operator and looks whether it does its job all the same. What was done is remembered:
/// started again, it goes on.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Other>,

    /// Runs this plan only, from a file such as those that are written about plans that failed.
    #[arg(long)]
    plan: Option<PathBuf>,

    /// Runs only the plans whose name contains this.
    #[arg(long)]
    only: Option<String>,

    /// Runs only a fixed part, in a few minutes.
    #[arg(long)]
    subset: bool,

    /// Forgets what was done before.
    #[arg(long)]
    fresh: bool,

    /// Lists the plans and runs none.
    #[arg(long)]
    list: bool,

    /// How many plans may run at the same time; default: 12 for each processor. While the machine is busy there are
    /// fewer.
    #[arg(long)]
    jobs: Option<usize>,

    /// Where plans, results and evidence are kept.
    #[arg(long, default_value = "target/faults")]
    folder: PathBuf,
}

/// What is not a plan.
#[derive(Clone, Copy, Debug, Subcommand)]
enum Other {
    /// Starts the operator in a world of 200 odd objects.
    Malformed,
    /// Serves a hundred bindings beside a tenant that does all it can against that.
    Hostile,
    /// Creates very many bindings at once while a third of all requests is refused.
    Overload {
        /// How many.
        #[arg(default_value_t = 5000)]
        bindings: usize,
    },
    /// Plants bugs, one after the other; succeeds if the campaign notices each of them.
    #[cfg(feature = "planted-bugs")]
    Planted,
}

impl Args {
    fn wants(&self, plan: &Plan) -> bool {
        let named = self.only.as_ref().is_none_or(|only| plan.id.contains(only.as_str()));
        named && (!self.subset || subset::has(plan))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<bool> {
    match args.command {
        Some(Other::Malformed) => return worlds::malformed().await,
        Some(Other::Hostile) => return worlds::hostile().await,
        Some(Other::Overload { bindings }) => return worlds::overload(bindings).await,
        #[cfg(feature = "planted-bugs")]
        Some(Other::Planted) => return worlds::planted().await,
        None => {}
    }
    let store = Store::open(args.folder.clone(), &[e2e::operator::program()?, std::env::current_exe()?])?;
    eprintln!("starting a control plane");
    let campaign = Campaign::start().await?;
    let known = if args.fresh { None } else { store.plans() };
    let plans = match (&args.plan, known) {
        (Some(file), _) => vec![campaign::plan_from(file)?],
        (None, Some(plans)) => plans,
        (None, None) => {
            let plans = [generated(&campaign).await?, specs::plans(), fixed::plans(), leases::plans()].concat();
            store.keep_plans(&plans)?;
            plans
        }
    };
    if args.subset {
        let missing = subset::missing(&plans);
        ensure!(missing.is_empty(), "the subset names plans that there are not: {missing:?}");
    }
    if args.list {
        for plan in &plans {
            println!("{}", plan.id);
        }
        return Ok(true);
    }
    let passed = if args.plan.is_some() { std::collections::HashSet::new() } else { store.passed() };
    let all = plans.len();
    let todo: Vec<Plan> = plans.into_iter().filter(|plan| args.wants(plan) && !passed.contains(&plan.id)).collect();
    println!("{all} plans, {} passed before, {} to run", passed.len(), todo.len());
    signals::last_word("stopped; what was done is kept: the same command goes on");
    let progress = RefCell::new(Progress::new(&store, todo.len()));
    let tell = |plan: &Plan, verdict: &Verdict, story: &str| {
        if let Err(error) = progress.borrow_mut().tell(plan, verdict, story) {
            eprintln!("cannot note what became of {}: {error:#}", plan.id);
        }
    };
    many::run(todo, args.jobs.unwrap_or_else(usual_jobs), campaign, tell).await?;
    println!("\n{}", report::table(&store.verdicts()));
    Ok(progress.into_inner().failed() == 0)
}

/// A plan waits most of its time.
fn usual_jobs() -> usize {
    12 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// The plans that the reference runs produce.
async fn generated(campaign: &Campaign) -> Result<Vec<Plan>> {
    eprintln!("reference runs without faults");
    let cases = cases::all();
    let references = join_all(cases.iter().map(|case| campaign.reference(case))).await;
    let mut plans = Vec::new();
    let mut troubled = Vec::new();
    let mut known = generate::Known::default();
    for (case, reference) in cases.iter().zip(references) {
        match reference {
            Ok(reference) => plans.extend(generate::plans(case, &reference, &mut known)),
            Err(error) => troubled.push(format!("{error:#}")),
        }
    }
    ensure!(troubled.is_empty(), "{}", troubled.join("\n"));
    Ok(plans)
}
