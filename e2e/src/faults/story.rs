//! Everything known about a plan, in chronological order: the evidence about a failure.

use std::fmt::Write as _;
use std::time::Instant;

use super::plan::Plan;
use super::run::Outcome;

/// Everything that helps to understand a plan.
pub fn story(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = format!("{}\n", plan.id);
    for rule in &plan.rules {
        let _ = writeln!(text, "rule: {rule}");
    }
    for problem in &outcome.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    let Some(evidence) = &outcome.evidence else { return text };
    let journal = &evidence.journal;
    let began = journal.writes.first().map_or_else(Instant::now, |write| write.at);
    let after = |at: Instant| at.saturating_duration_since(began).as_secs_f64();
    let mut lines: Vec<(f64, String)> = Vec::new();
    for write in &journal.writes {
        let code = write.code.map_or("no answer".to_owned(), |code| code.to_string());
        lines.push((after(write.at), format!("{} #{} ({code}) {}", write.asked, write.nth, write.body)));
    }
    lines.extend(journal.faults.iter().map(|fault| (after(fault.at), format!("FAULT {}", fault.what))));
    lines.extend(journal.events.iter().map(|event| {
        (after(event.at), format!("  event {} {}/{} #{}", event.kind, event.resource, event.name, event.nth))
    }));
    lines.sort_by(|left, right| left.0.total_cmp(&right.0));
    for (at, line) in lines {
        let line: String = line.chars().take(600).collect();
        let _ = writeln!(text, "{at:8.3} {line}");
    }
    let _ = writeln!(text, "values: {:#?}\nusage: {:?}\nlog:\n{}", evidence.values, evidence.usage, evidence.log);
    text
}
