//! What a person is told: what is so, why, and what to do about it.

use std::fmt;

/// A number with its noun, in singular or plural: `1 pod`, `2 pods`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One thing that a person is told, as text of one line: `WHAT: WHY; ACTION`.
///
/// The parts are clauses without a full stop. If they are sentences, as those of a finding are, or
/// end with a colon, the action follows a blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What is so, about which object.
    pub what: String,
    /// Why it is so.
    pub why: Option<String>,
    /// What to do about it; `None` if nothing is to be done.
    pub action: Option<String>,
}

impl Message {
    /// A message that only says what is so.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, action: None }
    }

    /// The same message, with the reason.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// The same message, with what to do.
    #[must_use]
    pub fn action(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    /// What is so and why, without what to do.
    pub fn seen(&self) -> String {
        match &self.why {
            Some(why) => format!("{}: {why}", self.what),
            None => self.what.clone(),
        }
    }

    /// The same message, with another fact.
    #[must_use]
    pub fn and(self, fact: impl AsRef<str>) -> Self {
        let Self { what, why, action } = self;
        let with = |text: String| format!("{text}, and {}", fact.as_ref());
        match why {
            Some(why) => Self { what, why: Some(with(why)), action },
            None => Self { what: with(what), why, action },
        }
    }

    /// The same message, with this before it.
    #[must_use]
    pub fn prefixed(self, before: &str) -> Self {
        Self { what: format!("{before}{}", self.what), ..self }
    }

    /// This message as the reason of another one, whose action it gives.
    #[must_use]
    pub fn explains(&self, what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Some(self.seen()), action: self.action.clone() }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        f.write_str(&seen)?;
        match &self.action {
            Some(action) if seen.ends_with(['.', '?', ':']) => write!(f, " {action}"),
            Some(action) => write!(f, "; {action}"),
            None => Ok(()),
        }
    }
}

impl From<String> for Message {
    fn from(what: String) -> Self {
        Self::new(what)
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn parts_follow_each_other_in_one_line() {
        let refused = Message::new("Deployment/web").because("a quota refuses its pods").action("raise the quota");
        assert_eq!(refused.to_string(), "Deployment/web: a quota refuses its pods; raise the quota");
        let above = refused.explains("the rollout is halted");
        assert_eq!(
            above.to_string(),
            "the rollout is halted: Deployment/web: a quota refuses its pods; raise the quota"
        );
        let sentence = Message::new("It has no role.").action("Restart it.");
        assert_eq!(sentence.to_string(), "It has no role. Restart it.");
    }
}
