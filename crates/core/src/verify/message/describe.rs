//! Messages about problems other than a missing or wrong role: what was seen and what it means, and
//! what to do if a restart does not help.

use super::settings::{
    endpoint_unknown, no_arn, no_region, not_a_region, old_keys, profile_file, region_elsewhere, session_name, take_out,
};
use super::{Described, Words};
use crate::foreign::{list, shown};
use crate::injection::{ROLE_ARN, SKIP_CONTAINERS, STS_ENDPOINTS, TOKEN_FILE, is_injected_volume};
use crate::settings::IdentityAnnotation;
use crate::verify::container::{PROFILES, Problem};
use crate::verify::env::Seen;
use crate::verify::sdk::{PROFILE_BEFORE_ROLE, ROLE_BEFORE_KEYS};

/// What SDKs do if they find only one half of the identity.
const NO_TOKEN: &str = "Meanwhile its AWS calls fail, or with some SDKs fall back to the node's role.";

impl Words<'_> {
    /// Describes a problem.
    #[expect(clippy::too_many_lines, reason = "one arm for each problem")]
    pub(super) fn describe(&self, problem: &Problem) -> Described {
        let role = shown(&self.expected.identity.role_arn);
        let [first, file] = self.expected.variables();
        let leave_out = || format!("Leave {first} and {file} out of the pod's template: then the webhook sets both.");
        match problem {
            Problem::RoleMissing => {
                (format!("sets {TOKEN_FILE} but no {ROLE_ARN}; wanted is {role}. {NO_TOKEN}"), leave_out())
            }
            Problem::PodIdentity => (
                format!(
                    "gets its credentials from EKS Pod Identity and acts as the association's role; wanted is {role}."
                ),
                "Delete the pod identity association of the service account and restart, or set spec.mechanism of the \
                 binding to PodIdentity."
                    .to_owned(),
            ),
            Problem::CredentialsUri(seen) => Self::credentials_uri(seen),
            Problem::RelativeUri => Self::relative_uri(),
            Problem::TokenFileMissing if self.expected.identity.is_of_association() => {
                (format!("sets {first} but {file} is not set. {NO_TOKEN}"), leave_out())
            }
            Problem::TokenFileMissing => {
                (format!("has the role {role} but {TOKEN_FILE} is not set. {NO_TOKEN}"), leave_out())
            }
            Problem::TokenElsewhere { seen, token } => token_elsewhere(file, seen, token.as_deref()),
            Problem::NotMounted { path, covering } => not_mounted(first, path, covering.as_deref()),
            Problem::Foreign { path, volume } => foreign(path, volume),
            Problem::Audience { seen } => self.audience(seen),
            Problem::Lifetime { seen } => self.lifetime(*seen),
            Problem::Frozen { path } => frozen(path),
            Problem::StsEndpoint(seen) => self.sts_endpoint(seen),
            Problem::Unreadable { mode, certain } => unreadable(*mode, *certain),
            Problem::ApiServerToken { path } => api_server_token(self.expected.variables(), path),
            Problem::Linked { path } => linked(path),
            Problem::WindowsPath { path, selected } => windows_path(path, *selected),
            Problem::NoRegion { partition } => no_region(*partition, &role),
            Problem::NotARegion { variable, value, meant, certain } => {
                not_a_region(variable, value, meant.as_deref(), *certain)
            }
            Problem::SessionName(name) => session_name(name),
            Problem::StsEndpointUnknown(value) => endpoint_unknown(value),
            Problem::OldKeys { names, from } => old_keys(names, from, &role),
            Problem::ProfileFile { path, volume, source } => profile_file(path, volume, source, &role),
            Problem::NoArn(seen) => no_arn(seen),
            Problem::RegionElsewhere { variable, region, partition, certain } => {
                region_elsewhere(variable, region, partition, *certain, &role)
            }
            Problem::Skipped => (
                format!("has no AWS identity, as the pod's annotation {} asks.", self.settings.key(SKIP_CONTAINERS)),
                "Take it out of the annotation if it needs the role.".to_owned(),
            ),
            Problem::Static { names, optional: true, .. } => (
                format!(
                    "takes {} from keys of Secrets that may be absent; if they are there, SDKs use them before the role \
                     {role}.",
                    list(names)
                ),
                "Nothing is to be done if they are not.".to_owned(),
            ),
            Problem::Static { names, certain, from, .. } => shadowed(names, *certain, from, &role),
            Problem::Opaque(sources) => (
                format!("takes all keys of {} as environment, where AWS variables cannot be seen.", list(sources)),
                "Nothing is to be done if no key begins with AWS_.".to_owned(),
            ),
            // These have messages of their own.
            Problem::NoIdentity
            | Problem::NoAssociation
            | Problem::WebIdentity { .. }
            | Problem::RoleDiffers(_)
            | Problem::SkippedPod => (String::new(), String::new()),
        }
    }

    fn audience(&self, seen: &str) -> Described {
        let seen = if seen.is_empty() {
            "the Kubernetes API server".to_owned()
        } else {
            format!("the audience {}", shown(seen))
        };
        let wanted = shown(self.expected.effective_audience(self.settings));
        let action = if self.expected.foreign_audience.as_deref() == Some("")
            && self.expected.identity.audience.is_none()
        {
            if self.expected.listed {
                format!(
                    "Write \"Audience\": \"{wanted}\" into its entry in the webhook's ConfigMap, then restart the workload."
                )
            } else {
                format!(
                    "The service account's annotation {} is empty, which the webhook takes literally: remove it, then \
                     restart the workload.",
                    self.settings.annotation(IdentityAnnotation::Audience)
                )
            }
        } else {
            "Set the audience of the volume in the pod's template, or remove the volume.".to_owned()
        };
        let meanwhile = if self.expected.identity.is_of_association() {
            "Meanwhile the agent of EKS Pod Identity refuses the token."
        } else {
            "Meanwhile STS refuses the token, unless the identity provider and the role's trust policy allow that audience."
        };
        (format!("has a token for {seen}; wanted is the audience {wanted}. {meanwhile}"), action)
    }

    fn lifetime(&self, seen: i64) -> Described {
        let wanted = self.expected.identity.token_expiration.unwrap_or_default();
        let key = self.settings.annotation(IdentityAnnotation::TokenExpiration);
        (
            format!(
                "has a token that lives {seen} seconds; wanted are {wanted}. Meanwhile it works, with that lifetime."
            ),
            format!("Remove the annotation {key} or the volume from the pod's template."),
        )
    }

    fn sts_endpoint(&self, seen: &Seen) -> Described {
        let seen = match seen {
            Seen::Absent => format!("does not set {STS_ENDPOINTS}"),
            Seen::Known(value) => format!("sets {STS_ENDPOINTS} to \"{}\"", shown(value)),
            Seen::Unknown(source) => format!("takes {STS_ENDPOINTS} from {}, which cannot be seen", shown(source)),
        };
        let regional = self.expected.identity.sts_regional_endpoints == Some(true);
        let wanted = if regional { "regional" } else { "anything but regional" };
        (
            format!("{seen}; wanted is {wanted}. Meanwhile its calls to STS may go to another endpoint than declared."),
            format!("Remove {STS_ENDPOINTS} from the pod's template."),
        )
    }
}

