//! Completion of names that only the cluster or the kubeconfig knows.

use std::ffi::OsStr;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::cluster::TargetKind;

/// Names of contexts.
pub(crate) fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| matching(current, podidentity_cluster::connect::contexts(None)))
}

/// Names of namespaces.
pub(crate) fn namespaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| matching(current, Vec::new()))
}

/// `KIND/NAME`, and names of the default kind.
pub(crate) fn objects(_default: Option<TargetKind>) -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| matching(current, Vec::new()))
}

fn matching(current: &OsStr, names: Vec<String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    names.into_iter().filter(|name| name.starts_with(&*current)).map(CompletionCandidate::new).collect()
}
