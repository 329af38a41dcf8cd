//! Fields and annotations that stand where Kubernetes does not look for them, and objects that it
//! does not know.

use super::keys::{self, Key, OF_ACCOUNT, ROLE};
use super::{At, Slip, SlipReason};
use crate::finding::Severity;
use crate::foreign::shown;
use crate::likeness::is_slip;
use crate::settings::Settings;

/// An annotation of a service account that is not in `metadata.annotations`. `path`: where it is
/// instead; empty for the root of the object.
pub fn stray_annotation(key: &str, value: &str, path: &str, has_role: bool, settings: &Settings) -> Option<Slip> {
    let name = match keys::read(key, value, settings) {
        Key::Known(name) => OF_ACCOUNT.into_iter().find(|of| *of == name)?,
        // A key without a domain, such as `role`, may be a field of its own.
        Key::Misspelt(ROLE) if key.contains('/') || keys::is_role(value) => ROLE,
        _ => return None,
    };
    let right = settings.key(name);
    let place = place(path);
    let seen = format!("{key} is {place}, where nothing reads it: annotations are in metadata.annotations.");
    let like = if key == right { String::new() } else { format!(", as {right}") };
    let next = format!("Move it to metadata.annotations{like}.");
    let severity = if name == ROLE && !has_role { Severity::Error } else { Severity::Warning };
    Some(Slip::new(SlipReason::AnnotationMisplaced, At::Object, seen, next).severity(severity))
}

/// An annotation of a service account in the values of a chart, beside `annotations` instead of in
/// it. `path`: where it is.
pub fn stray_value(key: &str, value: &str, path: &str, settings: &Settings) -> Option<Slip> {
    let Key::Known(name) = keys::read(key, value, settings) else { return None };
    OF_ACCOUNT.into_iter().find(|of| *of == name)?;
    let seen = format!("{key} is {}, where charts do not look for annotations.", place(path));
    let next = "Move it to annotations beside it.".to_owned();
    Some(Slip::new(SlipReason::AnnotationMisplaced, At::Object, seen, next))
}

/// A key whose dots have made maps of it, as those of `--set` do without backslashes. `path` and
/// `key`: of the innermost map, or the dotted name of a parameter and nothing.
pub fn split_key(path: &str, key: &str, settings: &Settings) -> Option<Slip> {
    let whole = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
    let right = OF_ACCOUNT
        .map(|name| settings.key(name))
        .into_iter()
        .find(|right| whole.strip_suffix(right.as_str()).is_some_and(|before| before.ends_with("annotations.")))?;
    let seen = format!("{} makes maps of the dots in {right}, and no annotation.", shown(&whole));
    let next = format!("Write {right} as one key; in a parameter, {}.", right.replace('.', "\\."));
    Some(Slip::new(SlipReason::AnnotationMisplaced, At::Object, seen, next))
}

/// A path in an object, for messages.
fn place(path: &str) -> String {
    if path.is_empty() { "at the root of the object".to_owned() } else { format!("in {}", shown(path)) }
}

/// An annotation that `commonAnnotations` of a Kustomization writes to every object.
pub fn common_annotation(key: &str, value: &str, settings: &Settings) -> Option<Slip> {
    let name = match keys::read(key, value, settings) {
        Key::Known(name) | Key::Misspelt(name) if OF_ACCOUNT.contains(&name) => name,
        _ => return None,
    };
    let right = settings.key(name);
    let at = At::Annotation(key.to_owned());
    if key != right {
        let seen = format!("nothing reads the annotation {key}; did you mean {right}?");
        let next = format!("Write {right}, in the manifest of the ServiceAccount.");
        return Some(Slip::new(SlipReason::AnnotationMisspelt, at, seen, next).severity(Severity::Warning));
    }
    let seen = format!("commonAnnotations writes {key} to every object, and so to every service account.");
    let next = "Write it in the manifest of the one ServiceAccount that is meant, or in a patch of it.".to_owned();
    Some(Slip::new(SlipReason::AnnotationMisplaced, at, seen, next).severity(Severity::Warning))
}

