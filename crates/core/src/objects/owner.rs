//! Owners: the controllers of pods, and the field managers of annotations.

use crate::settings::IdentityAnnotation;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use podidentity_api::names;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The path of an object's annotations in `fieldsV1`.
const OBJECT_ANNOTATIONS: &[&str] = &["f:metadata", "f:annotations"];
/// The path of a pod template's annotations in `fieldsV1`.
const TEMPLATE_ANNOTATIONS: &[&str] = &["f:spec", "f:template", "f:metadata", "f:annotations"];

/// The label of a Rollout's pods with the hash of their template.
pub const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

/// Prefix of a pod template's annotation in the list form of `fieldsV1`, which [`compact`] makes.
const IN_TEMPLATE: &str = "t:";

/// Entry in that list: another manager than the operator owns part of the pod template.
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

/// Whether the `fieldsV1` key stands for an annotation that a binding may write to a service
/// account. Any domain matches, because the domain is a setting.
fn is_of_account(key: &str) -> bool {
    let name = key.rsplit_once('/').and_then(|(_, name)| IdentityAnnotation::named(name));
    name.is_some() || key.strip_prefix("f:") == Some(names::BOUND_BY_ANNOTATION)
}

/// The entry with only the parts that are read, or `None` if it owns neither an annotation that the
/// operator writes nor part of a pod template.
///
/// A tree of `fieldsV1` takes kilobytes of memory. The entry keeps a list of the relevant
/// annotations instead: `f:KEY` for an annotation of the object, `t:f:KEY` for one of its pod
/// template.
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

/// Whether the entry belongs to another manager than the operator and owns part of the pod
/// template.
fn edits_template(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    entry.manager.as_deref() != Some(names::FIELD_MANAGER)
        && match fields {
            Some(Value::Array(kept)) => kept.iter().any(|kept| kept == TEMPLATE),
            Some(tree) => tree.pointer("/f:spec/f:template").is_some(),
            None => false,
        }
}

/// When a manager other than the operator last wrote the pod template, or another part of the
/// object that the same `managedFields` entry covers; and the name of that manager.
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
    /// Kind. For a pod of a ReplicaSet that belongs to a Deployment or Rollout, it is `Deployment`
    /// or `Rollout`. Otherwise it is the kind of the owner reference, followed by its API group if
    /// the kind has the same name as one of the group `apps`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Whether it is a Deployment or Rollout that owns the pod directly, as some operators set it.
    /// Such a pod is not one of its replicas, which belong to its ReplicaSets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
}

/// Metadata that tells who controls its object.
pub trait Controlled {
    /// The controller of the object, or `None` for a bare pod.
    fn controller(&self) -> Option<ControllerRef>;
}

/// The longest name that an object can have, in characters. The API server does not limit the names
/// in owner references.
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
    /// The name of a Deployment's ReplicaSet consists of the Deployment's name and the hash of the
    /// pod template. The pod has that hash as a label, so no ReplicaSet has to be read to find the
    /// Deployment. The same holds for Argo Rollouts.
    fn controller(&self) -> Option<ControllerRef> {
        let owner = self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
        // Other API groups have kinds of these names too; kubectl also tells them apart by the
        // group.
        let group = owner.api_version.split_once('/').map_or("apps", |(group, _)| group);
        if ["ReplicaSet", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) && group != "apps" {
            return Some(ControllerRef::new(&format!("{}.{group}", owner.kind), &owner.name, false));
        }
        if owner.kind == "ReplicaSet" {
            for (label, kind) in [("pod-template-hash", "Deployment"), (ROLLOUT_HASH, "Rollout")] {
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

/// The name, cut if it is longer than the name of any object.
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
