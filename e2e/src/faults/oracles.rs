//! What must hold after every plan, each rule in one place.

use std::collections::BTreeMap;

use super::endstate::{EndState, differences};
use super::observer::Seen;
use super::plan::Plan;
use super::run::{Evidence, Usage};

/// A finding of an oracle.
pub type Problem = String;

/// How many more threads, open files and KiB of memory a process may have than in a run without
/// faults.
const MORE: Usage = Usage { threads: 2, files: 12, memory_kib: 24 * 1024 };

/// Runs all oracles.
pub fn judge(plan: &Plan, expected: Option<&EndState>, evidence: &Evidence, usual: Option<Usage>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(expected) = expected {
        problems.extend(end_state(plan, expected, &evidence.end));
        problems.extend(nothing_of_the_users(plan, expected, &evidence.end));
    }
    problems.extend(rolled_as_often_as_allowed(plan, &evidence.values));
    problems.extend(no_older_role(plan, &evidence.values));
    problems.extend(one_at_a_time(evidence));
    problems.extend(quiet(evidence));
    problems.extend(observed(&evidence.end));
    problems.extend(back_to_the_start(evidence, usual));
    problems.extend(no_complaint_without_cause(evidence));
    problems
}

/// The end state equals that of the run without faults.
fn end_state(plan: &Plan, expected: &EndState, found: &EndState) -> Vec<Problem> {
    let lines = differences(&expected.at(plan.likeness).objects, &found.at(plan.likeness).objects);
    lines.into_iter().map(|line| format!("end state: {line}")).collect()
}

/// No field of users changed: other managers own the same fields as without faults.
fn nothing_of_the_users(plan: &Plan, expected: &EndState, found: &EndState) -> Vec<Problem> {
    let lines = differences(&expected.at(plan.likeness).others, &found.at(plan.likeness).others);
    lines.into_iter().map(|line| format!("fields of others: {line}")).collect()
}

/// Each workload's template changed its mark no more often than the case allows.
fn rolled_as_often_as_allowed(plan: &Plan, values: &[Seen]) -> Vec<Problem> {
    let mut marks = BTreeMap::<(&str, &str), Vec<&Option<String>>>::new();
    for seen in values.iter().filter(|seen| !seen.object.starts_with("ServiceAccount/")) {
        marks.entry((&seen.object, &seen.uid)).or_default().push(&seen.value);
    }
    let mut problems = Vec::new();
    for ((object, _), marks) in marks {
        // The first value is the one before the operator acted.
        let rolls = marks.len() - 1;
        if rolls > plan.case.rolls {
            problems.push(format!("rolls: {object} was rolled {rolls} times, not {}: {marks:?}", plan.case.rolls));
        }
    }
    problems
}

/// No role is written after one that was declared later.
fn no_older_role(plan: &Plan, values: &[Seen]) -> Vec<Problem> {
    let mut newest = BTreeMap::<&str, usize>::new();
    let mut problems = Vec::new();
    for seen in values.iter().filter(|seen| seen.object.starts_with("ServiceAccount/")) {
        let Some(role) = &seen.value else { continue };
        let Some(at) = plan.case.roles.iter().position(|declared| declared == role) else {
            problems.push(format!("roles: {} got {role}, which nobody declared", seen.object));
            continue;
        };
        let newest = newest.entry(&seen.object).or_default();
        if at < *newest {
            problems.push(format!("roles: {} got {role} again after {}", seen.object, plan.case.roles[*newest]));
        }
        *newest = (*newest).max(at);
    }
    problems
}

/// An operator that stands for election never writes while another one holds the lease.
fn one_at_a_time(evidence: &Evidence) -> Vec<Problem> {
    evidence.out_of_turn.iter().map(|write| format!("lease: written while another operator held it: {write}")).collect()
}

/// In the final state, the operator writes nothing.
fn quiet(evidence: &Evidence) -> Vec<Problem> {
    evidence.restless.iter().map(|write| format!("quiet: still written: {write}")).collect()
}

/// Every status describes the newest generation.
fn observed(end: &EndState) -> Vec<Problem> {
    let objects = end.objects.as_object().into_iter().flatten();
    let bindings = objects.filter(|(id, _)| id.starts_with("PodIdentityBinding/"));
    bindings
        .filter(|(_, binding)| binding["status"]["observedGeneration"] != binding["metadata"]["generation"])
        .map(|(id, binding)| {
            let observed = &binding["status"]["observedGeneration"];
            format!("observed: {id} is at generation {}, its status at {observed}", binding["metadata"]["generation"])
        })
        .collect()
}

/// Threads, open files and memory are about the same as without faults.
fn back_to_the_start(evidence: &Evidence, usual: Option<Usage>) -> Vec<Problem> {
    let (Some(usual), Some(found)) = (usual, evidence.usage) else { return Vec::new() };
    let compared = [
        ("threads", usual.threads + MORE.threads, found.threads),
        ("open files", usual.files + MORE.files, found.files),
        ("KiB of memory", usual.memory_kib + MORE.memory_kib, found.memory_kib),
    ];
    let above = compared.into_iter().filter(|(_, most, found)| found > most);
    above.map(|(what, most, found)| format!("usage: {found} {what}, expected at most {most}")).collect()
}

/// The log has no error, and has a warning only after a fault.
fn no_complaint_without_cause(evidence: &Evidence) -> Vec<Problem> {
    let troubled = !evidence.journal.faults.is_empty() || !evidence.journal.errors.is_empty() || evidence.disturbed;
    let complaints = evidence.log.lines().filter(|line| {
        let level = line.split_whitespace().nth(1).unwrap_or_default();
        level == "ERROR" || (level == "WARN" && !troubled) || line.contains("panicked at")
    });
    complaints.take(5).map(|line| format!("log: without a cause: {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::case::{Case, World};

    fn plan(declared: &[&str], allowed: usize) -> Plan {
        let roles = declared.iter().map(|&role| role.to_owned()).collect();
        Plan::new(
            "class",
            &Case { name: "case".into(), world: World::Running, steps: Vec::new(), roles, rolls: allowed },
            "",
            Vec::new(),
        )
    }

    fn seen(object: &str, value: Option<&str>) -> Seen {
        Seen { object: object.into(), uid: "1".into(), value: value.map(str::to_owned) }
    }

    #[test]
    fn a_second_roll_is_found() {
        let once = [seen("Deployment/app", None), seen("Deployment/app", Some("a"))];
        assert_eq!(rolled_as_often_as_allowed(&plan(&[], 1), &once), [""; 0]);
        let twice = [once.to_vec(), vec![seen("Deployment/app", Some("a-1"))]].concat();
        assert_eq!(rolled_as_often_as_allowed(&plan(&[], 1), &twice).len(), 1);
    }

    #[test]
    fn an_older_role_is_found() {
        let account = |role| seen("ServiceAccount/app", role);
        let plan = plan(&["a", "b"], 1);
        assert_eq!(
            no_older_role(&plan, &[account(None), account(Some("a")), account(None), account(Some("b"))]),
            [""; 0]
        );
        assert_eq!(no_older_role(&plan, &[account(Some("b")), account(Some("a"))]).len(), 1);
        assert_eq!(no_older_role(&plan, &[account(Some("c"))]).len(), 1);
    }
}