fn token_elsewhere(variable: &str, seen: &Seen, token: Option<&str>) -> Described {
    let names = match seen {
        Seen::Unknown(source) => format!("takes {variable} from {}, which cannot be seen", shown(source)),
        Seen::Known(path) => format!("looks for its token at {}", shown(path)),
        Seen::Absent => format!("does not set {variable}"),
    };
    let is = match token {
        Some(path) => format!("its token is mounted at {}", shown(path)),
        None => "no token for the wanted audience is mounted in it".to_owned(),
    };
    (
        format!("{names}; {is}. {NO_TOKEN}"),
        format!("Make {variable} and the mount agree in the pod's template, or remove both."),
    )
}

fn not_mounted(variable: &str, path: &str, covering: Option<&str>) -> Described {
    let covering = match covering {
        Some(volume) => format!("there is only the volume {}, which has no token there", shown(volume)),
        None => "no volume is mounted there".to_owned(),
    };
    (
        format!("looks for its token at {}, but {covering}. {NO_TOKEN}", shown(path)),
        format!(
            "Mount a projected serviceAccountToken there, or remove one of {variable}, AWS_REGION and {STS_ENDPOINTS} from \
             the pod's template: where all are set the webhook adds no mount."
        ),
    )
}

fn foreign(path: &str, volume: &str) -> Described {
    (
        format!(
            "looks for its token at {}, but the volume {} that is mounted there projects no token of the service account \
             at that path. Meanwhile its AWS calls fail, or use whatever token is there.",
            shown(path),
            shown(volume)
        ),
        if is_injected_volume(volume) {
            format!("Rename that volume in the pod's template, so that the webhook adds {volume}.")
        } else {
            "Mount a projected serviceAccountToken there instead.".to_owned()
        },
    )
}

