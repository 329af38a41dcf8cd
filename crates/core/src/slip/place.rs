//! Slips on pods, on pod templates, and on objects whose metadata the webhook does not read.

use super::keys::{self, Key, OF_ACCOUNT, ROLE, SKIP_POD};
use super::{At, Slip, SlipReason, value};
use crate::finding::Severity;
use crate::foreign::shown;
use crate::injection::{SKIP_CONTAINERS, SKIP_LABEL, TOKEN_EXPIRATION, Target, names_in};
use crate::likeness::is_slip;
use crate::objects::Map;
use crate::settings::Settings;

/// An object whose own metadata the webhook does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A workload: a Deployment, for example, as opposed to its pod template.
    Workload,
    /// The template of the jobs of a CronJob, as opposed to that of their pods.
    JobTemplate,
    /// A namespace.
    Namespace,
    /// An object of another kind.
    Object(&'a str),
}

impl Place<'_> {
    fn what(self) -> String {
        match self {
            Self::Workload => "the workload itself".to_owned(),
            Self::JobTemplate => "the template of the jobs".to_owned(),
            Self::Namespace => "a namespace".to_owned(),
            Self::Object(kind) => format!("an object of kind {kind}"),
        }
    }
}

/// Whether the pods' service account gives them a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It does.
    Role,
    /// It does not.
    Nothing,
    /// The service account is not known.
    Unknown,
}

impl Given {
    /// For a service account that is known.
    pub fn of(has_role: bool) -> Self {
        if has_role { Self::Role } else { Self::Nothing }
    }
}

/// The slips in metadata that the webhook does not read.
pub fn of_place(place: Place<'_>, annotations: &Map, labels: &Map, given: Given, settings: &Settings) -> Vec<Slip> {
    let what = place.what();
    let slips = annotations.iter().filter_map(|(key, value)| match keys::read(key, value, settings) {
        Key::Known(name) => Some(misplaced(key, name, &what, given, settings)),
        Key::Misspelt(ROLE) if is_meant_there(place, key, value) => Some(misplaced(key, ROLE, &what, given, settings)),
        Key::Kiam => Some(kiam_of_place(key, At::Annotation(key.to_owned()), &what, given, settings)),
        Key::KiamGrant if place == Place::Namespace => Some(kiam_grant(key, settings)),
        _ => None,
    });
    let labels = labels.iter().filter_map(|(key, value)| match keys::read(key, value, settings) {
        Key::Known(name) if OF_ACCOUNT.contains(&name) => Some(label(key, name, given, settings)),
        Key::Known(SKIP_POD) if matches!(place, Place::Workload | Place::JobTemplate) => {
            Some(skip_of_place(key, &what))
        }
        Key::Kiam => Some(kiam_of_place(key, At::Label(key.to_owned()), &what, given, settings)),
        _ => None,
    });
    slips.chain(labels).collect()
}

/// A key without a domain may mean anything on an object that has nothing to do with pods.
fn is_meant_there(place: Place<'_>, key: &str, value: &str) -> bool {
    !matches!(place, Place::Object(_)) || key.contains('/') && keys::is_role(value)
}

/// The webhook reads this label on pods alone.
fn skip_of_place(key: &str, what: &str) -> Slip {
    let seen = format!("the label {key} has no effect on {what}: pods get the role all the same.");
    let next = "Move it to the labels of the pod template.".to_owned();
    Slip::new(SlipReason::AnnotationMisplaced, At::Label(key.to_owned()), seen, next).severity(Severity::Warning)
}

/// Even kiam and kube2iam read these keys on pods alone.
fn kiam_of_place(key: &str, at: At, what: &str, given: Given, settings: &Settings) -> Slip {
    let role = settings.key(ROLE);
    let seen = format!(
        "{key} has no effect on {what}: kiam and kube2iam read it on pods, and the webhook reads {role} on the pods' \
         service account."
    );
    let (severity, next) = if given == Given::Role {
        (Severity::Info, "Remove it.".to_owned())
    } else {
        (Severity::Warning, format!("Annotate the ServiceAccount with {role} instead, with the whole ARN of the role."))
    };
    Slip::new(SlipReason::AnnotationOfOtherTool, at, seen, next).severity(severity)
}

