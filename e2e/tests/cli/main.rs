//! The output of the kubectl plugin on a cluster in which everything is broken once
//! (`e2e::broken`), with the real API server and without an operator.
//!
//! ```text
//! cargo build -p kubectl-podidentity && cargo test -p e2e --test cli [-- FILTER]
//! ```
//!
//! Each output is compared with a file in `snapshots/`; `UPDATE=1` rewrites the files. Before the
//! comparison, everything that differs between runs (times, pod names) is replaced.

mod cases;
mod completion;
mod docs;
mod live;
mod normal;
mod plugin;
mod probe;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::ControlPlane;
use e2e::broken::CAUSES;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::runtime::Runtime;

use plugin::Plugin;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match run(&arguments) {
        Ok(conclusion) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Conclusion> {
    let runtime = Arc::new(Runtime::new()?);
    if arguments.list {
        let nowhere = Trials { runtime, plugin: Arc::new(Plugin::nowhere()?) };
        return Ok(libtest_mimic::run(arguments, nowhere.that_look().chain(nowhere.that_change()).collect()));
    }
    let control_plane = runtime.block_on(start())?;
    let trials = Trials { runtime, plugin: Arc::new(Plugin::new(&control_plane)?) };
    let mut conclusion = libtest_mimic::run(arguments, trials.that_look().collect());
    if !conclusion.has_failed() {
        conclusion = libtest_mimic::run(arguments, trials.that_change().collect());
    }
    if conclusion.has_failed() {
        control_plane.keep_logs();
        println!("logs: {}", control_plane.logs().display());
    }
    Ok(conclusion)
}

async fn start() -> Result<ControlPlane> {
    let control_plane = ControlPlane::start().await?;
    let namespace = control_plane.existing_namespace("default");
    control_plane.break_everything(&namespace).await?;
    control_plane.apply_yaml(plugin::LOOKER).await?;
    control_plane.apply_yaml(plugin::CONFIG_MAP).await?;
    Ok(control_plane)
}

/// What a trial does.
type Work = Box<dyn Fn(&Plugin) -> Result<()> + Send>;

struct Trials {
    runtime: Arc<Runtime>,
    plugin: Arc<Plugin>,
}

impl Trials {
    fn trial(&self, name: String, work: Work) -> Trial {
        let (runtime, plugin) = (self.runtime.clone(), self.plugin.clone());
        Trial::test(name, move || {
            let _entered = runtime.enter();
            work(&plugin).map_err(|error| Failed::from(format!("{error:#}")))
        })
    }

    /// Trials that only read the cluster.
    fn that_look(&self) -> impl Iterator<Item = Trial> {
        let causes = CAUSES.iter().map(|(object, cause)| {
            let name = format!("explain_names_the_cause_of_{}", object.replace(['/', '-'], "_"));
            self.trial(name, Box::new(|plugin| names_the_cause(plugin, object, cause)))
        });
        let others = cases::all().into_iter().map(|(name, case)| self.trial(name.to_owned(), Box::new(case)));
        let completion = completion::SHELLS.into_iter().map(|shell| {
            let name = format!("completion_in_{}", shell.name);
            self.trial(name, Box::new(move |plugin| shell.completes(plugin))).with_ignored_flag(!shell.is_there())
        });
        causes.chain(others).chain(completion)
    }

    /// Trials that change the cluster.
    fn that_change(&self) -> impl Iterator<Item = Trial> {
        let cases = live::all().into_iter().chain(probe::all());
        cases.map(|case| self.trial(case.name.to_owned(), Box::new(case.run)).with_ignored_flag(!case.is_possible))
    }
}

/// Checks the cause of one workload, and the complete text about it.
fn names_the_cause(plugin: &Plugin, object: &str, cause: &str) -> Result<()> {
    let outcome = plugin.run(&["explain", object, "-o", "json"])?;
    let story: serde_json::Value = serde_json::from_str(&outcome.stdout)?;
    let found = story["cause"]["reason"].as_str().unwrap_or_default();
    ensure!(found == cause, "{object} has the cause {found}, not {cause}: {}", story["cause"]["message"]);
    plugin.compare(&format!("explain-{}", object.replace('/', "-")), &["explain", object])
}
