//! Problems put into words: what was seen, what was wanted, what the pod does meanwhile, and what to do.

use jiff::Timestamp;

use super::container::{CONTAINER_CREDENTIALS, Problem, STATIC};
use super::env::{Env, Seen};
use super::text::{list, shown};
use crate::finding::{Finding, FindingReason};
use crate::injection::{ROLE_ARN, SKIP_CONTAINERS, SKIP_LABEL, STS_ENDPOINTS, TOKEN_EXPIRATION, TOKEN_FILE, VOLUME};
use crate::injection::{Target, token_file};
use crate::objects::{Container, Pod};
use crate::settings::Settings;
use crate::wanted::Wanted;

/// The label that says that EKS Pod Identity was injected.
const POD_IDENTITY_LABEL: &str = "eks.amazonaws.com/pod-identity";
/// The volume that EKS Pod Identity injects.
const POD_IDENTITY_VOLUME: &str = "eks-pod-identity-token";

/// What messages about a pod draw on.
pub(super) struct Words<'a> {
    pub(super) pod: &'a Pod,
    pub(super) wanted: &'a Wanted,
    pub(super) settings: &'a Settings,
    pub(super) has_template: bool,
}

impl Words<'_> {
    /// The finding for a problem of a container. `preset`: the template itself sets the wrong role.
    pub(super) fn finding(&self, problem: &Problem, container: &Container, preset: bool, roll_cures: bool) -> Finding {
        let reason = self.reason(problem, preset);
        let role = shown(&self.wanted.role_arn);
        let text = match problem {
            Problem::NoIdentity => self.no_identity(reason, container, roll_cures),
            Problem::RoleDiffers(seen) => self.role_differs(seen, preset, roll_cures),
            _ => {
                let (seen, action) = self.describe(problem, &role);
                format!("{seen} {}", if roll_cures { Self::restart() } else { action })
            }
        };
        Finding {
            severity: super::severity(reason),
            reason,
            object: format!("Pod/{}", shown(self.pod.name())),
            container: Some(shown(&container.name)),
            message: format!("container {} of pod {} {text}", shown(&container.name), shown(self.pod.name())),
            roll_cures,
        }
    }

    /// Whether a role that is not the wanted one looks like injected from an earlier annotation: for pods without a
    /// template to ask.
    pub(super) fn was_injected(&self, seen: &Seen, container: &Container) -> bool {
        let Some(role) = seen.known().filter(|role| !role.is_empty()) else {
            return false;
        };
        let file = Env::of(container).get(TOKEN_FILE);
        let injected_file = file.known() == Some(&token_file(&Target::from(self.pod), self.settings));
        let injected_mount = container.volume_mounts.iter().any(|mount| mount.name == VOLUME);
        self.wanted.earlier_roles.iter().any(|earlier| earlier == role) || injected_file && injected_mount
    }

    fn reason(&self, problem: &Problem, preset: bool) -> FindingReason {
        match problem {
            Problem::NoIdentity if self.predates() => FindingReason::PodPredatesBinding,
            Problem::NoIdentity => FindingReason::InjectionMissed,
            Problem::RoleMissing => FindingReason::RoleEnvMissing,
            Problem::RoleDiffers(_) if preset => FindingReason::RoleEnvPreset,
            Problem::RoleDiffers(_) => FindingReason::StaleRole,
            Problem::TokenFileMissing => FindingReason::TokenEnvMissing,
            Problem::TokenElsewhere { .. } => FindingReason::TokenEnvMismatch,
            Problem::NotMounted { .. } => FindingReason::MountMissing,
            Problem::Foreign { .. } => FindingReason::ForeignTokenVolume,
            Problem::Audience { .. } => FindingReason::AudienceMismatch,
            Problem::Lifetime { .. } => FindingReason::TokenExpirationMismatch,
            Problem::Frozen { .. } => FindingReason::TokenNotRefreshed,
            Problem::StsEndpoint(_) => FindingReason::StsEndpointMismatch,
            Problem::Unreadable { .. } => FindingReason::TokenMayBeUnreadable,
            Problem::Skipped => FindingReason::ContainerSkipped,
            Problem::SkippedPod => FindingReason::WebhookSkipped,
            Problem::Static(_) => FindingReason::StaticCredentialsShadow,
            Problem::Opaque(_) => FindingReason::EnvFromOpaque,
        }
    }

    fn created(&self) -> Option<Timestamp> {
        self.pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// Whether the annotation came after the pod. Creation times have whole seconds, so a pod of the same second counts
    /// as newer; one without a time is about to be created.
    fn predates(&self) -> bool {
        match (self.created(), self.wanted.annotated_at) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(created), Some(annotated)) => created.as_second() < annotated.as_second(),
        }
    }

    fn no_identity(&self, reason: FindingReason, container: &Container, roll_cures: bool) -> String {
        let role = shown(&self.wanted.role_arn);
        let when = match (reason, self.created(), self.wanted.annotated_at) {
            (FindingReason::PodPredatesBinding, _, None) => {
                "the annotation of the service account is not in force, or it is not known since when".to_owned()
            }
            (FindingReason::PodPredatesBinding, Some(created), Some(annotated)) => {
                format!("the pod was created at {created}, before the service account was annotated at {annotated}")
            }
            (_, Some(created), Some(annotated)) => format!(
                "the pod was created at {created}, after the service account was annotated at {annotated}, so the \
                 webhook missed it"
            ),
            _ => "the pod is newer than the annotation of the service account, so the webhook missed it".to_owned(),
        };
        let action = if roll_cures {
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
        let meanwhile = self.without_role(container);
        format!(
            "has no AWS identity: {ROLE_ARN} and {TOKEN_FILE} are not set; {when}; wanted is {role}. {meanwhile} {action}"
        )
    }

    /// What AWS calls of a container without the role do.
    fn without_role(&self, container: &Container) -> &'static str {
        let env = Env::of(container);
        if STATIC.iter().any(|name| !env.get(name).is_unset()) {
            "Meanwhile its AWS calls use the static credentials or the profile that it sets."
        } else if self.pod.spec.host_network == Some(true) {
            "Meanwhile its AWS calls use the node's role, which it reaches by hostNetwork."
        } else {
            "Meanwhile its AWS calls use the node's role, if the instance metadata service can be reached, and fail \
             otherwise."
        }
    }

    fn role_differs(&self, seen: &Seen, preset: bool, roll_cures: bool) -> String {
        let role = shown(&self.wanted.role_arn);
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
                (format!("has the role {value}"), format!("Meanwhile its AWS calls act as {value}."))
            }
        };
        let why = if preset && self.has_template { " (the template sets it)" } else { "" };
        let action = if roll_cures {
            Self::restart()
        } else if preset {
            format!("Remove {ROLE_ARN} and {TOKEN_FILE} from the pod's template, so that the webhook sets them.")
        } else if self.has_template {
            "The workload's template as it is would not give it the wanted role: look at its env.".to_owned()
        } else {
            "Delete the pod: one that is created anew gets the role.".to_owned()
        };
        format!("{what}{why}; wanted is {role}. {meanwhile} {action}")
    }

    fn restart() -> String {
        "Restart the workload: new pods of its template will not have this.".to_owned()
    }

    /// What was seen and what it means, and what to do where a restart does not help.
    fn describe(&self, problem: &Problem, role: &str) -> (String, String) {
        const NO_TOKEN: &str = "Meanwhile its AWS calls fail, or with some SDKs fall back to the node's role.";
        let audience = shown(self.wanted.effective_audience(self.settings));
        let (seen, action) = match problem {
            Problem::RoleMissing => (
                format!("sets {TOKEN_FILE} but no {ROLE_ARN}; wanted is {role}. {NO_TOKEN}"),
                format!("Remove {TOKEN_FILE} from the pod's template, which keeps the webhook from setting the role."),
            ),
            Problem::TokenFileMissing => (
                format!("has the role {role} but {TOKEN_FILE} is not set. {NO_TOKEN}"),
                format!("Remove {ROLE_ARN} from the pod's template, so that the webhook sets both."),
            ),
            Problem::TokenElsewhere { seen, token } => (
                format!("{} {NO_TOKEN}", token_elsewhere(seen, token.as_deref())),
                format!("Make {TOKEN_FILE} and the mount agree in the pod's template, or remove both."),
            ),
            Problem::NotMounted { path, covering } => {
                let covering = covering.as_deref().map_or_else(
                    || "no volume is mounted there".to_owned(),
                    |volume| format!("there is only the volume {}, which has no token there", shown(volume)),
                );
                (
                    format!("looks for its token at {}, but {covering}. {NO_TOKEN}", shown(path)),
                    format!(
                        "Mount a projected serviceAccountToken there, or remove one of {ROLE_ARN}, AWS_REGION and \
                         {STS_ENDPOINTS} from the pod's template: where all are set the webhook adds no mount."
                    ),
                )
            }
            Problem::Foreign { path, volume } => (
                format!(
                    "looks for its token at {}, but the volume {} that is mounted there projects no token of the \
                     service account at that path. Meanwhile its AWS calls fail, or use whatever token is there.",
                    shown(path),
                    shown(volume)
                ),
                format!("Rename that volume in the pod's template, so that the webhook adds {VOLUME}."),
            ),
            Problem::Audience { seen } => (
                format!(
                    "has a token for {}; wanted is the audience {audience}. Meanwhile STS refuses the token, unless \
                     the identity provider and the role's trust policy allow that audience.",
                    if seen.is_empty() {
                        "the Kubernetes API server".into()
                    } else {
                        format!("the audience {}", shown(seen))
                    }
                ),
                "Set the audience of the volume in the pod's template, or remove the volume.".to_owned(),
            ),
            _ => self.describe_lesser(problem),
        };
        (seen, action)
    }

    fn describe_lesser(&self, problem: &Problem) -> (String, String) {
        match problem {
            Problem::Lifetime { seen } => (
                format!(
                    "has a token that lives {seen} seconds; wanted are {}. Meanwhile it works, with that lifetime.",
                    self.wanted.token_expiration.unwrap_or_default()
                ),
                format!(
                    "Remove the annotation {} or the volume from the pod's template.",
                    self.settings.key(TOKEN_EXPIRATION)
                ),
            ),
            Problem::Frozen { path } => (
                format!(
                    "has its token at {} by subPath, where the kubelet never renews it. It works until the first token \
                     expires; then its AWS calls fail until it restarts.",
                    shown(path)
                ),
                "Mount the whole volume instead.".to_owned(),
            ),
            Problem::StsEndpoint(seen) => {
                let seen = match seen {
                    Seen::Absent => "does not set it".to_owned(),
                    Seen::Known(value) => format!("sets it to \"{}\"", shown(value)),
                    Seen::Unknown(source) => format!("takes it from {}, which cannot be seen", shown(source)),
                };
                let wanted = self.wanted.sts_regional_endpoints == Some(true);
                let wanted = if wanted { "regional" } else { "anything but regional" };
                (
                    format!(
                        "{seen}: wanted for {STS_ENDPOINTS} is {wanted}. Meanwhile its calls to STS may go to another \
                         endpoint than declared."
                    ),
                    format!("Remove {STS_ENDPOINTS} from the pod's template."),
                )
            }
            Problem::Unreadable { mode } => (
                format!(
                    "may not be able to read its token: the file's mode is {mode:04o} and nothing tells whose it is. If \
                     it runs as another user than root, its AWS calls fail."
                ),
                "Set securityContext.fsGroup in the pod's template.".to_owned(),
            ),
            Problem::Skipped => (
                format!("has no AWS identity, as the pod's annotation {} asks.", self.settings.key(SKIP_CONTAINERS)),
                "Take it out of the annotation if it needs the role.".to_owned(),
            ),
            Problem::Static(names) => (
                format!("sets {}, which SDKs use before the role {}.", list(names), shown(&self.wanted.role_arn)),
                "Remove them from the pod's template.".to_owned(),
            ),
            Problem::Opaque(sources) => (
                format!("takes all keys of {} as environment, where AWS variables cannot be seen.", list(sources)),
                "Nothing is to be done if no key begins with AWS_.".to_owned(),
            ),
            _ => (String::new(), String::new()),
        }
    }
}