fn kiam_grant(key: &str, settings: &Settings) -> Slip {
    let seen = format!(
        "annotation {key} is that of kiam and kube2iam, which read it on namespaces; it neither gives a role nor limits \
         what {} gives.",
        settings.key(ROLE)
    );
    let next = "Remove it once neither of these tools runs.".to_owned();
    Slip::new(SlipReason::AnnotationOfOtherTool, At::Annotation(key.to_owned()), seen, next).severity(Severity::Info)
}

/// The slips in a pod's metadata, or in that of its template.
pub fn of_pod(target: &Target<'_>, given: Given, settings: &Settings) -> Vec<Slip> {
    let may_have = given != Given::Nothing;
    let annotations = target.annotations.iter().filter_map(|(key, text)| match keys::read(key, text, settings) {
        Key::Known(TOKEN_EXPIRATION) => may_have.then(|| value::of(TOKEN_EXPIRATION, key, text, settings)).flatten(),
        Key::Known(SKIP_CONTAINERS) => may_have.then(|| skips(key, text, target)).flatten(),
        Key::Known(name) => Some(misplaced(key, name, "a pod", given, settings)),
        Key::Misspelt(ROLE) => Some(misplaced(key, ROLE, "a pod", given, settings)),
        Key::Misspelt(meant) => may_have.then(|| misspelt(key, meant, settings)),
        Key::Kiam => Some(kiam(key, given, settings)),
        Key::KiamGrant | Key::Unknown | Key::HoldsRole | Key::Other => None,
    });
    let labels = target.labels.iter().filter_map(|(key, text)| match keys::read(key, text, settings) {
        Key::Known(SKIP_POD) => None,
        Key::Known(name) => Some(label(key, name, given, settings)),
        Key::Misspelt(SKIP_POD) => may_have.then(|| misspelt_label(key)),
        _ => None,
    });
    annotations.chain(labels).collect()
}

fn misplaced(key: &str, name: &str, what: &str, given: Given, settings: &Settings) -> Slip {
    let at = At::Annotation(key.to_owned());
    let (seen, next) = match name {
        SKIP_POD => (
            format!("annotation {key} has no effect: it is read as a label of the pod."),
            format!("Write {SKIP_LABEL} in the labels of the pod template."),
        ),
        SKIP_CONTAINERS | TOKEN_EXPIRATION => (
            format!("annotation {key} has no effect on {what}."),
            "Move it to the annotations of the pod template.".to_owned(),
        ),
        _ => {
            let right = settings.key(name);
            let like = if key == right { String::new() } else { format!(", as {right}") };
            (
                format!("annotation {key} has no effect on {what}: the webhook reads {right} on the service account."),
                format!("Move it to the annotations of the pods' ServiceAccount{like}."),
            )
        }
    };
    let severity = if name == ROLE && given == Given::Nothing { Severity::Error } else { Severity::Warning };
    Slip::new(SlipReason::AnnotationMisplaced, at, seen, next).severity(severity)
}

fn misspelt(key: &str, meant: &str, settings: &Settings) -> Slip {
    let right = settings.key(meant);
    let seen = format!("nothing reads the annotation {key}; did you mean {right}?");
    let slip =
        Slip::new(SlipReason::AnnotationMisspelt, At::Annotation(key.to_owned()), seen, format!("Write {right}."));
    slip.severity(Severity::Warning)
}

fn misspelt_label(key: &str) -> Slip {
    let seen = format!("nothing reads the label {key}; did you mean {SKIP_LABEL}?");
    let next = format!("Write {SKIP_LABEL}.");
    Slip::new(SlipReason::AnnotationMisspelt, At::Label(key.to_owned()), seen, next).severity(Severity::Warning)
}

