//! Slips on a service account.

use podidentity_api::names;

use super::keys::{self, AUDIENCE, Key, OF_ACCOUNT, ROLE, SKIP_POD};
use super::{At, Slip, SlipReason, value};
use crate::arn::is_unfilled;
use crate::finding::Severity;
use crate::foreign::shown;
use crate::injection::SKIP_CONTAINERS;
use crate::objects::Map;
use crate::settings::Settings;

/// The inputs for finding the slips on a service account.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Its annotations.
    pub annotations: &'a Map,
    /// Its labels, as far as they are known.
    pub labels: &'a Map,
    /// Whether a binding, or the webhook's ConfigMap, gives it a role although its annotations name
    /// none.
    pub bound: bool,
}

impl Holder<'_> {
    /// Whether its pods get a role.
    pub fn has_role(&self, settings: &Settings) -> bool {
        let annotated = self.annotations.get(&settings.key(ROLE));
        self.bound || annotated.is_some_and(|role| settings.names_role(role))
    }
}

/// The slips on a service account, in the order of its keys.
pub fn of_account(holder: Holder<'_>, settings: &Settings) -> Vec<Slip> {
    let has_role = holder.has_role(settings);
    let mut slips: Vec<Slip> = Vec::new();
    for (key, value) in holder.annotations {
        match keys::read(key, value, settings) {
            Key::Known(ROLE) => slips.extend(role(key, value, holder.bound, settings)),
            Key::Known(name) if OF_ACCOUNT.contains(&name) => slips.extend(value::of(name, key, value, settings)),
            Key::Known(name) => slips.push(of_pods(key, name)),
            // If another domain is configured, the default one may belong to a second webhook.
            Key::Misspelt(_)
                if has_role
                    && key.starts_with(names::EKS_DOMAIN)
                    && settings.annotation_domain != names::EKS_DOMAIN => {}
            Key::Misspelt(meant) => slips.push(misspelt(key, meant, has_role, settings)),
            Key::Kiam => slips.push(kiam(At::Annotation(key.clone()), "annotation", key, has_role, settings)),
            Key::Unknown => slips.push(unknown(key)),
            Key::HoldsRole if !has_role => slips.push(holds_role(key, settings)),
            Key::KiamGrant | Key::HoldsRole | Key::Other => {}
        }
    }
    slips.extend(holder.labels.iter().filter_map(|(key, value)| label(key, value, has_role, settings)));
    slips.extend(missing(&holder, &slips, settings));
    slips
}

/// The role annotation is empty, or its value is not a role.
fn role(key: &str, value: &str, bound: bool, settings: &Settings) -> Option<Slip> {
    let at = At::Annotation(key.to_owned());
    if !settings.names_role(value) {
        let seen = format!("annotation {key} is empty: the webhook takes that for no role and injects nothing.");
        let next = "Fill in the ARN of the role where the manifest is made, or remove the annotation.".to_owned();
        return (!bound).then(|| Slip::new(SlipReason::RoleAnnotationEmpty, at, seen, next));
    }
    if let Some(slip) = composed(key, value, settings) {
        return Some(slip);
    }
    value::role(&format!("annotation {key}"), "the annotation", at, &settings.role(value))
}

/// The webhook completes the value to an ARN that cannot be meant.
fn composed(key: &str, value: &str, settings: &Settings) -> Option<Slip> {
    let role = settings.role(value);
    if role == value {
        return None;
    }
    let plain = value.trim_start_matches('/');
    let plain = plain.strip_prefix("role/").unwrap_or(plain);
    let next = if is_unfilled(plain) {
        "Write the name of the role, or remove the annotation.".to_owned()
    } else if plain.len() < value.len() {
        format!("Write {plain}: the webhook puts role/ before it.")
    } else {
        return None;
    };
    let seen = format!("annotation {key} is \"{}\", which the webhook completes to {}.", shown(value), shown(&role));
    Some(Slip::new(SlipReason::InvalidRoleArn, At::Annotation(key.to_owned()), seen, next))
}

