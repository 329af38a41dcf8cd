//! Why a cluster cannot be read, and what to do about it.

use std::error::Error;

/// Why a cluster cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The user lacks a right.
    #[error(
        "you may not {verb} {resource} {}: {message}\n{}",
        place(namespace.as_deref()),
        remedy(verb, resource, namespace.as_deref())
    )]
    Forbidden {
        /// What for, for example `list`.
        verb: &'static str,
        /// The resource, as it is named in a role.
        resource: String,
        /// The namespace; `None`: all.
        namespace: Option<String>,
        /// What the API server said.
        message: String,
    },
    /// The API server does not know the user.
    #[error("the API server does not accept your credentials: {0}\nLog in again, or choose another --context.")]
    Unauthorized(String),
    /// The selector or another parameter is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// The resource is not served.
    #[error("this cluster does not know {0}: the custom resource is not installed")]
    Absent(String),
    /// Nobody answers.
    #[error("the API server does not answer: {0}\nIs the cluster up, and is this the right --context?")]
    Unreachable(String),
    /// The answer took too long.
    #[error("the API server took too long to list {0}; allow more by --request-timeout")]
    TimedOut(String),
    /// Anything else.
    #[error("cannot list {resource}: {message}")]
    Other {
        /// What was listed.
        resource: String,
        /// What went wrong.
        message: String,
    },
}

fn place(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "in all namespaces".to_owned(), |namespace| format!("in namespace {namespace}"))
}

/// What to ask for: the right as it stands in a role.
fn remedy(verb: &str, resource: &str, namespace: Option<&str>) -> String {
    let group = match resource {
        "podidentitybindings" => "podidentity.dev",
        "deployments" | "statefulsets" | "daemonsets" => "apps",
        "rollouts" => "argoproj.io",
        _ => "",
    };
    let role = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let narrower = if namespace.is_none() { ", or look at one namespace with -n" } else { "" };
    format!("Ask for a {role} with {{apiGroups: [\"{group}\"], resources: [{resource}], verbs: [{verb}]}}{narrower}.")
}

impl ReadError {
    /// What an error of the client means for a list.
    pub(crate) fn of(error: kube::Error, verb: &'static str, resource: &str, namespace: Option<&str>) -> Self {
        match error {
            kube::Error::Api(status) => {
                let message = status.message.clone();
                match status.code {
                    403 => {
                        let namespace = namespace.map(str::to_owned);
                        Self::Forbidden { verb, resource: resource.to_owned(), namespace, message }
                    }
                    404 => Self::Absent(resource.to_owned()),
                    401 => Self::Unauthorized(message),
                    400 => Self::BadRequest(message),
                    504 => Self::TimedOut(resource.to_owned()),
                    _ => Self::Other { resource: resource.to_owned(), message },
                }
            }
            kube::Error::Auth(error) => Self::Unauthorized(chain(&error)),
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => {
                let message = chain(&error);
                if message.contains("timed out") || message.contains("deadline") {
                    if message.contains("onnect") {
                        Self::Unreachable(message)
                    } else {
                        Self::TimedOut(resource.to_owned())
                    }
                } else {
                    Self::Unreachable(message)
                }
            }
            error => Self::Other { resource: resource.to_owned(), message: chain(&error) },
        }
    }
}

/// The causes of an error, each once: outer ones often repeat the inner.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_as_a_role_has_it() {
        let error = ReadError::Forbidden {
            verb: "list",
            resource: "deployments".into(),
            namespace: None,
            message: "no".into(),
        };
        let text = error.to_string();
        assert!(text.starts_with("you may not list deployments in all namespaces: no\n"), "{text}");
        assert!(text.contains(r#"ClusterRole with {apiGroups: ["apps"], resources: [deployments], verbs: [list]}"#));
        assert!(text.ends_with("or look at one namespace with -n."));
    }
}
