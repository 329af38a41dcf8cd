//! Messages about problems: what was seen, what was wanted, what the pod does meanwhile, and what
//! to do.

mod association;
mod by_hand;
mod describe;
mod pod;
mod settings;

use jiff::Timestamp;

use super::by_hand::AccountOf;
use super::container::{KEYS, PROFILES, Problem};
use super::env::{Env, Seen};
use crate::arn::RoleArn;
use crate::expectation::Expectation;
use crate::finding::{Finding, FindingReason, Severity};
use crate::foreign::shown;
use crate::injection::{ROLE_ARN, SKIP_CONTAINERS, TOKEN_FILE, Target, VOLUME, token_file};
use crate::message::Message;
use crate::objects::{Container, Pod};
use crate::settings::Settings;

/// What was seen and what it means, and what to do.
type Described = (String, String);

/// The inputs for messages about a pod.
pub(super) struct Words<'a> {
    pub(super) pod: &'a Pod,
    pub(super) expected: &'a Expectation,
    pub(super) settings: &'a Settings,
    pub(super) has_template: bool,
    /// What is known of the service account, if the role is one that only the template names.
    pub(super) account: Option<AccountOf>,
}

impl Words<'_> {
    /// The finding for a problem of a container. `preset`: the template itself sets the wrong role.
    pub(super) fn finding(
        &self,
        problem: &Problem,
        container: &Container,
        preset: bool,
        restart_cures: bool,
    ) -> Finding {
        let reason = self.reason(problem, preset);
        let (seen, action) = match problem {
            Problem::NoIdentity => self.no_identity(reason, container, restart_cures),
            Problem::RoleDiffers(seen) => self.role_differs(seen, preset, restart_cures),
            Problem::NoAssociation => self.no_association(container, restart_cures),
            Problem::WebIdentity { role, beside } => self.web_identity(role, *beside, restart_cures),
            _ => {
                let (seen, action) = self.describe(problem);
                (seen, if restart_cures { Self::restart() } else { action })
            }
        };
        let (seen, action) = self.by_hand(problem, seen, action);
        // A problem that keeps the container from its role is an error, whatever its usual severity
        // is.
        let severity = match reason.about().severity {
            _ if self.is_doubtful(problem) => Severity::Warning,
            _ if problem.is_error() => Severity::Error,
            _ if matches!(problem, Problem::Static { optional: true, .. }) => Severity::Info,
            Severity::Error => Severity::Warning,
            severity => severity,
        };
        Finding {
            severity,
            reason,
            object: format!("Pod/{}", shown(self.pod.name())),
            container: Some(shown(&container.name)),
            message: Message::new(format!(
                "container {} of pod {} {seen}",
                shown(&container.name),
                shown(self.pod.name())
            ))
            .action(action),
            restart_cures,
        }
    }

    /// Whether a wrong role looks injected from an earlier annotation. For pods that have no
    /// template to compare with.
    pub(super) fn was_injected(&self, seen: &Seen, container: &Container) -> bool {
        let Some(role) = seen.known().filter(|role| !role.is_empty()) else {
            return false;
        };
        let file = Env::of(container).get(TOKEN_FILE);
        let injected_file = file.known() == Some(&token_file(&Target::from(self.pod), self.settings));
        let injected_mount = container.volume_mounts.iter().any(|mount| mount.name == VOLUME);
        self.expected.earlier_roles.iter().any(|earlier| earlier == role) || injected_file && injected_mount
    }

    fn reason(&self, problem: &Problem, preset: bool) -> FindingReason {
        match problem {
            Problem::NoIdentity if self.predates() => FindingReason::PodPredatesBinding,
            Problem::NoIdentity => FindingReason::InjectionMissed,
            Problem::PodIdentity => FindingReason::PodIdentityInstead,
            Problem::NoAssociation => FindingReason::PodIdentityMissing,
            Problem::WebIdentity { .. } => FindingReason::WebIdentityInstead,
            Problem::CredentialsUri(_) | Problem::RelativeUri => FindingReason::CredentialsUriMismatch,
            Problem::RoleMissing => FindingReason::RoleEnvMissing,
            Problem::NoArn(_) => FindingReason::RoleEnvPreset,
            Problem::RoleDiffers(_) if preset => FindingReason::RoleEnvPreset,
            Problem::RoleDiffers(_) => FindingReason::StaleRole,
            Problem::TokenFileMissing => FindingReason::TokenEnvMissing,
            Problem::TokenElsewhere { .. } => FindingReason::TokenEnvMismatch,
            Problem::NotMounted { .. } => FindingReason::MountMissing,
            Problem::Foreign { .. } => FindingReason::ForeignTokenVolume,
            Problem::Audience { .. } => FindingReason::AudienceMismatch,
            Problem::Lifetime { .. } => FindingReason::TokenExpirationMismatch,
            Problem::Frozen { .. } => FindingReason::TokenNotRefreshed,
            Problem::StsEndpoint(_) | Problem::StsEndpointUnknown(_) => FindingReason::StsEndpointMismatch,
            Problem::Unreadable { certain: true, .. } => FindingReason::TokenUnreadable,
            Problem::Unreadable { .. } => FindingReason::TokenMayBeUnreadable,
            Problem::ApiServerToken { .. } => FindingReason::ApiServerToken,
            Problem::Linked { .. } => FindingReason::TokenPathLinked,
            Problem::WindowsPath { .. } => FindingReason::TokenPathOfUnix,
            Problem::NoRegion { .. } => FindingReason::RegionMissing,
            Problem::NotARegion { .. } => FindingReason::RegionInvalid,
            Problem::SessionName(_) => FindingReason::SessionNameInvalid,
            Problem::RegionElsewhere { .. } => FindingReason::RegionMismatch,
            Problem::Skipped => FindingReason::ContainerSkipped,
            Problem::SkippedPod => FindingReason::WebhookSkipped,
            Problem::Static { .. } | Problem::OldKeys { .. } | Problem::ProfileFile { .. } => {
                FindingReason::StaticCredentialsShadow
            }
            Problem::Opaque(_) => FindingReason::EnvFromOpaque,
        }
    }

    fn created(&self) -> Option<Timestamp> {
        self.pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// Whether the pod is older than the annotation. Creation times have whole seconds, so a pod
    /// from the same second counts as newer. A pod without a creation time is about to be created.
    fn predates(&self) -> bool {
        match (self.created(), self.expected.annotated_at) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(created), Some(annotated)) => created.as_second() < annotated.as_second(),
        }
    }

    fn no_identity(&self, reason: FindingReason, container: &Container, restart_cures: bool) -> Described {
        let role = shown(&self.expected.identity.role_arn);
        let action = if restart_cures && self.expected.annotated_at.is_none() && !self.expected.listed {
            "Restart the workload once the service account is annotated.".to_owned()
        } else if restart_cures {
            Self::restart()
        } else if self.has_template {
            format!(
                "The workload's template as it is would not give this container the role: look at its env, labels and \
                 annotations; if something else adds the container, or it needs no role, name it in the pod's \
                 annotation {}.",
                self.settings.key(SKIP_CONTAINERS)
            )
        } else {
            "Delete the pod: one that is created anew gets the role.".to_owned()
        };
        let opaque = !Env::of(container).opaque_sources(&[ROLE_ARN, TOKEN_FILE]).is_empty();
        let opaque = if opaque { ", unless envFrom does, which cannot be seen" } else { "" };
        let seen = format!(
            "has no AWS identity: {ROLE_ARN} and {TOKEN_FILE} are not set{opaque}; {}; wanted is {role}. {}",
            self.when(reason),
            self.without_role(container)
        );
        (seen, action)
    }

    /// The order of the pod's creation and the annotation, in words.
    fn when(&self, reason: FindingReason) -> String {
        match (reason, self.created(), self.expected.annotated_at) {
            (FindingReason::PodPredatesBinding, Some(created), Some(annotated)) => {
                format!("the pod was created at {created}, before the service account was annotated at {annotated}")
            }
            (FindingReason::PodPredatesBinding, ..) if self.expected.listed => {
                "when its entry came into the webhook's ConfigMap is not known".to_owned()
            }
            (FindingReason::PodPredatesBinding, ..) => {
                "the annotation of the service account is not in force, or it is not known since when".to_owned()
            }
            (_, Some(created), Some(annotated)) => format!(
                "the pod was created at {created}, not before the service account was annotated at {annotated}, so the \
                 webhook missed it"
            ),
            _ => "the pod is newer than the annotation of the service account, so the webhook missed it".to_owned(),
        }
    }

    /// What AWS calls of a container without the role do.
    fn without_role(&self, container: &Container) -> &'static str {
        let env = Env::of(container);
        if KEYS.iter().chain(&PROFILES).any(|name| !env.get(name).is_unset()) {
            "Meanwhile its AWS calls use the static credentials or the profile that it sets."
        } else if self.pod.spec.host_network == Some(true) {
            "Meanwhile its AWS calls use the node's role, which it reaches by hostNetwork."
        } else {
            "Meanwhile its AWS calls use the node's role, if the instance metadata service can be reached, and fail \
             otherwise."
        }
    }

    fn role_differs(&self, seen: &Seen, preset: bool, restart_cures: bool) -> Described {
        let role = shown(&self.expected.identity.role_arn);
        let (what, meanwhile) = match seen {
            Seen::Known(value) if value.is_empty() => (
                format!("has an empty {ROLE_ARN}, which keeps the webhook from setting it"),
                "Meanwhile its AWS calls use the node's role, if the instance metadata service can be reached, and \
                 fail otherwise."
                    .to_owned(),
            ),
            Seen::Unknown(source) => (
                format!("takes {ROLE_ARN} from {}, which cannot be seen", shown(source)),
                "Meanwhile its AWS calls act as whatever role that is.".to_owned(),
            ),
            Seen::Known(_) | Seen::Absent => {
                let value = shown(seen.known().unwrap_or_default());
                (format!("has the role {value}"), acts_as(seen))
            }
        };
        let why = if preset && self.has_template { " (the template sets it)" } else { "" };
        let action = if restart_cures {
            Self::restart()
        } else if preset {
            format!("Remove {ROLE_ARN} and {TOKEN_FILE} from the pod's template, so that the webhook sets them.")
        } else if self.has_template {
            "The workload's template as it is would not give it the wanted role: look at its env.".to_owned()
        } else {
            "Delete the pod: one that is created anew gets the role.".to_owned()
        };
        (format!("{what}{why}; wanted is {role}. {meanwhile}"), action)
    }

    fn restart() -> String {
        "Restart the workload: new pods of its template will not have this.".to_owned()
    }
}

