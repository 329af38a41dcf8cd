//! One experiment: a case, and the faults during it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::case::{Case, Step};
use super::endstate::Likeness;
use super::rules::{Action, Rule};
use crate::sts::Fault;

/// How long a wait may take by default, in seconds.
const PATIENCE: u64 = 120;

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `class/case/what`.
    pub id: String,
    /// The class of the fault.
    pub class: String,
    /// The user's actions.
    pub case: Case,
    /// The faults.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Faults of the first requests to AWS.
    #[serde(default)]
    pub sts: Vec<Fault>,
    /// How closely the end state must match the expected one.
    #[serde(default)]
    pub likeness: Likeness,
    /// The case with the expected end state, if that differs from `case` without faults.
    #[serde(default)]
    pub same_as: Option<Case>,
    /// The number of concurrent operators.
    #[serde(default = "one")]
    pub operators: usize,
    /// Whether they stand for election. The first one leads in the beginning.
    #[serde(default)]
    pub elected: bool,
    /// Seconds that a wait may take.
    #[serde(default = "patience")]
    pub patience: u64,
}

fn one() -> usize {
    1
}

fn patience() -> u64 {
    PATIENCE
}

impl Plan {
    /// A case with these rules.
    pub fn new(class: &str, case: &Case, what: &str, rules: Vec<Rule>) -> Self {
        let what: String =
            what.chars().map(|c| if c.is_ascii_alphanumeric() || "./#-".contains(c) { c } else { '-' }).collect();
        Self {
            id: format!("{class}/{}/{}", case.name, what.replace('/', "-")),
            class: class.to_owned(),
            case: case.clone(),
            rules,
            sts: Vec::new(),
            likeness: Likeness::Exact,
            same_as: None,
            operators: 1,
            elected: false,
            patience: PATIENCE,
        }
    }

    /// A case with rules in text form. They are constants of the campaign, and tests parse all of
    /// them.
    pub(super) fn of_rules(class: &str, case: &Case, rules: &[&str]) -> Self {
        let parsed = rules.iter().filter_map(|rule| rule.parse().ok()).collect();
        Self::new(class, case, &rules.join(" and "), parsed)
    }

    /// The same plan, compared loosely.
    #[must_use]
    pub fn loosely(mut self) -> Self {
        self.likeness = Likeness::Loose;
        self
    }

    /// The case without faults that shows the expected end state.
    pub fn reference(&self) -> &Case {
        self.same_as.as_ref().unwrap_or(&self.case)
    }

    /// How long a wait may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// Whether the operator's clock differs from the machine's.
    pub fn has_its_own_clock(&self) -> bool {
        self.case.steps.iter().any(|step| matches!(step, Step::Clock(_)))
    }

    /// Whether the plan affects the whole control plane, so that no other plan may run
    /// concurrently.
    pub fn is_exclusive(&self) -> bool {
        let by_rule = self.rules.iter().any(|rule| match rule.action {
            Action::Before(deed) | Action::After(deed) => deed.is_global(),
            _ => false,
        });
        by_rule || self.case.steps.iter().any(|step| matches!(step, Step::Do(deed) if deed.is_global()))
    }
}
