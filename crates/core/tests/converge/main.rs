//! Eventually stable reconciliation. The test starts from any state, under any interleaving of user
//! edits, pod churn, missed injections, refused writes, crashes between steps and stale views. Once
//! things are quiet, the operator converges: the next plan is empty, the status is true, and
//! everything that is not well has a cause.
//!
//! ```text
//! event.rs ──► World (world.rs): cluster, operator, what it sees ──► rules.rs: at any time; time.rs: by time alone
//!                                                                └─► rest.rs, causes.rs: once things are quiet
//! ```

#![allow(clippy::unwrap_used)]

mod account_change;
mod asking;
mod causes;
mod event;
mod pace;
mod problem;
mod rest;
mod rules;
#[path = "../sim/mod.rs"]
mod sim;
mod survey;
mod time;
mod world;

use event::{Event, event};
use jiff::Timestamp;
use podidentity_api::FailurePolicy;
use podidentity_api::names::condition;
use proptest::prelude::*;
use rest::check;
use world::{BINDINGS, ROLES, World};

/// Deployments alone.
const DEPLOYMENTS: [&str; 3] = ["web", "worker", "batch"];

fn events() -> impl Strategy<Value = Vec<Event>> {
    (event::beginning(), proptest::collection::vec(event(), 1..60))
        .prop_map(|(beginning, events)| beginning.into_iter().chain(events).collect())
}

/// How many cases to try, unless PROPTEST_CASES is set.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(default, |cases| cases.parse().unwrap())
}

/// Applies the events, lets everything come to rest, and checks what must hold then. Returns the
/// number of steps.
fn converges(events: &[Event]) -> Result<u64, TestCaseError> {
    let mut world = World::new();
    for event in events {
        world.happen(event);
    }
    if world.endure() {
        causes::explain_everything(&world)?;
    }
    prop_assert!(world.quiesce(), "does not come to rest: {:?}", world.cluster.bindings);
    check(&mut world)?;
    Ok(world.steps)
}

/// Under `Continue`, a failed restart is reported as Stalled if the only other workload waits to be
/// promoted.
#[test]
fn a_restart_that_waits_to_be_promoted_does_not_go_on_by_itself() {
    let deploy = |workload, shape| Event::Deploy { workload, shape, replicas: 1 };
    converges(&[
        Event::CreateAccount,
        Event::Bind(0, 0),
        deploy(0, 0),
        deploy(4, 2),
        deploy(1, 0),
        Event::Endure,
        Event::Bind(0, 1),
        Event::Endure,
        Event::Spec(0, event::SpecChange::OnFailure(FailurePolicy::Continue)),
        Event::Spec(0, event::SpecChange::MaxConcurrent(2)),
        Event::Webhook(false),
        Event::Edit(0, event::Edit::Revision),
    ])
    .unwrap();
}

/// The same for a million steps; `make test` runs it.
#[test]
#[ignore = "takes minutes: cargo test -p podidentity-core --test converge -- --ignored"]
fn a_million_steps_converge() {
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    // The same steps on every machine, so that a change is judged by its effect. CONVERGE_SEED=any
    // explores further; a failure names its seed, which repeats it.
    let first = match std::env::var("CONVERGE_SEED").as_deref() {
        Ok("any") => any_seed(),
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 1,
    };
    let mut seed = u64::from(first) << 20;
    let steps = std::cell::Cell::new(0);
    while steps.get() < 1_000_000 {
        // A runner counts its cases, so each thousand cases have their own runner.
        seed += 1;
        let rng_seed = proptest::test_runner::RngSeed::Fixed(seed);
        let config = ProptestConfig { rng_seed, ..config.clone() };
        let run = proptest::test_runner::TestRunner::new(config).run(&events(), |events| {
            steps.set(steps.get() + converges(&events)?);
            Ok(())
        });
        assert!(run.is_ok(), "CONVERGE_SEED={first} repeats this: {}", run.unwrap_err());
    }
    println!("{} steps", steps.get());
}

