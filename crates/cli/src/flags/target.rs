//! Objects that the user names on the command line: `KIND/NAME`, or `KIND NAME`.

use std::fmt;

/// The kinds of objects that a command accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TargetKind {
    Binding,
    ServiceAccount,
    Pod,
    /// A workload, with its kind as Kubernetes spells it.
    Workload(&'static str),
}

/// The kinds, and the spellings that kubectl accepts for each. The output uses the first spelling.
const KINDS: &[(TargetKind, &[&str])] = &[
    (TargetKind::Binding, &["pib", "podidentitybinding", "podidentitybindings", "podidentitybindings.podidentity.dev"]),
    (TargetKind::ServiceAccount, &["sa", "serviceaccount", "serviceaccounts"]),
    (TargetKind::Pod, &["pod", "pods", "po"]),
    (
        TargetKind::Workload("Deployment"),
        &["deploy", "deployment", "deployments", "deployment.apps", "deployments.apps"],
    ),
    (
        TargetKind::Workload("StatefulSet"),
        &["sts", "statefulset", "statefulsets", "statefulset.apps", "statefulsets.apps"],
    ),
    (TargetKind::Workload("DaemonSet"), &["ds", "daemonset", "daemonsets", "daemonset.apps", "daemonsets.apps"]),
    (TargetKind::Workload("Rollout"), &["ro", "rollout", "rollouts", "rollouts.argoproj.io"]),
    (TargetKind::Workload("Job"), &["job", "jobs", "jobs.batch"]),
    (TargetKind::Workload("ReplicaSet"), &["rs", "replicaset", "replicasets", "replicasets.apps"]),
];

impl TargetKind {
    /// The spelling that the output uses and that kubectl accepts.
    pub(crate) fn short(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, names)| names[0])
    }

    /// The kind as Kubernetes spells it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Binding => "PodIdentityBinding",
            Self::ServiceAccount => "ServiceAccount",
            Self::Pod => "Pod",
            Self::Workload(kind) => kind,
        }
    }
}

/// A requested object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    pub(crate) name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.short(), self.name)
    }
}

/// Parses the words of a command line. A name without a kind has the kind `default`. Without a
/// default, such a name is an error.
pub(crate) fn parse(words: &[String], default: Option<TargetKind>) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let mut words = words.iter();
    let mut kind = None;
    while let Some(word) = words.next() {
        let (of, name) = match (word.split_once('/'), kind) {
            (Some((kind, name)), _) => (known(kind)?, name),
            (None, Some(kind)) => (kind, word.as_str()),
            (None, None) => match (known(word), default) {
                // `pod web`: the kind applies to all names that follow.
                (Ok(of), _) if words.len() > 0 => {
                    kind = Some(of);
                    continue;
                }
                (Ok(_), None) => return Err(format!("{word} needs a name: write {word}/NAME")),
                (_, Some(default)) => (default, word.as_str()),
                (Err(_), None) if words.len() == 0 => {
                    return Err(format!("write its kind as well: pib/{word}, deploy/{word}, pod/{word} or sa/{word}"));
                }
                (Err(error), None) => return Err(error),
            },
        };
        if name.is_empty() {
            return Err(format!("{word} has no name: write KIND/NAME"));
        }
        targets.push(Target { kind: of, name: name.to_owned() });
    }
    Ok(targets)
}

fn known(word: &str) -> Result<TargetKind, String> {
    let lower = word.to_lowercase();
    let found = KINDS.iter().find(|(_, names)| names.contains(&lower.as_str()));
    found.map(|(kind, _)| *kind).ok_or_else(|| {
        format!("{word:?} is no kind that is known here: write pod/NAME, deploy/NAME, sts/NAME, ds/NAME, rollout/NAME, sa/NAME or pib/NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], default: Option<TargetKind>) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let targets = parse(&words, default)?;
        Ok(targets.iter().map(Target::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn objects_are_named_as_kubectl_takes_them() {
        assert_eq!(read(&["pod/web"], None).unwrap(), "pod/web");
        assert_eq!(read(&["deployments.apps/web", "Pod/x"], None).unwrap(), "deploy/web pod/x");
        assert_eq!(read(&["pod", "a", "b"], None).unwrap(), "pod/a pod/b");
        assert_eq!(read(&["web", "sa/x"], Some(TargetKind::Binding)).unwrap(), "pib/web sa/x");
        assert_eq!(read(&["pod"], Some(TargetKind::Binding)).unwrap(), "pib/pod");
    }

    #[test]
    fn what_is_not_understood_is_told_with_advice() {
        assert!(read(&["web"], None).unwrap_err().contains("pib/web, deploy/web"));
        assert!(read(&["svc/web"], None).unwrap_err().contains("is no kind"));
        assert!(read(&["pod"], None).unwrap_err().contains("pod/NAME"));
        assert!(read(&["pod/"], None).unwrap_err().contains("has no name"));
    }
}
