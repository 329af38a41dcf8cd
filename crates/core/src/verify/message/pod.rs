//! Findings about a pod as a whole.

use super::Words;
use crate::finding::{Finding, FindingReason, Severity};
use crate::foreign::{list, shown};
use crate::injection::{AGENT_LABEL, AGENT_VOLUME, ROLE_ARN, SKIP_LABEL, has_agent_volume};
use crate::message::Message;
use crate::objects::Pod;
use crate::verify::association::{CONTAINER_CREDENTIALS, has_credentials};
use crate::verify::env::Env;
use crate::verify::size::{MOST_CONTAINERS, MOST_PARTS};

impl Words<'_> {
    /// Findings about the pod as a whole. `skipped`: whether its label is why a container has no
    /// identity.
    pub(in crate::verify) fn of_pod(&self, skipped: bool) -> Vec<Finding> {
        let host_network = self.pod.spec.host_network == Some(true);
        let all = [
            skipped.then(|| self.webhook_skipped()),
            if self.expected.identity.is_of_association() { self.label_missing() } else { self.pod_identity_active() },
            if host_network { Some(self.node_role_reachable()) } else { self.imds_open() },
        ];
        all.into_iter().flatten().collect()
    }

    /// The only finding about a pod that is not judged.
    pub(in crate::verify) fn too_large(&self) -> Finding {
        let text = format!(
            "is too large to judge: it has more than {MOST_CONTAINERS} containers, or more than {MOST_PARTS} variables, \
             mounts and volumes. So it is not proven to have the role {}.",
            shown(&self.expected.identity.role_arn)
        );
        self.pod_finding(FindingReason::TooLargeToJudge, &text, "Make it smaller.")
    }

    fn webhook_skipped(&self) -> Finding {
        let text = format!(
            "has the label {SKIP_LABEL}, so the webhook leaves it alone and it has no AWS identity. Its AWS calls use the \
             node's role, if the instance metadata service can be reached."
        );
        let action = "Remove the label if it needs the role, or let it run as another service account.";
        self.pod_finding(FindingReason::WebhookSkipped, &text, action)
    }

    fn pod_identity_active(&self) -> Option<Finding> {
        let signs = pod_identity_signs(self.pod);
        let text = format!(
            "has signs of EKS Pod Identity ({}). Containers that get their credentials from it and do not have {ROLE_ARN} \
             act as the association's role, not as {}.",
            list(&signs),
            shown(&self.expected.identity.role_arn)
        );
        let by_association = has_agent_volume(self.pod) || self.pod.metadata.shared.labels.contains_key(AGENT_LABEL);
        let [first, second] = CONTAINER_CREDENTIALS;
        let of_template = format!("Take {first} and {second} out of the pod's template.");
        let action = if by_association {
            "Delete the association, or set spec.mechanism of the binding to PodIdentity."
        } else {
            &of_template
        };
        (!signs.is_empty()).then(|| self.pod_finding(FindingReason::PodIdentityActive, &text, action))
    }

    /// The webhook sets the label together with the variables. Without the label, the variables are
    /// the template's own.
    fn label_missing(&self) -> Option<Finding> {
        let has_label = self.pod.metadata.shared.labels.contains_key(AGENT_LABEL);
        let by_template = !has_label && self.pod.spec.all_containers().any(|it| has_credentials(&Env::of(it)));
        let text = format!(
            "lacks the label {AGENT_LABEL}, which the webhook sets with the variables of EKS Pod Identity: its template sets \
             them itself."
        );
        let action = "Nothing is to be done if the cluster has an association for its service account.";
        by_template.then(|| self.pod_finding(FindingReason::PodIdentityLabelMissing, &text, action))
    }

    fn node_role_reachable(&self) -> Finding {
        let text = "shares the node's network (hostNetwork) and can reach the node's role whatever its own is.";
        let action = "Do without hostNetwork, or keep the node's role minimal.";
        self.pod_finding(FindingReason::NodeRoleReachable, text, action)
    }

    fn imds_open(&self) -> Option<Finding> {
        let text = "can reach the node's role: nothing is known to keep pods of this cluster from the instance metadata \
                    service.";
        let action = "Set its hop limit to 1 on the nodes, or block 169.254.169.254 by a network policy.";
        let finding = || self.pod_finding(FindingReason::NodeRoleReachable, text, action);
        self.settings.imds_open_to_pods.then(|| Finding { severity: Severity::Info, ..finding() })
    }

    fn pod_finding(&self, reason: FindingReason, seen: &str, action: &str) -> Finding {
        Finding {
            severity: reason.about().severity,
            reason,
            object: format!("Pod/{}", shown(self.pod.name())),
            container: None,
            message: Message::new(format!("pod {} {seen}", shown(self.pod.name()))).action(action),
            restart_cures: false,
        }
    }
}

/// The signs of EKS Pod Identity in the pod.
fn pod_identity_signs(pod: &Pod) -> Vec<String> {
    let label = pod.metadata.shared.labels.get(AGENT_LABEL);
    let label = (label.map(String::as_str) == Some("enabled")).then(|| format!("label {AGENT_LABEL}"));
    let volume = has_agent_volume(pod).then(|| format!("volume {AGENT_VOLUME}"));
    let containers = pod.spec.all_containers();
    let containers = containers.filter(|container| {
        let env = Env::of(container);
        CONTAINER_CREDENTIALS.iter().any(|name| !env.get(name).is_unset())
    });
    label.into_iter().chain(volume).chain(containers.map(|container| format!("container {}", container.name))).collect()
}
