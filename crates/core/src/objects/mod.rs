//! The Kubernetes objects that are judged, with only the fields that are judged. A watch decodes
//! into these types, so all other fields are skipped during parsing and never held in memory.

mod affinity;
mod apps;
mod argo;
mod argo_strategy;
mod managed_by;
mod meta;
mod observed_binding;
mod observed_pod;
mod owner;
mod pod;
mod reveal;
mod role_object;
mod role_object_kind;
mod volume;
mod workload;

pub(crate) use affinity::WINDOWS_BUILD;
pub use affinity::{Affinity, NodeAffinity, NodeRequirement, NodeSelector, NodeSelectorTerm};
pub use apps::{DaemonSet, Deployment, StatefulSet};
pub use argo::Rollout;
pub use managed_by::{ManagedBy, managed_by};
pub use meta::{Namespace, ObservedAccount, ServiceAccount};
pub use observed_binding::ObservedBinding;
pub use observed_pod::{ObservedPod, PodCondition, PodStatus};
pub use owner::{Controlled, ControllerRef, FieldOwner, ROLLOUT_HASH, field_owners, last_template_edit};
pub use pod::{
    Container, EnvFromSource, EnvSource, EnvVar, FieldRef, KeyRef, NameRef, Phase, Pod, PodMeta, PodOs,
    PodSecurityContext, PodSpec, SecurityContext, SharedMeta, WindowsOptions,
};
pub use reveal::{KeySource, Revealed, Value};
pub use role_object::{
    Ack, AckAssociation, Crossplane, ObservedConfigMap, ObservedRole, RoleApi, RoleObject, Upbound, UpboundNamespaced,
};
pub use role_object_kind::RoleObjectKind;
pub use volume::{
    Present, ProjectedItem, ProjectedItems, ProjectedSource, ProjectedVolume, ServiceAccountToken, Volume,
    VolumeDevice, VolumeMount,
};
pub use workload::{PodTemplate, TemplateMeta, UpdateStrategy, Workload, WorkloadId, WorkloadKind};

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Labels or annotations, as a list in the order of the keys. Most have few entries, and the
/// smallest node of a tree has room for eleven.
pub type Map = litemap::LiteMap<String, String>;

/// The labels or annotations of an object's metadata.
fn map(entries: Option<BTreeMap<String, String>>) -> Map {
    entries.into_iter().flatten().collect()
}

/// The entries whose keys are kept, or `None` if there are none.
pub(crate) fn some(
    mut map: BTreeMap<String, String>,
    is_kept: impl Fn(&str) -> bool,
) -> Option<BTreeMap<String, String>> {
    map.retain(|key, _| is_kept(key));
    (!map.is_empty()).then_some(map)
}

/// Reads `null` as the default, as the API server does: a key without a value in YAML is no error.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
