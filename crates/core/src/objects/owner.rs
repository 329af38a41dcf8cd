//! Who owns what: controllers of pods, and field managers of annotations.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use podidentity_api::names;
use serde_json::Value;

/// Where the annotations of an object lie in `fieldsV1`.
const OBJECT_ANNOTATIONS: &[&str] = &["f:metadata", "f:annotations"];
/// Where the annotations of a pod template lie in `fieldsV1`.
const TEMPLATE_ANNOTATIONS: &[&str] = &["f:spec", "f:template", "f:metadata", "f:annotations"];

/// The suffixes of the annotations that a binding may write to a service account; the domain is a setting.
const SERVICE_ACCOUNT_KEYS: &[&str] = &["/role-arn", "/audience", "/token-expiration", "/sts-regional-endpoints"];

/// A field manager that owns an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwner {
    /// The manager's name, for example `kubectl-client-side-apply`.
    pub manager: String,
    /// Whether it owns the field by server-side apply.
    pub applies: bool,
    /// When it last wrote any field that it owns.
    pub time: Option<Timestamp>,
}

/// The owners of annotation `key` of an object, or of its pod template if `template`.
pub fn field_owners<'a>(meta: &'a ObjectMeta, key: &str, template: bool) -> impl Iterator<Item = FieldOwner> + use<'a> {
    let path = if template { TEMPLATE_ANNOTATIONS } else { OBJECT_ANNOTATIONS };
    let field = format!("f:{key}");
    meta.managed_fields
        .iter()
        .flatten()
        .filter(move |entry| annotations(entry, path).is_some_and(|fields| fields.contains_key(&field)))
        .map(|entry| FieldOwner {
            manager: entry.manager.clone().unwrap_or_default(),
            applies: entry.operation.as_deref() == Some("Apply"),
            time: entry.time.as_ref().map(|time| time.0),
        })
}

/// Whether the entry owns an annotation that this product writes.
pub(super) fn owns_identity_annotation(entry: &ManagedFieldsEntry) -> bool {
    let of_account = annotations(entry, OBJECT_ANNOTATIONS)
        .is_some_and(|fields| fields.keys().any(|key| SERVICE_ACCOUNT_KEYS.iter().any(|suffix| key.ends_with(suffix))));
    let of_template = annotations(entry, TEMPLATE_ANNOTATIONS)
        .is_some_and(|fields| fields.keys().any(|key| key.strip_prefix("f:") == Some(names::IDENTITY_ANNOTATION)));
    of_account || of_template
}

fn annotations<'a>(entry: &'a ManagedFieldsEntry, path: &[&str]) -> Option<&'a serde_json::Map<String, Value>> {
    path.iter().try_fold(&entry.fields_v1.as_ref()?.0, |fields, step| fields.get(step))?.as_object()
}

/// The controller of a pod, as far as the pod itself tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerRef {
    /// Kind: the Deployment of a pod whose ReplicaSet belongs to one, otherwise the kind of the owner reference, with its
    /// group where it is named like a kind of Kubernetes itself.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl ControllerRef {
    /// The controller of the object, or `None` for a bare pod.
    ///
    /// A ReplicaSet of a Deployment is named after the Deployment and the pod template's hash, which the pod has as a
    /// label; so the Deployment is known without looking at ReplicaSets. The same holds for Argo Rollouts.
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
        // Others have kinds of these names too; kubectl tells them apart in the same way.
        let group = owner.api_version.split_once('/').map_or("apps", |(group, _)| group);
        if ["ReplicaSet", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) && group != "apps" {
            return Some(Self { kind: format!("{}.{group}", owner.kind), name: owner.name.clone() });
        }
        if owner.kind == "ReplicaSet" {
            for (label, kind) in [("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout")] {
                let hash = meta.labels.as_ref().and_then(|labels| labels.get(label));
                let name = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
                if let Some(name) = name {
                    return Some(Self { kind: kind.to_owned(), name: name.to_owned() });
                }
            }
        }
        Some(Self { kind: owner.kind.clone(), name: owner.name.clone() })
    }
}
