//! Annotation values that do not have the intended meaning.

use super::keys::{AUDIENCE, STS};
use super::{At, Slip, SlipReason};
use crate::arn::RoleArn;
use crate::finding::Severity;
use crate::foreign::shown;
use crate::injection::{MIN_TOKEN_EXPIRATION, TOKEN_EXPIRATION, reads_bool, reads_seconds};
use crate::likeness::likeness;
use crate::settings::Settings;

/// The audience of STS, in every partition.
const STS_AUDIENCE: &str = "sts.amazonaws.com";
/// The audience of the tokens of EKS Pod Identity, which STS does not know.
const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Minimum likeness at which an audience counts as a misspelling of it.
const ALIKE: f64 = 0.9;
/// What a template leaves behind if nothing fills it in.
const PLACEHOLDERS: [&str; 4] = ["${", "{{", "$(", "<"];

/// The slip in the value of the webhook's annotation of this name, if there is one.
pub(super) fn of(name: &str, key: &str, value: &str, settings: &Settings) -> Option<Slip> {
    match name {
        TOKEN_EXPIRATION => lifetime(key, value),
        STS => reads_bool(value).is_none().then(|| ignored(key, value, "\"true\" or \"false\"")),
        AUDIENCE => audience(&format!("annotation {key}"), At::Annotation(key.to_owned()), value, settings),
        _ => None,
    }
}

fn lifetime(key: &str, value: &str) -> Option<Slip> {
    let Some(seconds) = reads_seconds(value) else {
        return Some(ignored(key, value, "a whole number of seconds, for example \"86400\""));
    };
    (seconds < MIN_TOKEN_EXPIRATION).then(|| {
        let seen = format!("annotation {key} is {seconds}, which the webhook raises to {MIN_TOKEN_EXPIRATION}.");
        let next = format!("Write {MIN_TOKEN_EXPIRATION} or more.");
        Slip::new(SlipReason::LifetimeRaised, At::Annotation(key.to_owned()), seen, next)
    })
}

fn ignored(key: &str, value: &str, expected: &str) -> Slip {
    let seen = format!("annotation {key} is \"{}\", which the webhook ignores:", shown(value));
    let next = format!("write {expected}.");
    Slip::new(SlipReason::AnnotationIgnored, At::Annotation(key.to_owned()), seen, next)
}

/// A text that is not the ARN of a role, or one of a partition that is not known. `what`: where it
/// is, for example `annotation eks.amazonaws.com/role-arn`; `it`: that, to be corrected.
pub(super) fn role(what: &str, it: &str, at: At, value: &str) -> Option<Slip> {
    match value.parse::<RoleArn>() {
        Err(error) => {
            let seen = format!("{what}: {error}. Pods get it all the same, and STS refuses it.");
            let next = format!("Correct {it}: {}.", error.advice());
            Some(Slip::new(SlipReason::InvalidRoleArn, at, seen, next))
        }
        Ok(_) => of_aws(what, at.clone(), value).or_else(|| partition(what, at, value)),
    }
}

/// A role whose trust policy AWS writes: that of a service, which alone can assume it, or one of IAM
/// Identity Center, for people.
fn of_aws(what: &str, at: At, role: &str) -> Option<Slip> {
    let seen = if let Some((_, path)) = role.split_once(":role/aws-service-role/") {
        let service = shown(path.split('/').next().unwrap_or_default());
        format!("{what} is a service-linked role, which {service} alone can assume: STS refuses it to pods.")
    } else if role.contains(":role/aws-reserved/") {
        format!("{what} is a role of IAM Identity Center, whose trust policy AWS writes: STS refuses it to pods.")
    } else {
        return None;
    };
    let next = "Write the ARN of a role whose trust policy you can write.".to_owned();
    Some(Slip::new(SlipReason::InvalidRoleArn, at, seen, next))
}

