//! Messages about problems with the credentials of an EKS Pod Identity association.

use super::{Described, Words, acts_as};
use crate::foreign::shown;
use crate::injection::{AGENT_URIS, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, ROLE_ARN, SKIP_CONTAINERS, TOKEN_FILE};
use crate::objects::Container;
use crate::verify::association::RELATIVE_URI;
use crate::verify::env::{Env, Seen};

impl Words<'_> {
    /// What to do: restart the workload, change its template, or delete a pod that has none.
    fn action(&self, restart_cures: bool, by_template: impl FnOnce() -> String, by_deletion: &str) -> String {
        if restart_cures {
            "Restart the workload once the service account has an association.".to_owned()
        } else if self.has_template {
            by_template()
        } else {
            by_deletion.to_owned()
        }
    }

    /// The container has neither the association's credentials nor a web identity.
    pub(super) fn no_association(&self, container: &Container, restart_cures: bool) -> Described {
        let by_template = || {
            format!(
                "The workload's template as it is would not give this container the credentials: look at its env, labels \
                 and annotations; if something else adds the container, or it needs no role, name it in the pod's \
                 annotation {}.",
                self.settings.key(SKIP_CONTAINERS)
            )
        };
        let by_deletion = "Delete the pod once the service account has an association: one that is created anew gets the credentials.";
        let action = self.action(restart_cures, by_template, by_deletion);
        let [uri, file] = self.expected.variables();
        let opaque = !Env::of(container).opaque_sources(&[uri, file]).is_empty();
        let opaque = if opaque { ", unless envFrom does, which cannot be seen" } else { "" };
        let seen = format!(
            "has no credentials of EKS Pod Identity: {uri} and {file} are not set{opaque}; the pod is older than the \
             association of its service account, or the cluster has no such association. {}",
            self.without_role(container)
        );
        (seen, action)
    }

    /// The container has a web identity, which SDKs take first.
    pub(super) fn web_identity(&self, role: &Seen, beside: bool, restart_cures: bool) -> Described {
        let seen = if role.is_unset() {
            return self.token_file_alone(restart_cures);
        } else if beside {
            "has a web identity (IRSA) beside the credentials of EKS Pod Identity, and SDKs take the web identity"
        } else {
            "has a web identity (IRSA); wanted are credentials of EKS Pod Identity"
        };
        let by_template = || format!("Remove {ROLE_ARN} and {TOKEN_FILE} from the pod's template.");
        let by_deletion = "Delete the pod once the service account has an association.";
        let action = self.action(restart_cures, by_template, by_deletion);
        (format!("{seen}. {}", acts_as(role)), action)
    }

    /// The container names a token file and no role, which stops some SDKs.
    fn token_file_alone(&self, restart_cures: bool) -> Described {
        let by_template = || format!("Remove {TOKEN_FILE} from the pod's template.");
        let action = self.action(restart_cures, by_template, "Delete the pod, and create it without the variable.");
        let seen = format!(
            "sets {TOKEN_FILE} without {ROLE_ARN}. Some SDKs, those for Go and Python among them, fail at that before they \
             ask the agent of EKS Pod Identity."
        );
        (seen, action)
    }

    /// The container names an agent of Amazon ECS, which SDKs ask first.
    pub(super) fn relative_uri() -> Described {
        (
            format!(
                "sets {RELATIVE_URI}, which SDKs take before {CREDENTIALS_URI}: the agent of Amazon ECS. Meanwhile its AWS \
                 calls fail."
            ),
            format!("Remove {RELATIVE_URI} from the pod's template."),
        )
    }

    /// The credentials do not come from the agent.
    pub(super) fn credentials_uri(seen: &Seen) -> Described {
        let what = match seen {
            Seen::Known(uri) => format!("asks {} for its credentials", shown(uri)),
            Seen::Unknown(source) => format!("takes {CREDENTIALS_URI} from {}, which cannot be seen", shown(source)),
            Seen::Absent => format!("does not set {CREDENTIALS_URI}"),
        };
        (
            format!(
                "{what}; the agent of EKS Pod Identity is at {} or {}. Meanwhile its AWS calls fail, or act as whatever role \
                 it is given there.",
                AGENT_URIS[0], AGENT_URIS[1]
            ),
            match seen {
                Seen::Absent => format!(
                    "Remove {AUTHORIZATION_TOKEN_FILE} from the pod's template: either variable keeps the webhook from setting \
                     the other."
                ),
                Seen::Known(_) | Seen::Unknown(_) => {
                    format!("Remove {CREDENTIALS_URI} from the pod's template, so that the webhook sets it.")
                }
            },
        )
    }
}