/// What AWS calls with this role do: STS refuses what is not the ARN of a role.
pub(super) fn acts_as(role: &Seen) -> String {
    match role.known().map(str::parse::<RoleArn>) {
        Some(Err(error)) => format!("Meanwhile its AWS calls fail, because STS refuses it: {}.", error.cause()),
        _ => format!("Meanwhile its AWS calls act as {}.", role.shown()),
    }
}

#[cfg(test)]
mod tests {
    use podidentity_api::Mechanism;
    use serde_json::{Value, json};

    use super::*;
    use crate::desired_identity::DesiredIdentity;
    use crate::objects::PodTemplate;
    use crate::verify::verify_pod;

    /// The message about the first finding in a pod of a template without an identity, or with a
    /// token for the API server, whose role is expected with an empty audience.
    fn told(listed: bool, container: &Value) -> String {
        let identity = DesiredIdentity {
            role_arn: "arn:aws:iam::111122223333:role/my-role".to_owned(),
            mechanism: Mechanism::Irsa,
            audience: None,
            token_expiration: None,
            sts_regional_endpoints: None,
        };
        let expected = Expectation { listed, foreign_audience: Some(String::new()), ..Expectation::from(identity) };
        let volumes = json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]);
        let spec = json!({"containers": [container], "volumes": volumes});
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web-1"}, "spec": spec})).unwrap();
        let template: PodTemplate = serde_json::from_value(json!({"spec": {"containers": [{"name": "app"}]}})).unwrap();
        let verdict = verify_pod(&pod, Some(&template), &expected, &Settings::default());
        verdict.findings[0].message.to_string()
    }

    #[test]
    fn an_entry_of_the_webhook_is_not_an_annotation() {
        let none = json!({"name": "app"});
        let unknown = "when its entry came into the webhook's ConfigMap is not known";
        assert!(told(true, &none).contains(unknown), "{}", told(true, &none));
        assert!(!told(false, &none).contains(unknown), "{}", told(false, &none));
        let of_api_server = json!({
            "name": "app",
            "env": [
                {"name": ROLE_ARN, "value": "arn:aws:iam::111122223333:role/my-role"},
                {"name": TOKEN_FILE, "value": "/t/token"},
            ],
            "volumeMounts": [{"name": "t", "mountPath": "/t"}],
        });
        let (entry, annotation) = ("into its entry in the webhook's ConfigMap", "The service account's annotation");
        for (listed, told_of, other) in [(true, entry, annotation), (false, annotation, entry)] {
            let message = told(listed, &of_api_server);
            assert!(message.contains(told_of) && !message.contains(other), "{message}");
        }
    }
}
