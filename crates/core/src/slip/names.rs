//! Names of service accounts that lead nowhere: one that does not exist, and one that nothing runs as.

use std::fmt::Write as _;

use super::{At, Slip, SlipReason};
use crate::finding::Severity;
use crate::foreign::shown;
use crate::likeness::{alike, is_slip};

/// The rule behind every advice about another namespace.
const OWN_NAMESPACE: &str = "A pod takes the service account of its own namespace";

/// What names a service account, as `Kind/name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namer<'a> {
    /// A pod, or an object that creates pods.
    Workload(&'a str),
    /// A binding, which gives a role to whatever runs as the service account.
    Binding(&'a str),
}

impl<'a> Namer<'a> {
    fn title(self) -> &'a str {
        match self {
            Self::Workload(title) | Self::Binding(title) => title,
        }
    }
}

/// Where a service account that does not exist may be instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameMatches {
    /// Similar names in the same namespace.
    pub alike: Vec<String>,
    /// Other namespaces that have a service account with the name.
    pub namespaces: Vec<String>,
    /// Whether a manifest has a service account with the name, but names no namespace.
    pub unplaced: bool,
    /// A workload of the same namespace that runs as a similar name, and that name.
    pub runs_as: Option<(String, String)>,
}

impl NameMatches {
    /// Searches known service accounts, each given as namespace and name. An empty namespace is
    /// that of a manifest that names none.
    pub fn among<'a>(namespace: &str, name: &str, known: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let here = known.clone().filter(|(at, other)| *at == namespace && *other != "default").map(|(_, other)| other);
        let elsewhere = known.filter(|(at, other)| *at != namespace && *other == name).map(|(at, _)| at.to_owned());
        let (unplaced, mut namespaces): (Vec<String>, Vec<String>) = elsewhere.partition(String::is_empty);
        namespaces.sort();
        namespaces.dedup();
        Self {
            alike: alike(name, here).into_iter().map(str::to_owned).collect(),
            namespaces,
            unplaced: !unplaced.is_empty(),
            runs_as: None,
        }
    }

    /// Adds the workloads of the namespace, each with the name of the service account it runs as.
    #[must_use]
    pub fn with_workloads<'a>(self, name: &str, mut runs: impl Iterator<Item = (String, &'a str)>) -> Self {
        let like = runs.find(|(_, account)| *account != "default" && *account != name && is_slip(name, account));
        Self { runs_as: like.map(|(workload, account)| (workload, account.to_owned())), ..self }
    }

    /// The intended name, if a known name differs only by a slip.
    pub fn meant(&self, name: &str) -> Option<&str> {
        self.alike.iter().map(String::as_str).find(|other| is_slip(name, other))
    }
}

/// A service account does not exist. `among`: where it was looked up, for example `in the cluster`.
pub fn not_found(namer: Namer<'_>, namespace: Option<&str>, name: &str, elsewhere: &NameMatches, among: &str) -> Slip {
    let here = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    if let (Namer::Workload(title), false) = (namer, is_name(name)) {
        return impossible(title, name);
    }
    let mut seen = format!("{} names the service account {name}, which is not {among}{here}", namer.title());
    let likely = likely(namer, namespace, name, elsewhere);
    let severity = if likely.is_some() { Severity::Warning } else { Severity::Info };
    let next = if let Some((there, next)) = likely {
        let _ = write!(seen, "; {there}");
        next
    } else if elsewhere.alike.is_empty() {
        format!("Create it{here}, or correct the name; until it is there no pod is created.")
    } else {
        format!("Create it{here}, or correct the name: there is {}.", elsewhere.alike.join(", "))
    };
    seen.push('.');
    Slip::new(SlipReason::ServiceAccountNotFound, At::Object, seen, next).severity(severity)
}

/// Whether a service account can have the name: a DNS subdomain.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().all(|byte| is_allowed(byte) || byte == b'-')
            && [label.bytes().next(), label.bytes().last()].into_iter().all(|end| end.is_some_and(is_allowed))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A name that no service account can have.