/// How a field relates to the field of a pod that names its service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesAccount {
    /// It is that field.
    Right,
    /// It is spelled nearly like it.
    Misspelt,
    /// It is another field.
    No,
}

impl NamesAccount {
    /// For the name of a field.
    pub fn of(field: &str) -> Self {
        match field {
            "serviceAccountName" | "serviceAccount" => Self::Right,
            _ if is_slip(field, "serviceAccountName") || is_slip(field, "serviceAccount") => Self::Misspelt,
            _ => Self::No,
        }
    }
}

/// A service account is named in a field that is not that of the pod. `path`: where the field is.
/// `runs_as`: the service account that the pods run as.
pub fn stray_name(field: &str, account: &str, path: &str, runs_as: &str) -> Slip {
    let seen =
        format!("{} is {}, where nothing reads it: the pods run as {}.", shown(field), place(path), shown(runs_as));
    let next = format!("Write serviceAccountName: {} in the spec of the pod template.", shown(account));
    Slip::new(SlipReason::ServiceAccountNameMisplaced, At::Object, seen, next)
}

/// A custom resource names a service account in a field that its kind does not have. `path`: where
/// the field is. `right`: the field of its kind.
pub fn field_of_kind(kind: &str, field: &str, account: &str, path: &str, right: &str) -> Slip {
    let seen = format!("{} is {}, and no field of a {kind}: nothing reads it.", shown(field), place(path));
    let next = format!("Write {right}: {}.", shown(account));
    Slip::new(SlipReason::ServiceAccountNameMisplaced, At::Object, seen, next)
}

/// A pod spec has both fields with different names. Kubernetes reads `serviceAccount` only if
/// `serviceAccountName` is absent.
pub fn two_names(ignored: &str, runs_as: &str) -> Slip {
    let seen = format!(
        "serviceAccount: {} is ignored, because serviceAccountName is there: the pods run as {}.",
        shown(ignored),
        shown(runs_as)
    );
    let next = "Write serviceAccountName alone, with the one that is meant.".to_owned();
    Slip::new(SlipReason::ServiceAccountNameMisplaced, At::Object, seen, next)
}

/// Kinds of Kubernetes that matter here, each with the API groups that have it.
const KINDS: &[(&str, &[&str])] = &[
    ("ServiceAccount", &[""]),
    ("Pod", &[""]),
    ("PodTemplate", &[""]),
    ("ReplicationController", &[""]),
    ("Namespace", &[""]),
    ("Deployment", &["apps", "extensions"]),
    ("StatefulSet", &["apps"]),
    ("DaemonSet", &["apps", "extensions"]),
    ("ReplicaSet", &["apps", "extensions"]),
    ("Job", &["batch"]),
    ("CronJob", &["batch"]),
    ("PodIdentityBinding", &["podidentity.dev"]),
];
/// The version of the API of bindings.
const BINDING_VERSION: &str = "v1alpha1";

/// An object that no API server knows, but that is nearly one that matters here.
pub fn kind(version: Option<&str>, kind: Option<&str>) -> Option<Slip> {
    let slip = |seen: String, next: String| Some(Slip::new(SlipReason::KindNotKnown, At::Object, seen, next));
    let right = |kind: &str| KINDS.iter().find(|(of, _)| *of == kind).map(|(_, groups)| written(groups, kind));
    let (version, kind) = match (version, kind) {
        (Some(version), Some(kind)) => (version, kind),
        (None, Some(kind)) => {
            let like = KINDS.iter().find(|(of, _)| same(of, kind)).and_then(|(of, _)| right(of));
            let next = like.map_or_else(|| "Write it.".to_owned(), |right| format!("Write {right}."));
            return slip(format!("{} has no apiVersion: kubectl refuses it.", shown(kind)), next);
        }
        (Some(version), None) => {
            let seen = format!("an object of {} has no kind: kubectl refuses it.", shown(version));
            return slip(seen, "Write the kind, for example kind: ServiceAccount.".to_owned());
        }
        (None, None) => return None,
    };
    let (of, groups) = KINDS.iter().find(|(of, _)| same(of, kind))?;
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    // Others have kinds of the same name in groups of their own.
    let foreign = group.contains('.') && !group.ends_with(".k8s.io") && !group.starts_with("podidentity.");
    if foreign {
        return None;
    }
    let known = groups.contains(&group) && is_version(number) && (!group.is_empty() || number == "v1");
    let known = known && (*of != "PodIdentityBinding" || number == BINDING_VERSION);
    if known && *of == kind {
        return None;
    }
    let seen = format!("Kubernetes knows no kind {} of {}: kubectl refuses it.", shown(kind), shown(version));
    slip(seen, format!("Write {}.", right(of)?))
}

