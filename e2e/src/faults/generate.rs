//! Generates plans from what a reference run did, like Sieve: no point is picked by hand.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::campaign::Reference;
use super::case::Case;
use super::journal::{Event, Journal, Write};
use super::plan::Plan;
use super::rules::{Action, Deed, Rule};

/// How long an operator that starts with a past state keeps seeing it.
const LAG: Duration = Duration::from_millis(1500);

/// Points at which plans already break something. Many cases begin alike: up to the same write or
/// event, the same has happened, so a plan of one case finds what breaks there.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<String>);

impl Known {
    /// Whether no earlier case has reached this point in this way.
    fn is_new(&mut self, case: &Case, reference: &Reference, at: Instant, what: &str) -> bool {
        let taken = reference.steps.iter().filter(|step| **step <= at).count();
        let so_far = &case.steps[..(taken + 1).min(case.steps.len())];
        let over = taken == case.steps.len();
        self.0.insert(format!("{:?} {so_far:?} {over} {what}", case.world))
    }
}

/// All plans from a reference run of a case, except those at known points.
pub fn plans(case: &Case, reference: &Reference, known: &mut Known) -> Vec<Plan> {
    let journal = &reference.journal;
    let mut plans = Vec::new();
    for write in points(journal) {
        if known.is_new(case, reference, write.at, &format!("{} #{}", write.asked, write.nth)) {
            plans.extend(at_write(case, write));
        }
    }
    for event in journal.events_that_could_be_missed() {
        let plan = at_event(case, event);
        if known.is_new(case, reference, event.at, &plan.rules[0].to_string()) {
            plans.push(plan);
        }
    }
    let mut seen = BTreeSet::new();
    plans.retain(|plan| seen.insert(plan.id.clone()));
    plans
}

/// The writes at which to break things. For events, the first one of each run suffices: the
/// operator may lose one.
fn points(journal: &Journal) -> impl Iterator<Item = &Write> {
    journal.writes.iter().filter(|write| !write.asked.is_event() || write.nth == 1)
}

fn at_write(case: &Case, write: &Write) -> Vec<Plan> {
    let asked = &write.asked;
    let name = (!asked.is_event()).then_some(asked.name.as_str());
    let plan = |class: &str, action: Action| {
        let rule = Rule::new(asked.verb, &asked.resource, name, write.nth, action);
        Plan::new(class, case, &rule.to_string(), vec![rule])
    };
    let mut plans = vec![
        plan("crash before a write", Action::KillBefore),
        plan("crash after a write", Action::KillAfter),
        plan("answer lost", Action::DropAnswer),
        plan("write refused", refusal(write.nth)),
    ];
    if !asked.is_event() {
        plans.push(plan("restart in the past", Action::Stale(LAG)));
        plans.push(plan("somebody else was faster", Action::Before(Deed::Touch)));
        plans.last_mut().into_iter().for_each(|plan| plan.likeness = super::endstate::Likeness::Loose);
    }
    plans
}

/// One of the errors that API servers, and load balancers in front of them, return.
fn refusal(nth: usize) -> Action {
    let retry_after = |code| Action::Answer { code, retry_after: Some(1) };
    match nth % 4 {
        0 => Action::Answer { code: 500, retry_after: None },
        1 => retry_after(429),
        2 => Action::Answer { code: 503, retry_after: None },
        _ => Action::Answer { code: 504, retry_after: None },
    }
}

fn at_event(case: &Case, event: &Event) -> Plan {
    // Pods have new names in each run, so their events are counted together.
    let (name, nth) =
        if event.resource == "pods" { (None, event.among) } else { (Some(event.name.as_str()), event.nth) };
    let rule = Rule::new("event", &event.resource, name, nth, Action::Coalesce);
    Plan::new("change not observed", case, &rule.to_string(), vec![rule])
}
