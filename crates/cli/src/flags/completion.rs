//! Completion in shells, with names that only the cluster or the kubeconfig knows.
//!
//! ```text
//! kubectl-podidentity: the shell asks the program itself, by clap's engine (COMPLETE=bash|zsh|fish)
//! kubectl podidentity: kubectl asks kubectl_complete-podidentity, which asks `__complete`
//! ```

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::time::Duration;

use clap::{Args, CommandFactory as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::connect::{Connection, Options, connect, contexts as known_contexts};
use podidentity_cluster::read::ReadError;
use podidentity_core::objects::{DaemonSet, Deployment, ObservedAccount, ObservedPod, Rollout, StatefulSet};

use crate::cluster::{Failure, TargetKind, USER_AGENT, block_on};
use crate::exit::Exit;

/// Nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a name may begin with.
const KINDS: [&str; 7] = ["pib/", "sa/", "deploy/", "sts/", "ds/", "rollout/", "pod/"];

/// What kubectl asks: the words after `kubectl podidentity`, of which the last is being typed.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Answers kubectl, in the way of cobra: candidates, and then what the shell is to do.
pub(crate) fn run(args: &CompleteArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut words = vec![OsString::from("kubectl-podidentity")];
    words.extend(args.words.iter().cloned());
    if args.words.is_empty() {
        words.push(OsString::new());
    }
    let last = words.len() - 1;
    let candidates = complete(&mut crate::args::Cli::command(), words, last, None)?;
    let mut open = false;
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        open |= value.ends_with('/');
        match candidate.get_help() {
            Some(help) => writeln!(out, "{value}\t{}", help.to_string().lines().next().unwrap_or_default())?,
            None => writeln!(out, "{value}")?,
        }
    }
    // No files; and no blank behind a kind whose name is still to come.
    writeln!(out, ":{}", if open { 6 } else { 4 })?;
    Ok(Exit::Ok)
}

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

/// `KIND/NAME`, and names of the default kind.
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

/// The names of a kind in the namespace that the command line names, or in that of the context.
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

/// What the cluster answers; nothing if it does not.
fn asked(question: impl AsyncFnOnce(&Connection) -> Result<Vec<String>, ReadError>) -> Vec<String> {
    let options = Options {
        kubeconfig: said(&["--kubeconfig"]).map(Into::into),
        context: said(&["--context"]),
        request_timeout: Some(PATIENCE),
        user_agent: USER_AGENT.to_owned(),
        ..Options::default()
    };
    let work = async {
        let connection = connect(&options).await?;
        let answer = tokio::time::timeout(PATIENCE, question(&connection)).await;
        Ok(answer.map_err(|_| Failure::Other("too late".to_owned()))??)
    };
    block_on(work).unwrap_or_default()
}

/// The value of a flag on the command line that is being completed. It is not parsed yet, and may never be valid.
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

    #[test]
    fn kubectl_is_answered_as_cobra_does() {
        let answer = |words: &[&str]| {
            let words = words.iter().map(OsString::from).collect();
            let mut out = Vec::new();
            run(&CompleteArgs { words }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let commands = answer(&["ver"]);
        assert!(commands.starts_with("verify\tFail unless every pod has its role\n"), "{commands}");
        assert!(commands.ends_with(":4\n"), "{commands}");
        let formats = answer(&["verify", "-o", "ju"]);
        assert!(formats.starts_with("junit"), "{formats}");
        let kinds = answer(&["explain", "de"]);
        assert_eq!(kinds, "deploy/\n:6\n");
    }
}
