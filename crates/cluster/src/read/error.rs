//! Why a cluster cannot be read, and what the user can do about it.

use std::fmt;

use crate::http::error::{Meaning, message};

/// Why a cluster cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The user lacks permissions.
    #[error("{0}")]
    Forbidden(Missing),
    /// The API server does not know the user.
    #[error("the API server does not accept your credentials: {0}\nLog in again, or choose another --context.")]
    Unauthorized(String),
    /// The selector or another parameter is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// The resource is not served.
    #[error("this cluster does not know {0}: the custom resource is not installed")]
    Absent(String),
    /// The API server does not answer.
    #[error("the API server does not answer: {0}\nIs the cluster up, and is this the right --context?")]
    Unreachable(String),
    /// The answer took too long.
    #[error("the API server took too long to {0}; allow more by --request-timeout")]
    TimedOut(String),
    /// Anything else.
    #[error("cannot {request}: {message}")]
    Other {
        /// For example `list pods`.
        request: String,
        /// What went wrong.
        message: String,
    },
}

/// Rights that the user lacks, all in the same place.
#[derive(Debug)]
pub struct Missing {
    /// The verb, for example `list`, and the resource as a role names it.
    rights: Vec<(&'static str, String)>,
    /// The namespace; `None`: all.
    namespace: Option<String>,
    /// The API server's message for the first of these rights.
    message: String,
}

impl Missing {
    /// Adds the rights of another error if it is `Forbidden`.
    #[must_use]
    pub(super) fn and(mut self, other: Option<ReadError>) -> Self {
        if let Some(ReadError::Forbidden(more)) = other {
            self.rights.extend(more.rights);
        }
        self
    }

    /// The rules of a role that grants the rights, one for each API group and verb.
    fn rules(&self) -> Vec<String> {
        let mut rules: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for (verb, resource) in &self.rights {
            let group = group(resource);
            match rules.iter_mut().find(|known| (known.0, known.1) == (group, verb)) {
                Some(known) => known.2.push(resource),
                None => rules.push((group, verb, vec![resource])),
            }
        }
        let written = |(group, verb, resources): (&str, &str, Vec<&str>)| {
            format!("{{apiGroups: [\"{group}\"], resources: [{}], verbs: [{verb}]}}", resources.join(", "))
        };
        rules.into_iter().map(written).collect()
    }
}

fn group(resource: &str) -> &'static str {
    match resource {
        "podidentitybindings" => "podidentity.dev",
        "deployments" | "statefulsets" | "daemonsets" => "apps",
        "rollouts" => "argoproj.io",
        _ => "",
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.rights.first().map_or("", |(verb, _)| verb);
        let resources: Vec<&str> = self.rights.iter().map(|(_, resource)| resource.as_str()).collect();
        let place = self.namespace.as_ref().map_or("in all namespaces".to_owned(), |it| format!("in namespace {it}"));
        writeln!(f, "you may not {verb} {} {place}: {}", resources.join(", "), self.message)?;
        let kind = if self.namespace.is_some() { "Role" } else { "ClusterRole" };
        let narrower = if self.namespace.is_none() { ", or look at one namespace with -n" } else { "" };
        match &self.rules()[..] {
            [rule] => write!(f, "Ask for a {kind} with {rule}{narrower}."),
            rules => {
                write!(f, "Ask for a {kind} with these rules{narrower}:")?;
                rules.iter().try_for_each(|rule| write!(f, "\n  - {rule}"))
            }
        }
    }
}

impl ReadError {
    /// What an error of the client means for a list or a watch.
    pub(crate) fn of(error: &kube::Error, verb: &'static str, resource: &str, namespace: Option<&str>) -> Self {
        let request = || format!("{verb} {resource}");
        let message = || message(error);
        match Meaning::of(error) {
            Meaning::Forbidden => {
                let rights = vec![(verb, resource.to_owned())];
                Self::Forbidden(Missing { rights, namespace: namespace.map(str::to_owned), message: message() })
            }
            Meaning::NotFound => Self::Absent(resource.to_owned()),
            Meaning::NoCredentials | Meaning::Unauthorized => Self::Unauthorized(message()),
            Meaning::BadRequest => Self::BadRequest(message()),
            Meaning::TimedOut => Self::TimedOut(request()),
            Meaning::Unreachable => Self::Unreachable(message()),
            Meaning::Changed
            | Meaning::FieldConflict
            | Meaning::Expired
            | Meaning::Overloaded
            | Meaning::StoredInvalid
            | Meaning::Undeclared
            | Meaning::TooLarge
            | Meaning::Refused
            | Meaning::Other => Self::Other { request: request(), message: message() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(resources: &[&str], namespace: Option<&str>) -> Missing {
        let rights = resources.iter().map(|resource| ("list", (*resource).to_owned())).collect();
        Missing { rights, namespace: namespace.map(str::to_owned), message: "no".to_owned() }
    }

    #[test]
    fn a_missing_right_is_named_as_a_role_has_it() {
        let text = missing(&["deployments"], None).to_string();
        assert!(text.starts_with("you may not list deployments in all namespaces: no\n"), "{text}");
        assert!(text.contains(r#"ClusterRole with {apiGroups: ["apps"], resources: [deployments], verbs: [list]}"#));
        assert!(text.ends_with("or look at one namespace with -n."));
    }

    #[test]
    fn all_missing_rights_are_named_in_one_go() {
        let pods = ReadError::Forbidden(missing(&["pods"], Some("shop")));
        let others = missing(&["serviceaccounts", "deployments", "statefulsets"], Some("shop"));
        let text = others.and(Some(pods)).to_string();
        let expected = "\
you may not list serviceaccounts, deployments, statefulsets, pods in namespace shop: no
Ask for a Role with these rules:
  - {apiGroups: [\"\"], resources: [serviceaccounts, pods], verbs: [list]}
  - {apiGroups: [\"apps\"], resources: [deployments, statefulsets], verbs: [list]}";
        assert_eq!(text, expected);
    }
}
