//! The product's promises on a real control plane, with the operator as a real process.
//!
//! All scenarios share one control plane and one operator and run in parallel, each in its own
//! namespace. Those that stop the operator, change cluster-wide objects or count requests take
//! turns on a second and a third control plane. A fourth one has an operator that requires grants,
//! and a fifth one has an operator that watches what `roleRef` may refer to.
//!
//! ```text
//! cargo build -p podidentity-operator && cargo test -p e2e --test scenarios [-- FILTER]
//! ```

mod argo;
mod associations;
mod bad_input;
mod catalogue;
mod check;
mod dashboard;
mod decisions;
mod deletion;
mod denied;
mod disturbed;
mod enforcement;
mod grants;
mod injection;
mod install;
mod kinds;
mod lifecycle;
mod observed;
mod ownership;
mod plugin;
mod preflight;
mod process;
mod proxies;
mod replicas;
mod rights;
mod roles;
mod rollouts;
mod schema;
mod selected;
mod steps;
mod told;
mod windows;
mod workloads;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2e::injection::Injector;
use libtest_mimic::{Arguments, Conclusion, Trial};
use podidentity_core::kubernetes::{BOOKMARKS_AT_REST, NEWEST};
use tokio::runtime::Runtime;

use world::{Place, Server, Worlds};

/// Scenarios wait most of the time, so many more of them than cores may run at once.
const THREADS: usize = 24;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
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
    let worlds = Arc::new(Worlds::default());
    let mut server = Server { injector: Injector::Policy, minor: NEWEST };
    if !arguments.list {
        server = runtime.block_on(worlds.start())?;
    }
    let conclusion = libtest_mimic::run(arguments, trials(&runtime, &worlds, server));
    runtime.block_on(worlds.end(conclusion.has_failed()));
    Ok(conclusion)
}

fn trials(runtime: &Arc<Runtime>, worlds: &Arc<Worlds>, server: Server) -> Vec<Trial> {
    let trial = |name: &str, place: Place, scenario: world::Scenario| {
        let (runtime, worlds) = (runtime.clone(), worlds.clone());
        let trial = Trial::test(name, move || {
            Ok(runtime.block_on(worlds.run(place, scenario)).map_err(|error| format!("{error:#}"))?)
        });
        let cannot_run = match name {
            catalogue::IMAGE => !install::image::is_there(),
            catalogue::OPERATOR_PROXIES | catalogue::PLUGIN_PROXIES => !proxies::are_there(),
            catalogue::AT_REST => server.minor < BOOKMARKS_AT_REST,
            _ => server.injector == Injector::Webhook && catalogue::INJECTED_BY_POLICY.contains(&name),
        };
        trial.with_ignored_flag(cannot_run)
    };
    catalogue::all().into_iter().map(|(name, place, scenario)| trial(name, place, scenario)).collect()
}
