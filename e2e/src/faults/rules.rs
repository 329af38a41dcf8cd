//! The language of faults: one line for each rule.
//!
//! ```text
//! patch deployments/app: kill before                the operator dies before its first write to the Deployment
//! patch podidentitybindings.status #2: drop answer  the second status is written, its answer lost
//! any * #1.. %3 for 8s: answer 503                  every third request is refused, for eight seconds
//! watch pods #2..: answer 403                       pods can be watched once, then never again
//! event serviceaccounts/app #2: coalesce            the second change of the account is only seen as part of the third
//! ```
//!
//! A rule is `VERB RESOURCE[/NAME] [#FIRST[..[LAST]]] [%EVERY] [for DURATION]: ACTION`. Requests that match are counted
//! from 1; without `#` the first one is meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use serde::{Deserialize, Serialize};

use super::request::Asked;

/// Which requests, or events of watches, and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// A verb of [`Asked`], `write` for all that change something, `read` for all others, `any`; `event` for what a
    /// watch shows.
    pub verb: String,
    /// Resource, with a subresource after a dot; `*` for any.
    pub resource: String,
    /// Name of the object.
    pub name: Option<String>,
    /// The first one that counts, from 1.
    pub first: usize,
    /// The last one; `None`: no end.
    pub last: Option<usize>,
    /// Only every so manieth.
    pub every: usize,
    /// Only for so long after the first one.
    pub lasting: Option<Duration>,
    /// What happens.
    pub action: Action,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It reaches the API server late.
    Delay(Duration),
    /// It does not reach the API server; the connection breaks.
    Reset,
    /// It reaches the API server; the connection breaks before the answer.
    DropAnswer,
    /// It does not reach the API server; this is the answer.
    Answer {
        /// HTTP status.
        code: u16,
        /// Header `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// It does not reach the API server, and there is never an answer.
    Hang,
    /// Half of the answer arrives, then the connection breaks.
    Truncate,
    /// The operator is killed before it reaches the API server, and started again.
    KillBefore,
    /// The operator is killed before the answer arrives, and started again.
    KillAfter,
    /// The operator's process stands still for a while, as on a machine that hangs; then the request goes on.
    PauseBefore(Duration),
    /// The same after the API server has answered.
    PauseAfter(Duration),
    /// As killed after it, and for a while the new one sees the cluster as it was before the request.
    Stale(Duration),
    /// All connections go silent without being closed; new ones work.
    HalfOpen,
    /// Somebody does something before it reaches the API server.
    Before(Deed),
    /// Somebody does something before the answer arrives.
    After(Deed),
    /// The watch ends before the event.
    Cut,
    /// The watch breaks in the middle of the event.
    Break,
    /// Instead of the event the watch says that its resource version is too old.
    Gone,
    /// The watch shows neither the event nor anything else, for a while or for ever.
    Freeze(Option<Duration>),
    /// The watch pauses until there is another event about the same object, and this one is skipped: as if the watch
    /// had been away meanwhile.
    Coalesce,
    /// The event is lost, which no API server does.
    Lose,
}

/// What people and other controllers do at a bad moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Deletes the service account `app` and creates it again.
    RecreateAccount,
    /// Deletes the Deployment `app` and creates it again.
    RecreateDeployment,
    /// Scales the Deployment `app` to 3.
    Scale,
    /// Changes the label of the Deployment `app`: a new resource version, and nothing that matters.
    Touch,
    /// Deletes all pods.
    DeletePods,
    /// Takes the role from the service account `app`.
    StripAccount,
    /// Takes our annotation from the pod template of the Deployment `app`, as an apply of a whole object does.
    UnrollDeployment,
    /// Compacts etcd, and restarts the API server so that it forgets what it remembers: resource versions are too old.
    Compact,
    /// Kills the API server with SIGKILL and starts it again.
    RestartApiServer,
    /// Kills etcd with SIGKILL and starts it again.
    RestartEtcd,
    /// Takes the injection away.
    RemoveInjection,
    /// Gives the injection back.
    InstallInjection,
    /// Somebody who is none of the operators takes the lease, and is not heard of again.
    StealLease,
    /// Deletes the lease.
    DeleteLease,
}

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

impl Rule {
    /// The first request of this kind.
    pub fn new(verb: &str, resource: &str, name: Option<&str>, first: usize, action: Action) -> Self {
        Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
            first,
            last: Some(first),
            every: 1,
            lasting: None,
            action,
        }
    }

    /// Whether it is about requests like this one, whatever their number.
    pub fn is_about(&self, asked: &Asked) -> bool {
        let verb = match self.verb.as_str() {
            "any" => true,
            "write" => asked.is_write(),
            "read" => !asked.is_write(),
            verb => verb == asked.verb,
        };
        verb && self.names(&asked.resource, &asked.name)
    }

    /// Whether it is about events of this object.
    pub fn is_about_event(&self, resource: &str, name: &str) -> bool {
        self.verb == "event" && self.names(resource, name)
    }

    fn names(&self, resource: &str, name: &str) -> bool {
        (self.resource == "*" || self.resource == resource) && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }

    /// Whether the `count`th that it is about is meant.
    pub fn counts(&self, count: usize) -> bool {
        count >= self.first
            && self.last.is_none_or(|last| count <= last)
            && (count - self.first).is_multiple_of(self.every)
    }
}

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

impl Deed {
    /// Whether it bears on more than one namespace.
    pub fn is_global(self) -> bool {
        matches!(
            self,
            Self::Compact | Self::RestartApiServer | Self::RestartEtcd | Self::RemoveInjection | Self::InstallInjection
        )
    }
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

    #[test]
    fn the_number_of_a_request_decides() {
        let counts = |text: &str| {
            let rule: Rule = text.parse().unwrap_or_else(|error| panic!("{error:#}"));
            (1..=7).filter(|count| rule.counts(*count)).collect::<Vec<_>>()
        };
        assert_eq!(counts("write *: reset"), [1]);
        assert_eq!(counts("write * #3: reset"), [3]);
        assert_eq!(counts("write * #2..4: reset"), [2, 3, 4]);
        assert_eq!(counts("write * #2.. %3: reset"), [2, 5]);
    }
}
