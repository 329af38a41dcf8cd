//! The text form of rules.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

use super::{Action, Deed, Rule};

const DEEDS: [(Deed, &str); 14] = [
    (Deed::StealLease, "steal lease"),
    (Deed::DeleteLease, "delete lease"),
    (Deed::StripAccount, "strip account"),
    (Deed::UnrollDeployment, "unroll deployment"),
    (Deed::Compact, "compact"),
    (Deed::RestartApiServer, "restart kube-apiserver"),
    (Deed::RestartEtcd, "restart etcd"),
    (Deed::RemoveInjection, "remove injection"),
    (Deed::InstallInjection, "install injection"),
    (Deed::RecreateAccount, "recreate account"),
    (Deed::RecreateDeployment, "recreate deployment"),
    (Deed::Scale, "scale"),
    (Deed::Touch, "touch"),
    (Deed::DeletePods, "delete pods"),
];

const PLAIN: [(Action, &str); 12] = [
    (Action::Reset, "reset"),
    (Action::DropAnswer, "drop answer"),
    (Action::Hang, "hang"),
    (Action::Truncate, "truncate"),
    (Action::KillBefore, "kill before"),
    (Action::KillAfter, "kill after"),
    (Action::HalfOpen, "half-open"),
    (Action::Cut, "cut"),
    (Action::Break, "break"),
    (Action::Gone, "gone"),
    (Action::Coalesce, "coalesce"),
    (Action::Lose, "lose"),
];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(f, "/{name}")?;
        }
        match self.last {
            Some(1) if self.first == 1 => {}
            Some(last) if last == self.first => write!(f, " #{last}")?,
            Some(last) => write!(f, " #{}..{last}", self.first)?,
            None => write!(f, " #{}..", self.first)?,
        }
        if self.every != 1 {
            write!(f, " %{}", self.every)?;
        }
        if let Some(lasting) = self.lasting {
            write!(f, " for {}", Span(lasting))?;
        }
        write!(f, ": {}", self.action)
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).with_context(|| format!("not a rule: `{text}`"))
    }
}

fn parse(text: &str) -> Result<Rule> {
    let (what, action) = text.split_once(": ").context("`: ` and an action are missing")?;
    let mut words = what.split_whitespace();
    let (verb, object) = words.next().zip(words.next()).context("a verb and a resource are missing")?;
    let (resource, name) = object.split_once('/').map_or((object, None), |(resource, name)| (resource, Some(name)));
    let mut rule = Rule::new(verb, resource, name, 1, action.trim().parse()?);
    while let Some(word) = words.next() {
        if let Some(range) = word.strip_prefix('#') {
            let (first, last) = range
                .split_once("..")
                .map_or((range, Some(range)), |(first, last)| (first, if last.is_empty() { None } else { Some(last) }));
            rule.first = first.parse().context("after # comes a number")?;
            rule.last = last.map(str::parse).transpose().context("after .. comes a number or nothing")?;
        } else if let Some(every) = word.strip_prefix('%') {
            rule.every = every.parse().context("after % comes a number")?;
        } else if word == "for" {
            rule.lasting = Some(span(words.next().context("after `for` comes a duration")?)?);
        } else {
            bail!("`{word}` is neither #NUMBER, %NUMBER nor `for DURATION`");
        }
    }
    if rule.first == 0 || rule.every == 0 {
        bail!("numbers begin with 1");
    }
    Ok(rule)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, text)) = PLAIN.iter().find(|(action, _)| action == self) {
            return f.write_str(text);
        }
        match self {
            Self::Delay(by) => write!(f, "delay {}", Span(*by)),
            Self::Answer { code, retry_after: None } => write!(f, "answer {code}"),
            Self::Answer { code, retry_after: Some(seconds) } => write!(f, "answer {code} retry-after {seconds}"),
            Self::Lacks(field) => write!(f, "lacks {field}"),
            Self::Stale(lasting) => write!(f, "stale {}", Span(*lasting)),
            Self::Before(deed) => write!(f, "before it {deed}"),
            Self::After(deed) => write!(f, "after it {deed}"),
            Self::PauseBefore(lasting) => write!(f, "pause before {}", Span(*lasting)),
            Self::PauseAfter(lasting) => write!(f, "pause after {}", Span(*lasting)),
            Self::Freeze(Some(lasting)) => write!(f, "freeze {}", Span(*lasting)),
            Self::Freeze(None) => f.write_str("freeze"),
            plain => write!(f, "{plain:?}"),
        }
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((action, _)) = PLAIN.iter().find(|(_, plain)| *plain == text) {
            return Ok(action.clone());
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match (word, rest) {
            ("delay", by) => Self::Delay(span(by)?),
            ("lacks", field) if !field.is_empty() => Self::Lacks(field.to_owned()),
            ("stale", lasting) => Self::Stale(span(lasting)?),
            ("pause", rest) => match rest.split_once(' ').context("pause comes before or after")? {
                ("before", lasting) => Self::PauseBefore(span(lasting)?),
                ("after", lasting) => Self::PauseAfter(span(lasting)?),
                _ => bail!("pause comes before or after"),
            },
            ("freeze", "") => Self::Freeze(None),
            ("freeze", lasting) => Self::Freeze(Some(span(lasting)?)),
            ("answer", rest) => {
                let (code, after) =
                    rest.split_once(" retry-after ").map_or((rest, None), |(code, after)| (code, Some(after)));
                let retry_after = after.map(str::parse).transpose().context("retry-after takes seconds")?;
                Self::Answer { code: code.parse().context("answer takes an HTTP status")?, retry_after }
            }
            ("before", rest) => Self::Before(deed(rest.strip_prefix("it ").unwrap_or(rest))?),
            ("after", rest) => Self::After(deed(rest.strip_prefix("it ").unwrap_or(rest))?),
            _ => bail!("there is no action `{text}`"),
        })
    }
}