/// A new seed every second.
fn any_seed() -> u32 {
    u32::try_from(Timestamp::now().as_second()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn converges_from_any_state(events in events()) {
        converges(&events)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(250), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever crashes in between, a role that fails in one workload is rolled back everywhere,
    /// and workloads that had not been rolled stay untouched.
    #[test]
    fn a_failed_role_is_rolled_back(
        failing in 0..DEPLOYMENTS.len(),
        replicas in proptest::collection::vec(1..4_usize, DEPLOYMENTS.len()),
        max_concurrent in 1..4_i32,
        crashes in proptest::collection::vec((0..4_usize, 0..90_i64, 0..DEPLOYMENTS.len()), 0..40),
    ) {
        let mut world = World::new();
        world.cluster.create_account();
        world.cluster.bind("first", ROLES[0]);
        world.cluster.edit_binding("first", |spec| {
            spec.rollout.on_failure = FailurePolicy::Rollback;
            spec.rollout.max_concurrent = max_concurrent;
            spec.rollout.progress_deadline_seconds = 60;
        });
        for (name, replicas) in DEPLOYMENTS.into_iter().zip(replicas) {
            world.cluster.deploy(name, replicas);
        }
        prop_assert!(world.quiesce());
        let good = world.cluster.workloads.clone();
        world.cluster.touch(DEPLOYMENTS[failing], |it| it.broken_as = Some(ROLES[1].to_owned()));
        world.cluster.bind("first", ROLES[1]);
        world.crash(&crashes, &DEPLOYMENTS);
        prop_assert!(world.quiesce());
        check(&mut world)?;
        let status = world.cluster.bindings["first"].status.clone().unwrap();
        let stalled = status.conditions.iter().find(|it| it.type_ == condition::STALLED);
        prop_assert_eq!(stalled.map(|it| it.reason.as_str()), Some("RolledBack"), "{:?}", status);
        prop_assert_eq!(world.cluster.role(), Some(ROLES[0]));
        for (name, deployment) in &world.cluster.workloads {
            prop_assert!(deployment.pods.iter().all(|pod| pod.role() == Some(ROLES[0])));
            let times = deployment.generation - good[name].generation;
            prop_assert!(times <= 2, "{} was rolled {} times", name, times);
        }
    }

    /// Bindings come and go, and so does the operator. The annotation stays as long as a binding
    /// claims it.
    #[test]
    fn a_claimed_service_account_keeps_a_role(
        changes in proptest::collection::vec((0..4_usize, 0..BINDINGS.len(), any::<bool>(), 0..ROLES.len()), 1..40),
    ) {
        let mut world = World::new();
        world.cluster.create_account();
        world.cluster.bind("always", ROLES[0]);
        prop_assert!(world.quiesce());
        for (steps, name, deletes, role) in changes {
            if deletes {
                world.cluster.delete_binding(BINDINGS[name]);
            } else {
                world.cluster.pass(1);
                world.cluster.bind(BINDINGS[name], ROLES[role]);
            }
            world.reconcile(steps);
            prop_assert!(world.cluster.role().is_some(), "a gap");
        }
        prop_assert!(world.quiesce());
        check(&mut world)?;
    }

    /// Whatever crashes in between, one change of the role rolls each workload once.
    #[test]
    fn one_change_rolls_once(
        crashes in proptest::collection::vec((0..3_usize, 0..6_i64, 0..DEPLOYMENTS.len()), 0..40),
    ) {
        let mut world = World::new();
        world.cluster.create_account();
        for name in DEPLOYMENTS {
            world.cluster.deploy(name, 3);
        }
        world.cluster.progress_all();
        world.cluster.pass(60);
        world.cluster.bind("first", ROLES[0]);
        world.crash(&crashes, &DEPLOYMENTS);
        prop_assert!(world.quiesce());
        check(&mut world)?;
        prop_assert_eq!(world.cluster.rolls, DEPLOYMENTS.len());
        for deployment in world.cluster.workloads.values() {
            prop_assert_eq!(deployment.generation, 2);
        }
    }
}
