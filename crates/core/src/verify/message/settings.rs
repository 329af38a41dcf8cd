//! Messages about variables and files that change what SDKs do with the role.

use super::Described;
use crate::arn::RoleArn;
use crate::foreign::{list, shown};
use crate::injection::{ROLE_ARN, STS_ENDPOINTS};
use crate::verify::sdk::{NEED_REGION, OLD_KEYS_READ, PROFILE_BEFORE_ROLE};
use crate::verify::sts::SESSION_NAME;

pub(super) fn no_region(partition: Option<&str>, role: &str) -> Described {
    let why = match partition {
        None => format!(
            "is told to use the STS endpoint of its region ({STS_ENDPOINTS} is regional), but no region is set: neither \
             AWS_REGION nor AWS_DEFAULT_REGION."
        ),
        Some(partition) => format!(
            "has no region, neither AWS_REGION nor AWS_DEFAULT_REGION, and the role {role} is of the partition {partition}, \
             which the global endpoint sts.amazonaws.com does not know."
        ),
    };
    (
        format!("{why} Unless the program sets one itself its AWS calls fail: of the SDKs, {NEED_REGION}."),
        "Set AWS_REGION in the pod's template, or let the webhook do it (its flag --aws-default-region; on EKS it does: then \
         start this tool with the same)."
            .to_owned(),
    )
}

pub(super) fn not_a_region(variable: &str, value: &str, meant: Option<&str>, certain: bool) -> Described {
    let fails = if certain { "Its AWS calls fail." } else { "SDKs that look at this variable fail to find AWS." };
    let why = match meant {
        Some(meant) if value.starts_with(meant) && value.trim() == value => "which is a zone and not a region",
        Some(_) => "which is not a region: capitals, blanks and hyphens count",
        None if value.contains("$(") => {
            "which is not a region: the reference is to a variable that is not set before it"
        }
        None => "which is not a region",
    };
    let action = match meant {
        Some(meant) => format!("Write {meant}."),
        None => "Write a region such as eu-central-1.".to_owned(),
    };
    (format!("has {variable} \"{}\", {why}. {fails}", shown(value)), action)
}

pub(super) fn region_elsewhere(variable: &str, region: &str, partition: &str, certain: bool, role: &str) -> Described {
    let fails = if certain { "Its AWS calls fail." } else { "SDKs that look at this variable first fail." };
    (
        format!(
            "has {variable} {}, a region of the partition {partition}, where the role {role} does not exist. {fails}",
            shown(region)
        ),
        "Set a region of the role's partition, or name the role of the region's.".to_owned(),
    )
}

pub(super) fn session_name(name: &str) -> Described {
    (
        format!(
            "has {SESSION_NAME} \"{}\", which STS refuses: it takes 2 to 64 letters, digits and _+=,.@-. Its AWS calls fail.",
            shown(name)
        ),
        "Correct it in the pod's template, or leave it out: then SDKs make up a name.".to_owned(),
    )
}

pub(super) fn endpoint_unknown(value: &str) -> Described {
    (
        format!(
            "has {STS_ENDPOINTS} \"{}\", which is neither legacy nor regional: the SDK for Python fails at that, and so does \
             version 1 of that for Go unless only capitals differ; others ignore it.",
            shown(value)
        ),
        "Write regional or legacy.".to_owned(),
    )
}

pub(super) fn old_keys(names: &[String; 2], from: &[String], role: &str) -> Described {
    let seen = format!(
        "sets {}: {OLD_KEYS_READ} read the older names of static credentials, too, and use them before the role {role}.",
        list(names)
    );
    (seen, take_out(from))
}

pub(super) fn profile_file(path: &str, volume: &str, source: &str, role: &str) -> Described {
    (
        format!(
            "mounts {source} (volume {}) at {}, where SDKs look for profiles if that is in its home directory: they may use \
             the profile of a file before the role {role}; {PROFILE_BEFORE_ROLE}. If the profile is to assume another role by \
             way of this one, all is well.",
            shown(volume),
            shown(path)
        ),
        "Take that mount out of the pod's template.".to_owned(),
    )
}

pub(super) fn no_arn(role: &str) -> Described {
    let error = role.parse::<RoleArn>().err();
    let why = error.as_ref().map(|error| format!(": {}", error.cause())).unwrap_or_default();
    (
        format!(
            "has {ROLE_ARN} {}, which is not the ARN of a role{why}. STS refuses it, so its AWS calls fail.",
            shown(role)
        ),
        error.map_or_else(String::new, |error| format!("Correct it in the pod's template: {}.", error.advice())),
    )
}

/// What to do about variables that these sources set, or the template.
pub(super) fn take_out(from: &[String]) -> String {
    match from {
        [] => "Take that out of the pod's template.".to_owned(),
        from => format!("Take that out of {}.", list(from)),
    }
}
