//! The language of faults: one line for each rule.
//!
//! ```text
//! patch deployments/app: kill before                the operator dies before its first write to the Deployment
//! patch podidentitybindings.status #2: drop answer  the second status is written, its answer lost
//! any * #1.. %3 for 8s: answer 503                  every third request is refused, for eight seconds
//! watch pods #2..: answer 403                       pods can be watched once, then never again
//! event serviceaccounts/app #2: coalesce            the second change of the account is only seen as part of the third
//! patch podidentitybindings.status #1..: lacks restarts   the installed definition is older than the operator
//! ```
//!
//! A rule is `VERB RESOURCE[/NAME] [#FIRST[..[LAST]]] [%EVERY] [for DURATION]: ACTION`. Matching
//! requests are counted from 1. Without `#`, the rule applies to the first one.

mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Asked;

/// Which requests, or watch events, the rule matches, and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// A verb of [`Asked`], `write` for all that change something, `read` for all others, or `any`;
    /// `event` for watch events.
    pub verb: String,
    /// Resource, with a subresource after a dot; `*` for any.
    pub resource: String,
    /// Name of the object.
    pub name: Option<String>,
    /// The first match that the rule applies to, from 1.
    pub first: usize,
    /// The last match; `None`: no limit.
    pub last: Option<usize>,
    /// Applies only to every n-th match.
    pub every: usize,
    /// Applies only for this long after the first match.
    pub lasting: Option<Duration>,
    /// The action.
    pub action: Action,
}

/// What happens to a request or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The request reaches the API server late.
    Delay(Duration),
    /// The request does not reach the API server; the connection breaks.
    Reset,
    /// The request reaches the API server; the connection breaks before the answer.
    DropAnswer,
    /// The request does not reach the API server; this is the answer.
    Answer {
        /// HTTP status.
        code: u16,
        /// Header `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The definition lacks this field of the status: the API server refuses an apply that has it.
    Lacks(String),
    /// The request does not reach the API server, and there is never an answer.
    Hang,
    /// Half of the answer arrives, then the connection breaks.
    Truncate,
    /// The operator is killed before the request reaches the API server, and started again.
    KillBefore,
    /// The operator is killed before the answer arrives, and started again.
    KillAfter,
    /// The operator's process is suspended for a while, as on a hanging machine; then the request
    /// continues.
    PauseBefore(Duration),
    /// Like `PauseBefore`, but after the API server has answered.
    PauseAfter(Duration),
    /// Like `KillAfter`, and for a while the new operator sees the cluster as it was before the
    /// request.
    Stale(Duration),
    /// All connections go silent without being closed; new ones work.
    HalfOpen,
    /// Another user acts before the request reaches the API server.
    Before(Deed),
    /// Another user acts before the answer arrives.
    After(Deed),
    /// The watch ends before the event.
    Cut,
    /// The watch breaks in the middle of the event.
    Break,
    /// Instead of the event, the watch reports that its resource version is too old.
    Gone,
    /// The watch shows neither the event nor anything else, for a while or forever.
    Freeze(Option<Duration>),
    /// The watch pauses until another event about the same object, and skips this one, as if the
    /// watch had been down in between.
    Coalesce,
    /// The event is lost, which no API server does.
    Lose,
}

/// Actions of people and other controllers at a bad moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Deletes the service account `app` and creates it again.
    RecreateAccount,
    /// Deletes the Deployment `app` and creates it again.
    RecreateDeployment,
    /// Scales the Deployment `app` to 3.
    Scale,
    /// Changes a label of the Deployment `app`: a new resource version without any relevant change.
    Touch,
    /// Deletes all pods.
    DeletePods,
    /// Removes the role from the service account `app`.
    StripAccount,
    /// Removes our annotation from the pod template of the Deployment `app`, as an apply of a whole
    /// object does.
    UnrollDeployment,
    /// Compacts etcd, and restarts the API server so that it drops its cache: resource versions are
    /// too old.
    Compact,
    /// Kills the API server with SIGKILL and starts it again.
    RestartApiServer,
    /// Kills etcd with SIGKILL and starts it again.
    RestartEtcd,
    /// Removes the injection.
    RemoveInjection,
    /// Installs the injection again.
    InstallInjection,
    /// A holder that is none of the operators takes the lease and never renews it.
    StealLease,
    /// Deletes the lease.
    DeleteLease,
}

impl Rule {
    /// A rule for the request with this ordinal.
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

    /// Whether the rule is about requests like this one, whatever their ordinal.
    pub fn is_about(&self, asked: &Asked) -> bool {
        let verb = match self.verb.as_str() {
            "any" => true,
            "write" => asked.is_write(),
            "read" => !asked.is_write(),
            verb => verb == asked.verb,
        };
        verb && self.names(&asked.resource, &asked.name)
    }

    /// Whether the rule is about events of this object.
    pub fn is_about_event(&self, resource: &str, name: &str) -> bool {
        self.verb == "event" && self.names(resource, name)
    }

    fn names(&self, resource: &str, name: &str) -> bool {
        (self.resource == "*" || self.resource == resource) && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }

    /// Whether the rule applies to the match with this ordinal.
    pub fn counts(&self, count: usize) -> bool {
        count >= self.first
            && self.last.is_none_or(|last| count <= last)
            && (count - self.first).is_multiple_of(self.every)
    }
}

impl Deed {
    /// Whether the action affects more than one namespace.
    pub fn is_global(self) -> bool {
        matches!(
            self,
            Self::Compact | Self::RestartApiServer | Self::RestartEtcd | Self::RemoveInjection | Self::InstallInjection
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