fn token_elsewhere(seen: &Seen, token: Option<&str>) -> String {
    let names = match seen {
        Seen::Unknown(source) => format!("takes {TOKEN_FILE} from {}, which cannot be seen", shown(source)),
        _ => format!("looks for its token at {}", shown(seen.known().unwrap_or_default())),
    };
    let is = token.map_or_else(
        || "no token for the wanted audience is mounted in it".to_owned(),
        |token| format!("its token is mounted at {}", shown(token)),
    );
    format!("{names}; {is}.")
}

/// Findings about the pod as a whole. `skipped`: its label is why a container has no identity.
pub(super) fn of_pod(words: &Words<'_>, skipped: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |reason: FindingReason, message: String| {
        findings.push(Finding {
            severity: super::severity(reason),
            reason,
            object: format!("Pod/{}", shown(words.pod.name())),
            container: None,
            message: format!("pod {} {message}", shown(words.pod.name())),
            roll_cures: false,
        });
    };
    if skipped {
        add(
            FindingReason::WebhookSkipped,
            format!(
                "has the label {SKIP_LABEL}, so the webhook leaves it alone and it has no AWS identity. Its AWS calls \
                 use the node's role, if the instance metadata service can be reached. Remove the label if it needs \
                 the role, or let it run as another service account."
            ),
        );
    }
    let signs = pod_identity_signs(words.pod);
    if !signs.is_empty() {
        add(
            FindingReason::PodIdentityActive,
            format!(
                "is given credentials by EKS Pod Identity ({}). Containers without {ROLE_ARN} act as the association's \
                 role instead of {}. Delete the association or the binding.",
                list(&signs),
                shown(&words.wanted.role_arn)
            ),
        );
    }
    if words.pod.spec.host_network == Some(true) {
        add(
            FindingReason::NodeRoleReachable,
            "shares the node's network (hostNetwork) and can reach the node's role whatever its own is. Do without \
             hostNetwork, or keep the node's role minimal."
                .to_owned(),
        );
    }
    findings
}

/// By what EKS Pod Identity shows in the pod.
fn pod_identity_signs(pod: &Pod) -> Vec<String> {
    let label = pod.metadata.labels.as_ref().and_then(|labels| labels.get(POD_IDENTITY_LABEL));
    let label = (label.map(String::as_str) == Some("enabled")).then(|| format!("label {POD_IDENTITY_LABEL}"));
    let volume = pod.spec.volumes.iter().any(|volume| volume.name == POD_IDENTITY_VOLUME);
    let volume = volume.then(|| format!("volume {POD_IDENTITY_VOLUME}"));
    let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    let containers = containers.filter(|container| {
        let env = Env::of(container);
        CONTAINER_CREDENTIALS.iter().any(|name| !env.get(name).is_unset())
    });
    label.into_iter().chain(volume).chain(containers.map(|container| format!("container {}", container.name))).collect()
}