/// A role of a partition that is not known. `what`: where it is, for example `spec.roleArn`.
pub fn partition(what: &str, at: At, role: &str) -> Option<Slip> {
    let why = role.parse::<RoleArn>().ok()?.unknown_partition()?;
    let seen = if why.ends_with('?') { format!("{what}: {why}") } else { format!("{what}: {why}.") };
    let next = "Write the partition of the account: aws, aws-cn, aws-us-gov or another of AWS.".to_owned();
    Some(Slip::new(SlipReason::InvalidRoleArn, at, seen, next).severity(Severity::Warning))
}

/// An audience that resembles that of STS, but differs from it. `what`: where it is, for example
/// `spec.audience`.
pub fn audience(what: &str, at: At, value: &str, settings: &Settings) -> Option<Slip> {
    if value == settings.audience || value.is_empty() {
        return None;
    }
    let plain = value.trim().to_lowercase();
    let plain = plain.trim_start_matches("https://").trim_matches(['/', '"', '\'']);
    let near = plain.ends_with("amazonaws.com")
        || plain.is_empty()
        || is_placeholder(value)
        || likeness(plain, STS_AUDIENCE) >= ALIKE
        || plain.starts_with("sts") && (plain.contains("amazon") || plain.contains("aws"));
    (near && value != STS_AUDIENCE).then(|| {
        let why = why(value, plain);
        let seen = format!(
            "{what} is \"{}\"{why} STS refuses such a token, unless the identity provider in IAM lists that audience and \
             the role's trust policy allows it.",
            shown(value)
        );
        let next = format!("Write {STS_AUDIENCE}, or add it to both.");
        Slip::new(SlipReason::AudienceUnusual, at, seen, next)
    })
}

/// The audience is empty, which the webhook takes literally.
pub fn empty_audience(key: &str) -> Slip {
    let seen = format!(
        "annotation {key} is empty, which the webhook takes literally: pods get a token for the Kubernetes API server, and \
         STS refuses it, unless the identity provider and the role's trust policy allow that audience."
    );
    let slip = Slip::new(SlipReason::AudienceUnusual, At::Annotation(key.to_owned()), seen, "Remove it.".to_owned());
    slip.severity(Severity::Error)
}

/// Whether nothing has filled in a template.
fn is_placeholder(value: &str) -> bool {
    PLACEHOLDERS.iter().any(|mark| value.contains(mark))
}

/// How it differs from the audience of STS.
fn why(value: &str, plain: &str) -> String {
    if is_placeholder(value) {
        ", a placeholder that nothing has filled in.".to_owned()
    } else if plain.is_empty() {
        ", which is blank.".to_owned()
    } else if plain == POD_IDENTITY_AUDIENCE {
        format!(", which is the audience of EKS Pod Identity; that of STS is {STS_AUDIENCE}.")
    } else if plain == STS_AUDIENCE {
        format!(", which is not {STS_AUDIENCE}: blanks, quotes, capitals, https:// and slashes count.")
    } else if plain.strip_suffix(".cn").is_some() && value == plain {
        format!(
            ", not {STS_AUDIENCE}, which is the audience in China as well unless the provider was made with another one."
        )
    } else if plain.split('.').count() > 3 && plain.ends_with(".amazonaws.com") {
        format!(", which is an endpoint of STS; its audience is {STS_AUDIENCE}.")
    } else {
        format!("; did you mean {STS_AUDIENCE}?")
    }
}

/// The value of an annotation or label is not a string, which Kubernetes requires. `kind`: its
/// actual type.
pub fn not_text(at: At, value: &str, kind: &str) -> Slip {
    let what = match &at {
        At::Annotation(key) => format!("annotation {}", shown(key)),
        At::Label(key) => format!("label {}", shown(key)),
        At::Object => "a value".to_owned(),
    };
    let seen = format!("{what} is {}, a {kind}, and has to be a text: Kubernetes refuses the object.", shown(value));
    let next = format!("Put it in quotes: \"{}\".", shown(value));
    Slip::new(SlipReason::AnnotationNotText, at, seen, next)
}
