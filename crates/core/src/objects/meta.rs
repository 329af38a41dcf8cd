//! Object metadata with only the fields that are judged, and the two objects that consist only of
//! metadata here: service accounts and namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use kube_derive::Resource;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::some;
use super::{Map, map};

/// `kubectl apply` stores a copy of the whole object in this annotation; it is not judged.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SlimMeta<M: Default> {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    managed_fields: Option<M>,
}

impl<M: Default> Default for SlimMeta<M> {
    fn default() -> Self {
        Self {
            name: None,
            namespace: None,
            uid: None,
            resource_version: None,
            generation: None,
            creation_timestamp: None,
            deletion_timestamp: None,
            labels: None,
            annotations: None,
            owner_references: None,
            finalizers: None,
            managed_fields: None,
        }
    }
}

impl<M: Default> SlimMeta<M> {
    fn into_meta(self) -> (ObjectMeta, Option<M>) {
        let annotations = self.annotations.and_then(|it| some(it, |key| key != LAST_APPLIED));
        let meta = ObjectMeta {
            name: self.name,
            namespace: self.namespace,
            uid: self.uid,
            resource_version: self.resource_version,
            generation: self.generation,
            creation_timestamp: self.creation_timestamp,
            deletion_timestamp: self.deletion_timestamp,
            labels: self.labels,
            annotations,
            owner_references: self.owner_references,
            finalizers: self.finalizers,
            ..ObjectMeta::default()
        };
        (meta, self.managed_fields)
    }
}

/// Metadata without `managedFields`.
pub(super) fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    Ok(SlimMeta::<IgnoredAny>::deserialize(deserializer)?.into_meta().0)
}

/// Metadata with only the `managedFields` entries that own an annotation of the operator or part of
/// a pod template.
fn with_owners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let (mut meta, managed) = SlimMeta::<Vec<ManagedFieldsEntry>>::deserialize(deserializer)?.into_meta();
    meta.managed_fields = managed.map(|entries| {
        let mut kept: Vec<_> = entries.into_iter().filter_map(super::owner::compact).collect();
        kept.shrink_to_fit();
        kept
    });
    Ok(meta)
}

/// Metadata of a workload, without the owner references, which are not judged.
pub(super) fn slim_workload<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    Ok(ObjectMeta { owner_references: None, ..with_owners(deserializer)? })
}

/// Metadata of a service account, with only the labels and owner references that identify the tool
/// that manages it.
fn slim_account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let mut meta = with_owners(deserializer)?;
    meta.labels = meta.labels.and_then(|it| some(it, super::managed_by::is_mark));
    meta.owner_references = meta.owner_references.and_then(|mut owners| {
        owners.retain(super::managed_by::is_manager);
        (!owners.is_empty()).then_some(owners)
    });
    Ok(meta)
}

/// A service account as the API server returns it, with only the fields that are judged. It becomes
/// a [`ServiceAccount`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(inherit = k8s::ServiceAccount, crates(kube_core = "::kube_core"))]
pub struct ObservedAccount {
    /// Metadata, with only the labels, owner references and `managedFields` that are judged.
    #[serde(deserialize_with = "slim_account")]
    pub metadata: ObjectMeta,
}

/// A service account: its annotations and who owns them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "ObservedAccount")]
pub struct ServiceAccount {
    /// Metadata without labels and annotations, and with only the `managedFields` of owners of
    /// identity annotations.
    pub metadata: ObjectMeta,
    /// Labels that identify the tool that manages the service account.
    pub labels: Map,
    /// Annotations.
    pub annotations: Map,
}

impl From<ObservedAccount> for ServiceAccount {
    fn from(ObservedAccount { mut metadata }: ObservedAccount) -> Self {
        let (labels, annotations) = (map(metadata.labels.take()), map(metadata.annotations.take()));
        Self { metadata, labels, annotations }
    }
}

/// A namespace: its annotations, and whether it is being deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(inherit = k8s::Namespace, crates(kube_core = "::kube_core"))]
pub struct Namespace {
    /// Metadata without `managedFields`.
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
}
