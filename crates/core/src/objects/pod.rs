//! Pods: what injection changes and what verification judges.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::{Affinity, ControllerRef, Map, Revealed, Value, Volume, VolumeDevice, VolumeMount, null_default};

/// A pod with the fields that are judged. A cluster has many pods, so the pods of one template
/// share what they have in common.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "super::ObservedPod")]
pub struct Pod {
    /// Metadata.
    pub metadata: PodMeta,
    /// The spec as it was admitted.
    pub spec: Arc<PodSpec>,
    /// The phase of its lifecycle.
    pub phase: Phase,
    /// Whether its `Ready` condition is true.
    pub ready: bool,
    /// Whether a container has run and is not ready.
    pub failing: bool,
}

/// A pod's metadata. The fields that pods do not share have the names and types of Kubernetes'
/// `ObjectMeta`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodMeta {
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// UID.
    pub uid: Option<String>,
    /// Resource version.
    pub resource_version: Option<String>,
    /// When it was created; `None` for a pod that is about to be created.
    pub creation_timestamp: Option<Time>,
    /// Set if it is being deleted.
    pub deletion_timestamp: Option<Time>,
    /// What it shares with the other pods of its template.
    pub shared: Arc<SharedMeta>,
}

/// Metadata that the pods of one template have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedMeta {
    /// Labels.
    pub labels: Map,
    /// Annotations.
    pub annotations: Map,
    /// The controller; `None` for a bare pod.
    pub controller: Option<ControllerRef>,
}

/// The phase of a pod's lifecycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// `Pending`, `Running` or `Unknown`.
    #[default]
    Alive,
    /// `Succeeded` or `Failed`.
    Finished,
}

impl From<Option<&str>> for Phase {
    fn from(phase: Option<&str>) -> Self {
        match phase {
            Some("Succeeded" | "Failed") => Self::Finished,
            _ => Self::Alive,
        }
    }
}

/// A pod's specification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The service account; absent means `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The deprecated name of `serviceAccountName`. The API server still copies its value to
    /// `serviceAccountName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// The node selector, by which Windows pods are recognized.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Map::is_empty")]
    pub node_selector: Map,
    /// The operating system that the pod says it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<PodOs>,
    /// The nodes on which the pod may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Box<Affinity>>,
    /// Whether the pod uses the node's network, from which it can reach the node's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// User and groups of all containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// Init containers, including native sidecars.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Containers.
    #[serde(deserialize_with = "null_default")]
    pub containers: Vec<Container>,
    /// Volumes.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
}

impl PodSpec {
    /// All containers, init containers first.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Whether its containers run as processes of a Windows node. Kubernetes has all of them do so,
    /// or none.
    pub fn is_host_process(&self) -> bool {
        let of_pod = self.security_context.as_ref().and_then(|it| it.windows_options);
        let of_containers = self.all_containers().filter_map(|it| it.security_context.as_ref()?.windows_options);
        of_pod.into_iter().chain(of_containers).any(|options| options.host_process == Some(true))
    }

    /// The service account that the pod runs as.
    pub fn service_account(&self) -> &str {
        let named = self.service_account_name.as_deref().filter(|name| !name.is_empty());
        named.or(self.service_account.as_deref().filter(|name| !name.is_empty())).unwrap_or("default")
    }
}

impl Pod {
    /// The pod's name, empty if it has none.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether the pod counts: it is neither being deleted nor finished.
    pub fn is_live(&self) -> bool {
        self.metadata.deletion_timestamp.is_none() && self.phase == Phase::Alive
    }

    /// Whether it is being deleted and has not ended yet.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() && self.phase == Phase::Alive
    }

    /// Whether the pod's `Ready` condition is true.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether the pod does not come up although a container of it has run: it crashes, or its
    /// probe fails. A pod that waits for a node or an image, or whose node is lost, is not ready
    /// but not failing.
    pub fn is_failing(&self) -> bool {
        self.failing && !self.ready
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.shared.annotations.get(key).map(String::as_str)
    }

    /// The controller, as far as the pod itself tells.
    pub fn controller(&self) -> Option<&ControllerRef> {
        self.metadata.shared.controller.as_ref()
    }
}

/// The operating system that a pod says it is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodOs {
    /// `linux` or `windows`.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
}

/// User and groups of all containers of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurityContext {
    /// Group that owns the volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<i64>,
    /// Further groups of every process.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub supplemental_groups: Vec<i64>,
    /// Main group of every process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Whether root is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Options of Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows_options: Option<WindowsOptions>,
}

/// Options of Windows, as far as they show that a container runs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowsOptions {
    /// Whether the container runs as a process of the node, which only Windows has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_process: Option<bool>,
}

/// A container's user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// Main group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Whether root is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Options of Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows_options: Option<WindowsOptions>,
}

/// A container or init container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Variables; if two have the same name, the last one wins.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of further variables, which `env` overrides.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// Mounts.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Block devices; their paths must differ from those of mounts.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub volume_devices: Vec<VolumeDevice>,
    /// `Always` makes an init container a native sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
}

/// An environment variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value; may refer to earlier variables as `$(NAME)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Box<EnvSource>>,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvSource {
    /// A key of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A field of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
    /// The value of the key, if the ConfigMap or Secret is known.
    #[serde(skip)]
    pub revealed: Option<Value>,
}

/// A key of a Secret or ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    /// Name of the object.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Whether the container starts without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A field of the pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// For example `metadata.annotations['role']`.
    pub field_path: String,
}

/// A Secret or ConfigMap all of whose keys become variables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFromSource {
    /// The prefix for each key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<NameRef>,
    /// The ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<NameRef>,
    /// The keys of the Secret or ConfigMap, if they are known.
    #[serde(skip)]
    pub revealed: Option<Arc<Revealed>>,
}

/// The name of a Secret or ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NameRef {
    /// Name.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
}
