//! A pod as a watch delivers it.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_derive::Resource;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::owner::ControllerRef;
use super::pod::{Phase, PodMeta, SharedMeta};
use super::{Pod, PodSpec, map, null_default};

/// A pod as the API server returns it, with only the fields that are judged. It becomes a [`Pod`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(inherit = k8s::Pod, crates(kube_core = "::kube_core"))]
pub struct ObservedPod {
    /// Metadata without `managedFields`.
    #[serde(deserialize_with = "super::meta::slim")]
    pub metadata: ObjectMeta,
    /// The spec as it was admitted.
    #[serde(default, deserialize_with = "null_default")]
    pub spec: PodSpec,
    /// The status.
    #[serde(default, deserialize_with = "null_default")]
    pub status: PodStatus,
}

/// A pod's status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Conditions; only `Ready` is read.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<PodCondition>,
    /// The containers, as the kubelet last saw them.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// The init containers.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// What the kubelet says of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Whether it is ready. An init container is once it has succeeded.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: i32,
    /// What it does now.
    #[serde(deserialize_with = "null_default")]
    pub state: ContainerState,
    /// What it did before.
    #[serde(deserialize_with = "null_default")]
    pub last_state: ContainerState,
}

/// The state of a container: waiting if it is none of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// Set if it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Began>,
    /// Set if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Began>,
}

/// That a container has begun; its details are not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Began {}

impl PodStatus {
    /// Whether a container has run and is not ready. A pod runs as soon as one of its containers
    /// does, so its phase decides if nothing is said of them.
    fn has_failing_container(&self) -> bool {
        let mut all = self.container_statuses.iter().chain(&self.init_container_statuses).peekable();
        if all.peek().is_none() {
            return self.phase.as_deref() == Some("Running");
        }
        all.any(ContainerStatus::is_failing)
    }
}

impl ContainerStatus {
    /// Whether the container has run, and is not ready. One that has not run cannot show anything
    /// about the pod's identity: it waits for a node, an image, or a volume.
    fn is_failing(&self) -> bool {
        let states = [&self.state, &self.last_state];
        let has_run = self.restart_count > 0 || states.iter().any(|it| it.running.is_some() || it.terminated.is_some());
        has_run && !self.ready
    }
}

/// A pod's condition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodCondition {
    /// For example `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

impl From<ObservedPod> for Pod {
    fn from(ObservedPod { metadata, spec, status }: ObservedPod) -> Self {
        let ready = |condition: &PodCondition| condition.type_ == "Ready" && condition.status == "True";
        let controller = ControllerRef::of(&metadata);
        let shared = SharedMeta { labels: map(metadata.labels), annotations: map(metadata.annotations), controller };
        let metadata = PodMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            shared: Arc::new(shared),
        };
        Self {
            metadata,
            spec: Arc::new(spec),
            phase: Phase::from(status.phase.as_deref()),
            ready: status.conditions.iter().any(ready),
            failing: status.has_failing_container(),
        }
    }
}