fn label(key: &str, name: &str, given: Given, settings: &Settings) -> Slip {
    let right = settings.key(name);
    let whose = if [SKIP_CONTAINERS, TOKEN_EXPIRATION].contains(&name) { "pod" } else { "ServiceAccount" };
    let seen = format!("{key} is a label, which nothing reads.");
    let next = format!("Write it as the annotation {right} of the {whose}.");
    let severity = if name == ROLE && given == Given::Nothing { Severity::Error } else { Severity::Warning };
    Slip::new(SlipReason::AnnotationMisplaced, At::Label(key.to_owned()), seen, next).severity(severity)
}

fn kiam(key: &str, given: Given, settings: &Settings) -> Slip {
    let role = settings.key(ROLE);
    let seen = format!(
        "annotation {key} is that of kiam and kube2iam; the webhook reads {role} on the pod's service account."
    );
    let (severity, next) = if given == Given::Role {
        (Severity::Info, "Remove it: the pod has a role by its service account.".to_owned())
    } else {
        let next = format!("Bind or annotate the ServiceAccount instead ({role}), with the whole ARN of the role.");
        (Severity::Warning, next)
    };
    Slip::new(SlipReason::AnnotationOfOtherTool, At::Annotation(key.to_owned()), seen, next).severity(severity)
}

/// Containers that the annotation is meant to skip, but does not.
fn skips(key: &str, text: &str, target: &Target<'_>) -> Option<Slip> {
    let containers = || target.spec.all_containers().map(|it| it.name.as_str());
    let slip = |seen: String, next: String| {
        Some(Slip::new(SlipReason::SkipsOtherwise, At::Annotation(key.to_owned()), seen, next))
    };
    let Some(names) = names_in(text) else {
        let seen =
            format!("annotation {key} is \"{}\", which the webhook cannot read: no container is skipped.", shown(text));
        return slip(seen, "Write the names of the containers with commas between them.".to_owned());
    };
    let missed = |name: &&str| !names.iter().any(|skipped| skipped == name);
    let parts: Vec<&str> =
        names.iter().flat_map(|name| name.split([' ', ';', '\n', '\t', '|', '[', ']', '\'', '"'])).collect();
    let meant: Vec<&str> = containers().filter(missed).filter(|name| parts.contains(name)).collect();
    if meant.is_empty() {
        return near(key, text, &names, target);
    }
    let seen = format!(
        "annotation {key} is \"{}\": the webhook takes blanks and other marks for a part of a name, so {} gets the role all \
         the same.",
        shown(text),
        meant.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
    );
    let all: Vec<&str> =
        names.iter().map(String::as_str).chain(meant).filter(|name| containers().any(|it| it == *name)).collect();
    let right = if all.is_empty() { String::new() } else { format!(": {}", all.join(",")) };
    slip(seen, format!("Write the names with commas alone{right}."))
}

/// A name that no container has, but that is nearly that of one.
fn near(key: &str, text: &str, names: &[String], target: &Target<'_>) -> Option<Slip> {
    let containers = || target.spec.all_containers().map(|it| it.name.as_str());
    let mut absent = names.iter().filter(|name| containers().all(|it| it != name.as_str()));
    let skipped = |container: &&str| names.iter().any(|name| name == container);
    let (name, meant) =
        absent.find_map(|name| Some((name, containers().find(|it| !skipped(it) && is_slip(name, it))?)))?;
    let seen = format!(
        "annotation {key} is \"{}\": no container is named {}, so {} gets the role all the same.",
        shown(text),
        shown(name),
        shown(meant)
    );
    let next = format!("Correct the name: did you mean {}?", shown(meant));
    Some(Slip::new(SlipReason::SkipsOtherwise, At::Annotation(key.to_owned()), seen, next))
}
