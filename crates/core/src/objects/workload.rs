//! Workloads: Deployments, StatefulSets, DaemonSets and Argo's Rollouts in one shape, with the
//! questions that a rollout asks.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Map, PodSpec, null_default};

/// A kind of workload that the operator can roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// apps/v1 Deployment
    Deployment,
    /// apps/v1 StatefulSet
    StatefulSet,
    /// apps/v1 DaemonSet
    DaemonSet,
    /// argoproj.io/v1alpha1 Rollout
    Rollout,
}

impl WorkloadKind {
    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Rollout => "Rollout",
        }
    }

    /// The API version as Kubernetes spells it.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::Rollout => "argoproj.io/v1alpha1",
        }
    }
}

/// Kind and name of a workload, within one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadId {
    /// Kind.
    pub kind: WorkloadKind,
    /// Name.
    pub name: String,
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// A workload in the one shape that is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is observed by itself
pub struct Workload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Metadata without labels; `managedFields` only of owners of our template annotation.
    pub metadata: ObjectMeta,
    /// Labels, by which bindings select.
    pub labels: Map,
    /// The pod template.
    pub template: PodTemplate,
    /// How a changed template reaches the pods.
    pub strategy: UpdateStrategy,
    /// Whether a changed template is held back (`spec.paused`).
    pub paused: bool,
    /// Pods that should exist.
    pub desired: i32,
    /// Whether the rollout of this generation is complete: its controller has seen it and brought
    /// up all pods of it. What becomes of the pods afterwards does not undo it, where the
    /// controller remembers.
    pub rolled_out: bool,
    /// Whether it is at rest: no rollout and no creation of its pods is under way. Pods that are
    /// not available do not count against it: a DaemonSet whose node is down is at rest.
    pub settled: bool,
    /// Whether as many pods are available as should be, but for those that its strategy lets be
    /// missing.
    pub healthy: bool,
    /// How many live pods it needs to be well: a DaemonSet may lack those of nodes that are down.
    pub needed: i32,
    /// Whether it would be complete but for as many pods as its strategy lets be missing
    /// (DaemonSet): one node that is down keeps a DaemonSet from ever being complete.
    pub nearly_rolled_out: bool,
    /// Whether the workload's controller gave up on its rollout.
    pub deadline_exceeded: bool,
    /// Whether its controller has seen the present generation.
    pub observed: bool,
    /// When its controller last saw its rollout come forward, where it says so (Deployment).
    pub progressed_at: Option<Timestamp>,
    /// Seconds without progress after which its own controller gives up, where that is declared.
    pub progress_deadline: Option<i32>,
    /// Seconds that a pod has to be ready before it is available.
    pub min_ready: i32,
    /// Why its controller cannot make pods (condition `ReplicaFailure`), in the words of the API
    /// server.
    pub replica_failure: Option<String>,
    /// When a pause that ends by itself is over (Argo Rollout: a canary step with a duration).
    pub paused_until: Option<Timestamp>,
    /// Whether its controller replaces no pod as long as another one is not ready, not even that
    /// one (StatefulSet).
    pub ordered: bool,
}

/// How a changed template reaches the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategy {
    /// The controller replaces all pods.
    Replace,
    /// Only pods whose name ends in at least this number are replaced (StatefulSet).
    Partition(i32),
    /// Pods are replaced when somebody deletes them.
    OnDelete,
    /// The pods are made from another workload's template (`workloadRef` of a Rollout).
    ExternalTemplate,
}

impl Workload {
    /// Kind and name.
    pub fn id(&self) -> WorkloadId {
        WorkloadId { kind: self.kind, name: self.metadata.name.clone().unwrap_or_default() }
    }

    /// The service account that its template names; `None` if the template is another workload's.
    pub fn service_account(&self) -> Option<&str> {
        (self.strategy != UpdateStrategy::ExternalTemplate).then(|| self.template.spec.service_account())
    }

    /// The value of an annotation of the pod template.
    pub fn template_annotation(&self, key: &str) -> Option<&str> {
        self.template.metadata.annotations.get(key).map(String::as_str)
    }
}

/// A pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(deserialize_with = "null_default")]
    pub metadata: TemplateMeta,
    /// The pods' specification.
    #[serde(deserialize_with = "null_default")]
    pub spec: PodSpec,
}

/// Labels and annotations of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    /// Labels.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Map::is_empty")]
    pub labels: Map,
    /// Annotations.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Map::is_empty")]
    pub annotations: Map,
}