fn impossible(title: &str, name: &str) -> Slip {
    let seen = format!("{title} names the service account \"{}\", a name that Kubernetes refuses.", shown(name));
    let last = name.rsplit(['/', ':']).next().filter(|last| is_name(last) && *last != name);
    let next = match last {
        _ if name.starts_with("arn:") => {
            "Write the name of a service account, and annotate or bind that with the role.".to_owned()
        }
        Some(last) => format!("Write the name alone: {last}."),
        None => "Write lower case letters, digits, - and . alone.".to_owned(),
    };
    Slip::new(SlipReason::ServiceAccountNotFound, At::Object, seen, next).severity(Severity::Error)
}

/// The service account that is probably meant, and what to do.
fn likely(namer: Namer<'_>, namespace: Option<&str>, name: &str, elsewhere: &NameMatches) -> Option<(String, String)> {
    if let Some(meant) = elsewhere.meant(name) {
        return Some((format!("{meant} is"), format!("Correct the name: did you mean {meant}?")));
    }
    if let Some((workload, meant)) = &elsewhere.runs_as {
        return Some((format!("{workload} runs as {meant}"), format!("Correct the name: did you mean {meant}?")));
    }
    if let (Some(namespace), true) = (namespace, elsewhere.unplaced) {
        let there = "one of that name names no namespace".to_owned();
        let next = format!(
            "Write namespace: {namespace} in the manifest of the service account, or give -n {namespace}, the namespace of \
             manifests that name none."
        );
        return Some((there, next));
    }
    let first = elsewhere.namespaces.first()?;
    let there = format!("one of that name is in {}", elsewhere.namespaces.join(", "));
    let title = namer.title();
    let next = match (namespace, namer) {
        (None, _) => {
            format!("{title} names no namespace: write namespace: {first} in its manifest, or give -n {first}.")
        }
        (Some(namespace), Namer::Workload(_)) => format!(
            "{OWN_NAMESPACE}: create it in namespace {namespace}, annotation included, or move the workload to {first}."
        ),
        (Some(_), Namer::Binding(_)) => {
            format!("A binding names a service account of its own namespace: move {title} to {first}.")
        }
    };
    Some((there, next))
}

/// A workload that probably should run as a service account, but does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgot<'a> {
    /// The workload, as `Kind/name`.
    pub workload: &'a str,
    /// The workload's namespace, if it is not that of the service account.
    pub namespace: Option<&'a str>,
    /// Whether it names a service account: the one of that name in its own namespace.
    pub names_it: bool,
}

/// A service account has a role, but nothing runs as it.
pub fn unused(name: &str, forgot: Option<Forgot<'_>>) -> Slip {
    let Some(Forgot { workload, namespace, names_it }) = forgot else {
        return Slip::new(
            SlipReason::ServiceAccountUnused,
            At::Object,
            format!("no workload among the files runs as {name}."),
            "If one is to, set serviceAccountName in its pod template.".to_owned(),
        );
    };
    let set = format!("set serviceAccountName: {name} in the pod template of {workload}.");
    let (seen, next) = match namespace {
        None => (format!("nothing runs as {name}; {workload} runs as default."), format!("S{}", &set[1..])),
        Some(namespace) if names_it => (
            format!(
                "nothing runs as this {name}; {workload} in namespace {namespace} runs as the {name} of its own \
                 namespace, which has no role."
            ),
            format!("{OWN_NAMESPACE}: give the {name} of namespace {namespace} the role, or move {workload}."),
        ),
        Some(namespace) => (
            format!("nothing runs as {name}; {workload} in namespace {namespace} runs as default."),
            format!("{OWN_NAMESPACE}: create {name} in namespace {namespace}, annotation included, and {set}"),
        ),
    };
    Slip::new(SlipReason::ServiceAccountUnused, At::Object, seen, next).severity(Severity::Warning)
}
