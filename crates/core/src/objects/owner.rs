//! Who owns what: controllers of pods, and field managers of annotations.

use crate::settings::IdentityAnnotation;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use podidentity_api::names;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the annotations of an object lie in `fieldsV1`.
const OBJECT_ANNOTATIONS: &[&str] = &["f:metadata", "f:annotations"];
/// Where the annotations of a pod template lie in `fieldsV1`.
const TEMPLATE_ANNOTATIONS: &[&str] = &["f:spec", "f:template", "f:metadata", "f:annotations"];

/// Put before an annotation of the pod template where `fieldsV1` is kept as a list.
const IN_TEMPLATE: &str = "t:";

/// In such a list: some other part of the pod template.
const TEMPLATE: &str = "t:";

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

/// Whether a binding may write the annotation with this key of `fieldsV1` to a service account. The
/// domain is a setting.
fn is_of_account(key: &str) -> bool {
    let name = key.rsplit_once('/').and_then(|(_, name)| IdentityAnnotation::named(name));
    name.is_some() || key.strip_prefix("f:") == Some(names::BOUND_BY_ANNOTATION)
}

/// The entry without what nobody asks of it, or `None` if it owns neither an annotation that this
/// product writes nor part of a pod template.
///
/// A tree of `fieldsV1` takes kilobytes in memory, so it is kept as a list of the annotations that
/// are asked for: `f:KEY` for one of the object, `t:f:KEY` for one of its pod template.
pub(super) fn compact(entry: ManagedFieldsEntry) -> Option<ManagedFieldsEntry> {
    let is_mark = |key: &&String| key.strip_prefix("f:") == Some(names::IDENTITY_ANNOTATION);
    let of_account = annotations(&entry, OBJECT_ANNOTATIONS).into_iter().flat_map(serde_json::Map::keys);
    let of_template = annotations(&entry, TEMPLATE_ANNOTATIONS).into_iter().flat_map(serde_json::Map::keys);
    let kept = of_account.filter(|key| is_of_account(key)).cloned();
    let edits = (edits_template(&entry)).then(|| TEMPLATE.to_owned());
    let marks = of_template.filter(is_mark).map(|key| format!("{IN_TEMPLATE}{key}"));
    let kept: Vec<Value> = kept.chain(marks).chain(edits).map(Value::String).collect();
    (!kept.is_empty()).then(|| ManagedFieldsEntry {
        manager: entry.manager,
        operation: entry.operation,
        time: entry.time,
        fields_v1: Some(FieldsV1(Value::Array(kept))),
        ..ManagedFieldsEntry::default()
    })
}

/// The owners of annotation `key` of an object, or of its pod template if `template`.
pub fn field_owners<'a>(meta: &'a ObjectMeta, key: &str, template: bool) -> impl Iterator<Item = FieldOwner> + use<'a> {
    let path = if template { TEMPLATE_ANNOTATIONS } else { OBJECT_ANNOTATIONS };
    let field = format!("f:{key}");
    let in_list = format!("{}{field}", if template { IN_TEMPLATE } else { "" });
    meta.managed_fields
        .iter()
        .flatten()
        .filter(move |entry| match entry.fields_v1.as_ref().map(|fields| &fields.0) {
            Some(Value::Array(kept)) => kept.iter().any(|kept| *kept == in_list),
            _ => annotations(entry, path).is_some_and(|fields| fields.contains_key(&field)),
        })
        .map(|entry| FieldOwner {
            manager: entry.manager.clone().unwrap_or_default(),
            applies: entry.operation.as_deref() == Some("Apply"),
            time: entry.time.as_ref().map(|time| time.0),
        })
}

/// Whether another manager owns part of the pod template.
fn edits_template(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    entry.manager.as_deref() != Some(names::FIELD_MANAGER)
        && match fields {
            Some(Value::Array(kept)) => kept.iter().any(|kept| kept == TEMPLATE),
            Some(tree) => tree.pointer("/f:spec/f:template").is_some(),
            None => false,
        }
}

/// When another manager than the operator last wrote to the pod template, or to another part of the
/// object together with it; who that is.
pub fn last_template_edit(meta: &ObjectMeta) -> Option<(Timestamp, &str)> {
    let others = meta.managed_fields.iter().flatten().filter(|entry| edits_template(entry));
    others.filter_map(|entry| Some((entry.time.as_ref()?.0, entry.manager.as_deref().unwrap_or_default()))).max()
}

fn annotations<'a>(entry: &'a ManagedFieldsEntry, path: &[&str]) -> Option<&'a serde_json::Map<String, Value>> {
    path.iter().try_fold(&entry.fields_v1.as_ref()?.0, |fields, step| fields.get(step))?.as_object()
}

/// The controller of a pod, as far as the pod itself tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ControllerRef {
    /// Kind: the Deployment of a pod whose ReplicaSet belongs to one, otherwise the kind of the
    /// owner reference, with its group where it is named like a kind of Kubernetes itself.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Whether it is a Deployment or Rollout that owns the pod itself, as some operators make it:
    /// such pods are none of its replicas, which belong to its ReplicaSets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
}

/// Metadata that tells who controls its object.
pub trait Controlled {
    /// The controller of the object, or `None` for a bare pod.
    fn controller(&self) -> Option<ControllerRef>;
}

/// The longest name that an object can have. The API server does not look at the length of the
/// names in owner references.
const LONGEST_NAME: usize = 253;

impl ControllerRef {
    fn new(kind: &str, name: &str, direct: bool) -> Self {
        Self { kind: bounded(kind), name: bounded(name), direct }
    }

    /// The controller of the object, or `None` for a bare pod.
    pub fn of(meta: &impl Controlled) -> Option<Self> {
        meta.controller()
    }
}

impl Controlled for ObjectMeta {
    /// A ReplicaSet of a Deployment is named after the Deployment and the pod template's hash,
    /// which the pod has as a label; so the Deployment is known without looking at ReplicaSets. The
    /// same holds for Argo Rollouts.
    fn controller(&self) -> Option<ControllerRef> {
        let owner = self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
        // Others have kinds of these names too; kubectl tells them apart in the same way.
        let group = owner.api_version.split_once('/').map_or("apps", |(group, _)| group);
        if ["ReplicaSet", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) && group != "apps" {
            return Some(ControllerRef::new(&format!("{}.{group}", owner.kind), &owner.name, false));
        }
        if owner.kind == "ReplicaSet" {
            for (label, kind) in [("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout")] {
                let hash = self.labels.as_ref().and_then(|labels| labels.get(label));
                let name = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
                if let Some(name) = name {
                    return Some(ControllerRef::new(kind, name, false));
                }
            }
        }
        let direct = ["Deployment", "Rollout"].contains(&owner.kind.as_str());
        Some(ControllerRef::new(&owner.kind, &owner.name, direct))
    }
}

/// The name; one that no object can have is cut.
fn bounded(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}\u{2026}", &name[..end]),
        None => name.to_owned(),
    }
}

impl Controlled for super::PodMeta {
    fn controller(&self) -> Option<ControllerRef> {
        self.shared.controller.clone()
    }
}