fn deed(text: &str) -> Result<Deed> {
    let found = DEEDS.iter().find(|(_, name)| *name == text);
    found.map(|(deed, _)| *deed).with_context(|| format!("nobody can `{text}`"))
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DEEDS.iter().find(|(deed, _)| deed == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

/// Seconds or milliseconds: `2s`, `500ms`.
fn span(text: &str) -> Result<Duration> {
    let number = |digits: &str| digits.parse::<u64>().with_context(|| format!("`{text}` is no duration such as 500ms"));
    match text.strip_suffix("ms") {
        Some(digits) => Ok(Duration::from_millis(number(digits)?)),
        None => Ok(Duration::from_secs(number(text.strip_suffix('s').unwrap_or(text))?)),
    }
}

struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{}s", self.0.as_secs())
        } else {
            write!(f, "{}ms", self.0.as_millis())
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in [
            "patch deployments/app: kill before",
            "patch podidentitybindings.status #2: drop answer",
            "any * #1.. %3 for 8s: answer 503",
            "write * #3..5: answer 429 retry-after 2",
            "event serviceaccounts/app #2: coalesce",
            "list pods: truncate",
            "patch serviceaccounts/app: stale 1500ms",
            "event pods #4: freeze",
            "event pods #4: freeze 3s",
            "patch deployments/app: before it recreate account",
            "patch deployments/app: after it delete pods",
            "write *: delay 250ms",
            "patch deployments/app: pause after 7s",
            "patch leases #3: before it steal lease",
            "patch podidentitybindings.status #1..: lacks restarts",
        ] {
            assert_eq!(text.parse::<Rule>().map_or_else(|error| error.to_string(), |rule| rule.to_string()), text);
        }
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        let error = |text: &str| format!("{:#}", text.parse::<Rule>().expect_err(text));
        assert_eq!(error("patch pods"), "not a rule: `patch pods`: `: ` and an action are missing");
        assert_eq!(error("patch pods: explode"), "not a rule: `patch pods: explode`: there is no action `explode`");
        assert!(error("patch pods twice: reset").contains("`twice` is neither"));
        assert!(error("patch pods #0: reset").contains("numbers begin with 1"));
        assert!(error("patch pods: delay soon").contains("`soon` is no duration"));
    }
}