/// Annotations that go with a role, but no role annotation. `None` if another slip already explains
/// why the role is missing.
fn missing(holder: &Holder<'_>, slips: &[Slip], settings: &Settings) -> Option<Slip> {
    let role = settings.key(ROLE);
    let told = |slip: &Slip| {
        let reasons =
            [SlipReason::AnnotationMisspelt, SlipReason::AnnotationOfOtherTool, SlipReason::AnnotationMisplaced];
        slip.severity == Severity::Error && reasons.contains(&slip.reason)
    };
    if holder.bound || holder.annotations.contains_key(&role) || slips.iter().any(told) {
        return None;
    }
    let others = OF_ACCOUNT.map(|name| (name, settings.key(name)));
    let others: Vec<_> = others.into_iter().filter(|(_, key)| holder.annotations.contains_key(key)).collect();
    let (_, first) = others.first()?;
    let list = others.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(", ");
    let at = At::Annotation(first.clone());
    let needs_role = others.iter().any(|(name, _)| *name == AUDIENCE);
    let (severity, unless) = if needs_role {
        (Severity::Error, "")
    } else {
        (Severity::Warning, ", unless the role comes from an association of EKS Pod Identity")
    };
    let seen = format!("the service account has {list} but no {role}: nothing is injected{unless}.");
    let next = format!("Add {role} with the ARN of the role, or remove the other annotations.");
    Some(Slip::new(SlipReason::RoleAnnotationMissing, at, seen, next).severity(severity))
}

fn misspelt(key: &str, meant: &str, has_role: bool, settings: &Settings) -> Slip {
    if [SKIP_CONTAINERS, SKIP_POD].contains(&meant) {
        return of_pods(key, meant);
    }
    let right = settings.key(meant);
    let seen = if meant == ROLE && !has_role {
        format!("nothing reads the annotation {key}; did you mean {right}? Pods get no role.")
    } else {
        format!("nothing reads the annotation {key}; did you mean {right}?")
    };
    let next = format!("Write {right}.");
    let severity = if meant == ROLE && !has_role { Severity::Error } else { Severity::Warning };
    Slip::new(SlipReason::AnnotationMisspelt, At::Annotation(key.to_owned()), seen, next).severity(severity)
}

fn unknown(key: &str) -> Slip {
    let seen = format!("nothing reads the annotation {key} on a service account.");
    let next = "Remove it, if nothing of your own reads it.".to_owned();
    Slip::new(SlipReason::AnnotationUnknown, At::Annotation(key.to_owned()), seen, next)
}

/// A role stands under a key of someone else, and the account has none by its own key.
fn holds_role(key: &str, settings: &Settings) -> Slip {
    let right = settings.key(ROLE);
    let seen = format!("annotation {key} is the ARN of a role, but the webhook reads {right} alone; pods get no role.");
    let next = format!("Write {right}, if pods are to have the role.");
    Slip::new(SlipReason::AnnotationMisspelt, At::Annotation(key.to_owned()), seen, next).severity(Severity::Warning)
}

fn kiam(at: At, what: &str, key: &str, has_role: bool, settings: &Settings) -> Slip {
    let role = settings.key(ROLE);
    let seen = format!(
        "{what} {key} is that of kiam and kube2iam, which read it on pods; the webhook reads {role} on service accounts."
    );
    let (severity, next) = if has_role {
        (Severity::Info, "Remove it.".to_owned())
    } else {
        (Severity::Error, format!("Write {role} with the whole ARN of the role instead."))
    };
    Slip::new(SlipReason::AnnotationOfOtherTool, at, seen, next).severity(severity)
}

/// A key that is read on pods has no effect on a service account.
fn of_pods(key: &str, name: &str) -> Slip {
    let place = if name == SKIP_POD { "label of the pod" } else { "annotation of the pod" };
    let seen = format!("{key} has no effect on a service account: {name} is read as {place}.");
    let next =
        format!("Move it to the {} of the pod template.", if name == SKIP_POD { "labels" } else { "annotations" });
    Slip::new(SlipReason::AnnotationMisplaced, At::Annotation(key.to_owned()), seen, next).severity(Severity::Warning)
}

fn label(key: &str, value: &str, has_role: bool, settings: &Settings) -> Option<Slip> {
    let name = match keys::read(key, value, settings) {
        Key::Known(name) | Key::Misspelt(name) => name,
        Key::Kiam => return Some(kiam(At::Label(key.to_owned()), "label", key, has_role, settings)),
        _ => return None,
    };
    let severity = if name == ROLE && !has_role { Severity::Error } else { Severity::Warning };
    let right = settings.key(name);
    let (seen, next) = if OF_ACCOUNT.contains(&name) {
        (format!("{key} is a label, which nothing reads."), format!("Write it as the annotation {right}."))
    } else {
        (
            format!("the label {key} has no effect on a service account."),
            "Move it to the pod template, if it is meant for pods.".to_owned(),
        )
    };
    // A label without a domain, such as `role-arn`, may belong to anyone.
    key.contains('/')
        .then(|| Slip::new(SlipReason::AnnotationMisplaced, At::Label(key.to_owned()), seen, next).severity(severity))
}
