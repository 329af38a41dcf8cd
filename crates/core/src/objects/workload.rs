//! Workloads: Deployments, StatefulSets, DaemonSets and Argo Rollouts in one form, with what a
//! restart needs to know about them.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Map, Pod, PodSpec, ROLLOUT_HASH, null_default};

/// A kind of workload that the operator can restart.
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

/// A workload in the common form that is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is observed by itself
pub struct Workload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Metadata without labels, and with only the `managedFields` that concern the pod template.
    pub metadata: ObjectMeta,
    /// Labels, which the workload selectors of bindings match.
    pub labels: Map,
    /// The pod template.
    pub template: PodTemplate,
    /// How a changed template reaches the pods.
    pub strategy: UpdateStrategy,
    /// Whether a changed template is held back until a person acts (`spec.paused`, or a Rollout that waits to be promoted).
    pub paused: bool,
    /// Pods that should exist.
    pub desired: i32,
    /// Whether the rollout of this generation is complete: the controller has observed the
    /// generation and brought up all its pods. If the controller records that, pods that fail later
    /// do not undo it.
    pub rolled_out: bool,
    /// Whether the workload is at rest: no rollout and no creation of pods is in progress. Pods
    /// that are not available do not matter: a DaemonSet with a node that is down is at rest.
    pub settled: bool,
    /// Whether enough pods are available: all desired pods, except those that the update strategy
    /// allows to be missing.
    pub healthy: bool,
    /// How many live pods it needs to be healthy. A DaemonSet may lack the pods of nodes that are
    /// down.
    pub needed: i32,
    /// Whether the rollout is complete except for the pods that the update strategy allows to be
    /// missing (DaemonSet). A single node that is down keeps a DaemonSet from ever being complete.
    pub nearly_rolled_out: bool,
    /// Whether the workload's controller gave up on its rollout.
    pub deadline_exceeded: bool,
    /// Whether its controller has observed the current generation.
    pub observed: bool,
    /// When its controller last recorded progress of the rollout, if it records that (Deployment).
    pub progressed_at: Option<Timestamp>,
    /// Seconds without progress after which its controller gives up, if declared.
    pub progress_deadline: Option<i32>,
    /// Seconds that a pod has to be ready before it is available.
    pub min_ready: i32,
    /// The hash of the template that a Rollout has promoted. Its pods of another template are on
    /// their way out.
    pub promoted: Option<String>,
    /// Why its controller cannot create pods (condition `ReplicaFailure`), in the words of the API
    /// server.
    pub replica_failure: Option<String>,
    /// Whether its controller replaces no pod while any pod is not ready, not even the pod that is
    /// not ready (StatefulSet).
    pub ordered: bool,
}

/// How a changed template reaches the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategy {
    /// The controller replaces all pods.
    Replace,
    /// Only pods with at least this ordinal are replaced (StatefulSet).
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

    /// The service account that its template names; `None` if the template comes from another
    /// workload.
    pub fn service_account(&self) -> Option<&str> {
        (self.strategy != UpdateStrategy::ExternalTemplate).then(|| self.template.spec.service_account())
    }

    /// Whether its controller takes the pod away after a while without being asked: the pod is of
    /// an earlier template of a Rollout that has promoted a later one (`scaleDownDelaySeconds`).
    pub fn is_leaving(&self, pod: &Pod) -> bool {
        let hash = pod.metadata.shared.labels.get(ROLLOUT_HASH);
        self.promoted.as_ref().zip(hash).is_some_and(|(promoted, hash)| promoted != hash)
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
