//! What kind of field manager a name stands for: whether it will write the annotation again.

/// Kinds of field managers that write annotations of service accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerKind {
    /// A person or a script that writes once.
    Once,
    /// The restore of a backup, which writes once.
    Restore,
    /// A tool that applies a stored state: it writes again the next time that it runs.
    Applies,
    /// A controller that reconciles the cluster with a source all the time.
    Controller,
    /// Anything else.
    Unknown,
}

/// Parts of manager names, in lower case, in the order in which they are searched for.
const KNOWN: &[(&str, ManagerKind)] = &[
    ("velero", ManagerKind::Restore),
    ("kasten", ManagerKind::Restore),
    ("k10", ManagerKind::Restore),
    ("terraform", ManagerKind::Applies),
    ("hashicorp", ManagerKind::Applies),
    ("opentofu", ManagerKind::Applies),
    ("pulumi", ManagerKind::Applies),
    ("helm", ManagerKind::Applies),
    ("eksctl", ManagerKind::Once),
    ("argocd", ManagerKind::Controller),
    ("kustomize-controller", ManagerKind::Controller),
    ("fluxcd", ManagerKind::Controller),
    ("rancher", ManagerKind::Controller),
    ("fleet", ManagerKind::Controller),
    // Fields from before the first server-side apply, and kubectl's own commands.
    ("before-first-apply", ManagerKind::Once),
    ("kubectl-client-side-apply", ManagerKind::Applies),
    ("kubectl", ManagerKind::Once),
    ("oc", ManagerKind::Once),
    ("python-requests", ManagerKind::Once),
    ("curl", ManagerKind::Once),
];

impl ManagerKind {
    /// The kind of the manager with this name in `managedFields`.
    #[must_use]
    pub fn of(manager: &str) -> Self {
        let manager = manager.to_lowercase();
        // The name of `kubectl apply --server-side`: whoever applies a manifest applies it again.
        if manager == "kubectl" {
            return Self::Applies;
        }
        let matches = |part: &str| {
            let words = manager.split(|c: char| !c.is_alphanumeric());
            if part.len() <= 3 { words.into_iter().any(|word| word == part) } else { manager.contains(part) }
        };
        KNOWN.iter().find(|(part, _)| matches(part)).map_or(Self::Unknown, |(_, kind)| *kind)
    }

    /// How to give the annotation to the binding. `policy` is the value of `onConflict` that takes
    /// the annotation over.
    #[must_use]
    pub fn advice(self, policy: &str) -> String {
        match self {
            Self::Once => format!(
                "it was probably written once, by hand or by a script; set onConflict: {policy} to let the binding have it"
            ),
            Self::Restore => format!(
                "it probably comes from the restore of a backup, which writes once; set onConflict: {policy} to let the \
                 binding have it"
            ),
            Self::Applies => format!(
                "that tool probably writes it again when it is run; remove the annotation from its source, then set \
                 onConflict: {policy} to let the binding have it"
            ),
            Self::Controller => {
                "that controller writes it again at once; remove the annotation from its source, and it gives the \
                 annotation up"
                    .to_owned()
            }
            Self::Unknown => format!("remove it there, or set onConflict: {policy} to let the binding have it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_known_by_their_names() {
        for (name, kind) in [
            ("kubectl-annotate", ManagerKind::Once),
            ("before-first-apply", ManagerKind::Once),
            ("kubectl-edit", ManagerKind::Once),
            ("eksctl", ManagerKind::Once),
            ("velero-server", ManagerKind::Restore),
            ("Terraform", ManagerKind::Applies),
            ("HashiCorp", ManagerKind::Applies),
            ("helm", ManagerKind::Applies),
            ("kubectl", ManagerKind::Applies),
            ("kubectl-client-side-apply", ManagerKind::Applies),
            ("argocd-controller", ManagerKind::Controller),
            ("kustomize-controller", ManagerKind::Controller),
            ("kubectl-annotate-oc", ManagerKind::Once),
            ("my-controller", ManagerKind::Unknown),
            ("docker", ManagerKind::Unknown),
            ("", ManagerKind::Unknown),
        ] {
            assert_eq!(ManagerKind::of(name), kind, "{name}");
        }
    }
}
