//! Completes flags and names with what only the cluster or the kubeconfig knows.

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::http::connection::{AnswerTime, Connection, Options, connect, contexts as known_contexts};
use podidentity_cluster::read::ReadError;
use podidentity_core::objects::{DaemonSet, Deployment, ObservedAccount, ObservedPod, Rollout, StatefulSet};

use super::{TargetKind, USER_AGENT};

/// The time limit, because nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_secs(3);
/// The kinds that a name may begin with.
const KINDS: [&str; 7] = ["pib/", "sa/", "deploy/", "sts/", "ds/", "rollout/", "pod/"];

/// Names of contexts.
pub(crate) fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let kubeconfig = said(&["--kubeconfig"]);
        matching(current, known_contexts(kubeconfig.as_deref().map(std::path::Path::new)))
    })
}

/// Names of namespaces.
pub(crate) fn namespaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = asked(async |connection| connection.lister(None).namespace_names().await);
        matching(current, names)
    })
}

/// Completes `KIND/NAME`, and names of the default kind.
pub(crate) fn objects(default: Option<TargetKind>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let word = current.to_string_lossy();
        let Some((prefix, _)) = word.split_once('/') else {
            let kinds = KINDS.iter().map(|kind| (*kind).to_owned());
            let names = default.map(|kind| names(kind.short())).unwrap_or_default();
            return matching(current, names.into_iter().chain(kinds).collect());
        };
        let names = names(prefix).into_iter().map(|name| format!("{prefix}/{name}"));
        matching(current, names.collect())
    })
}

/// The names of the objects of a kind, in the namespace from the command line or else from the
/// context.
fn names(kind: &str) -> Vec<String> {
    let kind = kind.to_owned();
    asked(async |connection| {
        let namespace = said(&["-n", "--namespace"]).unwrap_or_else(|| connection.namespace.clone());
        let lister = connection.lister(Some(&namespace));
        let found = match kind.as_str() {
            "pib" => lister.selected::<PodIdentityBinding>("podidentitybindings", "").await,
            "sa" => lister.selected::<ObservedAccount>("serviceaccounts", "").await,
            "deploy" => lister.selected::<Deployment>("deployments", "").await,
            "sts" => lister.selected::<StatefulSet>("statefulsets", "").await,
            "ds" => lister.selected::<DaemonSet>("daemonsets", "").await,
            "rollout" => lister.selected::<Rollout>("rollouts", "").await,
            "pod" => lister.selected::<ObservedPod>("pods", "").await,
            _ => Ok(Vec::new()),
        };
        Ok(found?.into_iter().map(|(_, name)| name).collect())
    })
}

/// The answer of the cluster. Empty if the cluster does not answer.
fn asked(question: impl AsyncFnOnce(&Connection) -> Result<Vec<String>, ReadError>) -> Vec<String> {
    let options = Options {
        kubeconfig: said(&["--kubeconfig"]).map(Into::into),
        context: said(&["--context"]),
        answers: AnswerTime::AtMost(PATIENCE),
        user_agent: USER_AGENT.to_owned(),
        ..Options::default()
    };
    let work = async {
        let connection = connect(&options).await.ok()?;
        tokio::time::timeout(PATIENCE, question(&connection)).await.ok()?.ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.ok().and_then(|runtime| runtime.block_on(work)).unwrap_or_default()
}

/// The value of a flag on the command line that is being completed. Reads the raw words, because an
/// unfinished command line may be invalid.
fn said(flags: &[&str]) -> Option<String> {
    value_of(flags, std::env::args_os().map(|word| word.to_string_lossy().into_owned()))
}

fn value_of(flags: &[&str], words: impl Iterator<Item = String>) -> Option<String> {
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        if flags.contains(&word.as_str()) {
            return words.peek().filter(|value| !value.is_empty()).cloned();
        }
        if let Some((flag, value)) = word.split_once('=')
            && flags.contains(&flag)
        {
            return Some(value.to_owned());
        }
    }
    None
}

fn matching(current: &OsStr, mut names: Vec<String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    names.sort();
    names.into_iter().filter(|name| name.starts_with(&*current)).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_an_unfinished_line() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
        let namespace = ["-n", "--namespace"];
        assert_eq!(value_of(&namespace, words("x status -n shop we")).as_deref(), Some("shop"));
        assert_eq!(value_of(&namespace, words("x status --namespace=shop we")).as_deref(), Some("shop"));
        assert_eq!(value_of(&namespace, words("x status we")), None);
        assert_eq!(value_of(&namespace, words("x status -n")), None);
    }
}