fn frozen(path: &str) -> Described {
    (
        format!(
            "has its token at {} by subPath, where the kubelet never renews it. It works until the first token expires; \
             then its AWS calls fail until it restarts.",
            shown(path)
        ),
        "Mount the whole volume instead.".to_owned(),
    )
}

fn unreadable(mode: i32, certain: bool) -> Described {
    let seen = if certain {
        format!(
            "cannot read its token: the file's mode is {mode:04o}, it is root's, and the container runs as another user. Its \
             AWS calls fail."
        )
    } else {
        format!(
            "may not be able to read its token: the file's mode is {mode:04o} and nothing tells whose it is. If it runs as \
             another user than root, its AWS calls fail."
        )
    };
    (seen, "Set securityContext.fsGroup in the pod's template.".to_owned())
}

fn shadowed(names: &[String], certain: bool, from: &[String], role: &str) -> Described {
    let has = |known: &[&str]| names.iter().any(|name| known.contains(&name.as_str()));
    let names_list = list(names);
    let next = take_out(from);
    if certain {
        return (
            format!(
                "sets {names_list}, which SDKs use before the role {role} ({ROLE_BEFORE_KEYS}). Its AWS calls act as the \
                 user of these keys."
            ),
            next,
        );
    }
    if has(&PROFILES) {
        return (
            format!(
                "sets {names_list}: SDKs may use the profile of a file before the role {role}; {PROFILE_BEFORE_ROLE}. If the \
                 profile is to assume another role by way of this one, all is well."
            ),
            next,
        );
    }
    let seen = if names.len() == 1 {
        format!(
            "sets {names_list} alone: SDKs use both keys before the role {role} or neither, and that for Python fails."
        )
    } else {
        format!("sets {names_list}, which SDKs use before the role {role} if both have a value.")
    };
    (seen, next)
}

fn api_server_token([first, file]: [&str; 2], path: &str) -> Described {
    let refuses = if first == ROLE_ARN { "STS" } else { "the agent of EKS Pod Identity" };
    (
        format!(
            "looks for its token at {}: that is the token for the Kubernetes API server, of another audience, which {refuses} \
             refuses. Its AWS calls fail.",
            shown(path)
        ),
        format!("Remove {first} and {file} from the pod's template, so that the webhook sets them."),
    )
}

fn linked(path: &str) -> Described {
    (
        format!(
            "looks for its token at {}, which is where it is mounted if /var/run is a link to /run, as in nearly every image.",
            shown(path)
        ),
        "Nothing is to be done if that is so in this image.".to_owned(),
    )
}

fn windows_path(path: &str, selected: bool) -> Described {
    let (why, action) = if selected {
        ("", format!("Write the path with a drive: {}.", shown(&format!("C:{}", path.replace('/', "\\")))))
    } else {
        (
            ": the webhook sees Windows by the node selector only",
            "Add nodeSelector kubernetes.io/os: windows to the pod's template.".to_owned(),
        )
    };
    (
        format!(
            "runs on Windows and looks for its token at {}, a path without a drive{why}. SDKs that ask for a whole path, as \
             that for .NET does, refuse it.",
            shown(path)
        ),
        action,
    )
}
