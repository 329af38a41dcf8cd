//! One experiment: a case, and what breaks meanwhile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::case::{Case, Step};
use super::endstate::Likeness;
use super::rules::{Action, Rule};
use crate::sts::Fault;

/// How long a wait may take if a plan does not say otherwise.
const PATIENCE: u64 = 120;

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `class/case/what`.
    pub id: String,
    /// What kind of fault it is.
    pub class: String,
    /// What the user does.
    pub case: Case,
    /// What breaks.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What goes wrong with the first requests to AWS.
    #[serde(default)]
    pub sts: Vec<Fault>,
    /// How closely the end state has to resemble that of the expected one.
    #[serde(default)]
    pub likeness: Likeness,
    /// The case whose end state is expected, if it is not that of `case` without faults.
    #[serde(default)]
    pub same_as: Option<Case>,
    /// How many operators run at once.
    #[serde(default = "one")]
    pub operators: usize,
    /// Whether they stand for election, and the first one leads in the beginning.
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
    /// A case that one rule disturbs.
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

    /// A case that these rules disturb. They are constants of the campaign, and tests read them all.
    pub(super) fn of_rules(class: &str, case: &Case, rules: &[&str]) -> Self {
        let parsed = rules.iter().filter_map(|rule| rule.parse().ok()).collect();
        Self::new(class, case, &rules.join(" and "), parsed)
    }

    /// The same, compared loosely.
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

    /// Whether the operator's clock is not that of this machine.
    pub fn has_its_own_clock(&self) -> bool {
        self.case.steps.iter().any(|step| matches!(step, Step::Clock(_)))
    }

    /// Whether it bears on the whole control plane, so that nothing else may run beside it.
    pub fn is_exclusive(&self) -> bool {
        let by_rule = self.rules.iter().any(|rule| match rule.action {
            Action::Before(deed) | Action::After(deed) => deed.is_global(),
            _ => false,
        });
        by_rule || self.case.steps.iter().any(|step| matches!(step, Step::Do(deed) if deed.is_global()))
    }
}
