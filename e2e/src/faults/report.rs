//! The results of the plans, by class of fault.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The plan's id.
    pub id: String,
    /// Its class.
    pub class: String,
    /// The oracles' findings.
    pub problems: Vec<String>,
    /// Whether the fault occurred at all.
    pub reached: bool,
    /// From the first fault until the final state, in milliseconds.
    pub recovery_ms: u64,
    /// The duration of the whole plan, in milliseconds.
    pub took_ms: u64,
}

impl Verdict {
    /// Whether the fault occurred and no oracle found a problem.
    pub fn passed(&self) -> bool {
        self.reached && self.problems.is_empty()
    }

    /// Whether an oracle found a problem.
    pub fn failed(&self) -> bool {
        !self.problems.is_empty()
    }
}

#[derive(Default)]
struct Row {
    plans: usize,
    passed: usize,
    failed: usize,
    not_reached: usize,
    longest: Duration,
}

impl Row {
    fn add(&mut self, verdict: &Verdict) {
        self.plans += 1;
        self.passed += usize::from(verdict.passed());
        self.failed += usize::from(verdict.failed());
        self.not_reached += usize::from(!verdict.reached && !verdict.failed());
        self.longest = self.longest.max(Duration::from_millis(verdict.recovery_ms));
    }
}

/// The table: one row per class, and the sum.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut rows = BTreeMap::<&str, Row>::new();
    let mut sum = Row::default();
    for verdict in verdicts {
        rows.entry(&verdict.class).or_default().add(verdict);
        sum.add(verdict);
    }
    let mut text = format!(
        "{:<32} {:>6} {:>7} {:>7} {:>12} {:>17}\n",
        "class", "plans", "passed", "failed", "not reached", "longest recovery"
    );
    for (class, row) in rows.iter().map(|(class, row)| (*class, row)).chain([("all", &sum)]) {
        let longest = row.longest.as_secs_f64();
        let Row { plans, passed, failed, not_reached, .. } = row;
        let _ = writeln!(text, "{class:<32} {plans:>6} {passed:>7} {failed:>7} {not_reached:>12} {longest:>15.1} s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_did_not_come_about_proves_nothing() {
        let verdict = |problems: &[&str], reached| Verdict {
            id: "a/b/c".into(),
            class: "a".into(),
            problems: problems.iter().map(|&text| text.into()).collect(),
            reached,
            recovery_ms: 1500,
            took_ms: 4000,
        };
        let text = table(&[verdict(&[], true), verdict(&[], false), verdict(&["rolled twice"], true)]);
        let row: Vec<_> = text.lines().last().unwrap_or_default().split_whitespace().collect();
        assert_eq!(row, ["all", "3", "1", "1", "1", "1.5", "s"]);
    }
}
