//! Reports all failures instead of only the first one, for work on the simulation or on decisions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::event::Event;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    /// What the run encountered, and how often; `None` outside of a survey.
    static MET: RefCell<Option<BTreeMap<String, usize>>> = const { RefCell::new(None) };
}

/// Runs CASES (2000) cases from the seed CONVERGE_SEED (1) on. Reports how often each kind of
/// failure occurred, and the shortest list of events found that causes it.
#[test]
#[ignore = "tells and never fails: cargo test -p podidentity-core --test converge survey -- --ignored --nocapture"]
fn survey() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |it| it.parse().unwrap());
    let seed = RngSeed::Fixed(number("CONVERGE_SEED", 1));
    let mut runner = TestRunner::new(Config { rng_seed: seed, failure_persistence: None, ..Config::default() });
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PANIC.with_borrow_mut(|it| *it = format!("{place} {info}"));
    }));
    MET.set(Some(BTreeMap::new()));
    let mut kinds: BTreeMap<String, (usize, Vec<Event>, String)> = BTreeMap::new();
    for _ in 0..number("CASES", 2000) {
        let events = crate::events().new_tree(&mut runner).unwrap().current();
        let Some(failure) = fails(&events) else { continue };
        let found = kinds.entry(kind(&failure)).or_insert_with(|| (0, events.clone(), failure));
        found.0 += 1;
        if events.len() < found.1.len() {
            found.1 = events;
        }
    }
    println!("met: {:#?}", MET.take().unwrap_or_default());
    for (kind, (count, events, _)) in kinds {
        let events = shortened(events, &kind);
        let failure: String =
            fails(&events).unwrap_or_default().chars().take(usize::try_from(number("CHARS", 1500)).unwrap()).collect();
        println!("== {count} times {kind}\n{events:?}\n{failure}\n");
    }
}

/// Records an encounter by its first two words.
pub fn meets(what: impl FnOnce() -> String) {
    MET.with_borrow_mut(|met| {
        let Some(met) = met else { return };
        let words = what()
            .split(|it: char| !it.is_alphabetic())
            .filter(|it| !it.is_empty())
            .take(3)
            .collect::<Vec<_>>()
            .join(" ");
        *met.entry(words).or_default() += 1;
    });
}

fn fails(events: &[Event]) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| crate::converges(events))) {
        Ok(Ok(_)) => None,
        Ok(Err(failure)) => Some(failure.to_string()),
        Err(_) => Some(PANIC.with_borrow(Clone::clone)),
    }
}

/// A failure without everything that differs between cases.
fn kind(failure: &str) -> String {
    let words = failure.split(|it: char| !it.is_alphabetic()).filter(|it| !it.is_empty());
    let plain = words.filter(|it| {
        !["web", "worker", "db", "agent", "shop", "Deployment", "StatefulSet", "DaemonSet", "Rollout", "Some", "None"]
            .contains(it)
    });
    plain.take(12).collect::<Vec<_>>().join(" ")
}

/// Removes the events that this kind of failure does not need.
fn shortened(mut events: Vec<Event>, wanted: &str) -> Vec<Event> {
    let mut at = events.len();
    while at > 0 {
        at -= 1;
        let mut fewer = events.clone();
        fewer.remove(at);
        if fails(&fewer).is_some_and(|failure| kind(&failure) == wanted) {
            events = fewer;
        }
    }
    events
}