/// Whether a kind is meant: capitals and a plural do not matter.
fn same(kind: &str, written: &str) -> bool {
    let written = written.trim();
    let singular = written.strip_suffix(['s', 'S']).unwrap_or(written);
    kind.eq_ignore_ascii_case(written) || kind.eq_ignore_ascii_case(singular)
}

fn written(groups: &[&str], kind: &str) -> String {
    match groups.first() {
        Some(&"podidentity.dev") => format!("apiVersion: podidentity.dev/{BINDING_VERSION} and kind: {kind}"),
        None | Some(&"") => format!("apiVersion: v1 and kind: {kind}"),
        Some(group) => format!("apiVersion: {group}/v1 and kind: {kind}"),
    }
}

/// `v1`, `v1beta2` and so on.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.contains('/'))
}

/// A manifest of a service account that another one has already described. `other`: the place of
/// the other. `roles`: the roles of the other and of this one.
pub fn repeated(name: &str, other: &str, roles: (Option<&str>, Option<&str>), settings: &Settings) -> Option<Slip> {
    let key = settings.key(ROLE);
    let seen = match roles {
        (one, two) if one == two => return None,
        (Some(one), Some(two)) => format!(
            "service account {name} is written twice: {other} has {key} {}, this one {}; the one that is applied last \
             remains.",
            shown(one),
            shown(two)
        ),
        (Some(_), None) => format!(
            "service account {name} is written twice: {other} has {key}, this one does not, and kubectl apply removes it \
             again."
        ),
        (None, _) => format!(
            "service account {name} is written twice: this one has {key}, {other} does not; the one that is applied last \
             remains."
        ),
    };
    let next = "Keep one of them.".to_owned();
    Some(Slip::new(SlipReason::ServiceAccountRepeated, At::Object, seen, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_kubernetes_and_of_others_are_known() {
        for (version, of) in [
            ("v1", "ServiceAccount"),
            ("apps/v1", "Deployment"),
            ("extensions/v1beta1", "DaemonSet"),
            ("batch/v1beta1", "CronJob"),
            ("batch.volcano.sh/v1alpha1", "Job"),
            ("apps.kruise.io/v1beta1", "StatefulSet"),
            ("cloudplatform.gcp.upbound.io/v1beta1", "ServiceAccount"),
            ("podidentity.dev/v1alpha1", "PodIdentityBinding"),
            ("example.com/v1", "anything"),
        ] {
            assert_eq!(kind(Some(version), Some(of)), None, "{version} {of}");
        }
    }

    #[test]
    fn kinds_that_nobody_has_are_told() {
        for (version, of) in [
            ("v1", "serviceaccount"),
            ("v1", "ServiceAccounts"),
            ("core/v1", "ServiceAccount"),
            ("V1", "ServiceAccount"),
            ("apps/v1", "ServiceAccount"),
            ("rbac.authorization.k8s.io/v1", "ServiceAccount"),
            ("v1", "Deployment"),
            ("apps/v1", "deployment"),
            ("podidentity.dev/v1", "PodIdentityBinding"),
            ("podidentity.dev/v1alpha1", "PodIdentityBindings"),
        ] {
            let slip = kind(Some(version), Some(of));
            assert_eq!(slip.map(|slip| slip.reason), Some(SlipReason::KindNotKnown), "{version} {of}");
        }
        assert!(kind(None, Some("ServiceAccount")).is_some_and(|slip| slip.next.contains("apiVersion: v1 and")));
        assert!(kind(Some("v1"), None).is_some());
        assert_eq!(kind(None, None), None);
    }
}
