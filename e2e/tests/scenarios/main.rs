//! The product's promises on a real control plane, with the operator as a real process.
//!
//! All scenarios share one control plane and one operator and run in parallel, each in a namespace of its own. Those
//! that stop the operator or count its requests take turns on a second control plane.
//!
//! ```text
//! cargo build -p podidentity-operator && cargo test -p e2e --test scenarios [-- FILTER]
//! ```

mod bad_input;
mod injection;
mod lifecycle;
mod process;
mod schema;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Conclusion, Trial};
use tokio::runtime::Runtime;

use world::Worlds;

/// Scenarios wait most of the time, so there may be many more of them at once than cores.
const THREADS: usize = 12;

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
    if !arguments.list {
        runtime.block_on(worlds.start())?;
    }
    let conclusion = libtest_mimic::run(arguments, trials(&runtime, &worlds));
    runtime.block_on(worlds.end(conclusion.has_failed()));
    Ok(conclusion)
}

fn trials(runtime: &Arc<Runtime>, worlds: &Arc<Worlds>) -> Vec<Trial> {
    let shared = |name: &str, scenario: world::Scenario| {
        let (runtime, worlds) = (runtime.clone(), worlds.clone());
        Trial::test(name, move || {
            Ok(runtime.block_on(worlds.shared(scenario)).map_err(|error| format!("{error:#}"))?)
        })
    };
    let exclusive = |name: &str, scenario: world::Scenario| {
        let (runtime, worlds) = (runtime.clone(), worlds.clone());
        Trial::test(name, move || {
            Ok(runtime.block_on(worlds.exclusive(scenario)).map_err(|error| format!("{error:#}"))?)
        })
    };
    vec![
        // First, because it takes longest.
        exclusive("a_converged_binding_causes_no_requests", |w, n| Box::pin(process::quiet(w, n))),
        exclusive("killed_after_annotating_it_rolls_once", |w, n| Box::pin(process::killed_after_annotating(w, n))),
        exclusive("killed_while_rolling_it_rolls_once", |w, n| Box::pin(process::killed_while_rolling(w, n))),
        exclusive("without_injection_it_is_never_ready", |w, n| Box::pin(process::without_injection(w, n))),
        exclusive("asked_to_end_it_ends_cleanly", |w, n| Box::pin(process::ends_when_asked(w, n))),
        shared("bound_before_the_deployment_exists", |w, n| Box::pin(lifecycle::bound_first(w, n))),
        shared("running_pods_are_rolled_exactly_once", |w, n| Box::pin(lifecycle::running_pods(w, n))),
        shared("service_account_created_after_the_binding", |w, n| Box::pin(lifecycle::account_later(w, n))),
        shared("role_changed_and_changed_back", |w, n| Box::pin(lifecycle::role_changed(w, n))),
        shared("a_correct_cluster_is_adopted_untouched", |w, n| Box::pin(lifecycle::adopted(w, n))),
        shared("an_annotation_removed_by_hand_is_restored", |w, n| Box::pin(lifecycle::removed_by_hand(w, n))),
        shared("a_workload_in_its_own_rollout_is_not_rolled", |w, n| Box::pin(lifecycle::in_its_own_rollout(w, n))),
        shared("a_deleted_binding_releases_the_annotation", |w, n| Box::pin(lifecycle::deleted(w, n))),
        shared("the_injection_policy_does_what_the_model_says", |w, n| Box::pin(injection::as_the_model_says(w, n))),
        shared("the_injection_policy_differs_only_as_documented", |w, n| Box::pin(injection::known_differences(w, n))),
        shared("bad_input_is_refused_with_advice", |w, n| Box::pin(bad_input::refused(w, n))),
        shared("good_input_is_accepted", |w, n| Box::pin(bad_input::accepted(w, n))),
        shared("service_account_name_is_immutable", |w, n| Box::pin(bad_input::immutable(w, n))),
        shared("a_new_binding_is_not_taken_for_observed", |w, n| Box::pin(schema::new_binding(w, n))),
        shared("kubectl_explains_every_field", |w, n| Box::pin(schema::explained(w, n))),
        shared("kubectl_get_shows_the_columns", |w, n| Box::pin(schema::columns(w, n))),
    ]
}
