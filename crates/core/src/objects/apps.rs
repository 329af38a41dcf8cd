//! Deployments, StatefulSets and DaemonSets as the API server returns them, and as workloads.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::Resource;
use serde::{Deserialize, Serialize};

use super::{PodTemplate, UpdateStrategy, Workload, WorkloadKind, map, null_default};

macro_rules! workload_object {
    ($name:ident, $spec:ident, $status:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default, Serialize, Deserialize, Resource)]
        #[resource(inherit = apps::$name, crates(kube_core = "::kube_core"))]
        pub struct $name {
            /// Metadata, with only the `managedFields` that concern the pod template.
            #[serde(deserialize_with = "super::meta::slim_workload")]
            pub metadata: ObjectMeta,
            #[serde(default, deserialize_with = "null_default")]
            spec: $spec,
            #[serde(default, deserialize_with = "null_default")]
            status: $status,
        }
    };
}

workload_object!(Deployment, DeploymentSpec, DeploymentStatus, "An apps/v1 Deployment, as far as it is judged.");
workload_object!(StatefulSet, StatefulSetSpec, StatefulSetStatus, "An apps/v1 StatefulSet, as far as it is judged.");
workload_object!(DaemonSet, DaemonSetSpec, DaemonSetStatus, "An apps/v1 DaemonSet, as far as it is judged.");

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentSpec {
    replicas: Option<i32>,
    paused: Option<bool>,
    progress_deadline_seconds: Option<i32>,
    min_ready_seconds: Option<i32>,
    #[serde(deserialize_with = "null_default")]
    template: PodTemplate,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentStatus {
    observed_generation: Option<i64>,
    replicas: i32,
    updated_replicas: i32,
    available_replicas: i32,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<DeploymentCondition>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentCondition {
    #[serde(rename = "type")]
    type_: String,
    status: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    last_update_time: Option<Time>,
}

/// In seconds. The API server sets this deadline if a Deployment declares none, so this value does
/// not count as declared.
const DEFAULT_PROGRESS_DEADLINE: i32 = 600;
/// The value that stands for no deadline at all. It says nothing about how long a restart may take.
pub(super) const NO_PROGRESS_DEADLINE: i32 = i32::MAX;

impl From<Deployment> for Workload {
    fn from(Deployment { mut metadata, spec, status }: Deployment) -> Self {
        let desired = desired(&metadata, spec.replicas.unwrap_or(1));
        let observed = observed(&metadata, status.observed_generation);
        let condition = status.conditions.iter().find(|condition| condition.type_ == "Progressing");
        let progress = condition.and_then(|condition| condition.reason.as_deref());
        // The condition of a complete rollout stays until the next rollout, even if pods fail
        // later. The counts alone would take such a failure for a rollout. They decide only if
        // there is no condition, or if the condition only says that the Deployment is paused.
        let completed = match progress {
            Some("NewReplicaSetAvailable") => true,
            Some("DeploymentPaused") | None => status.available_replicas >= desired,
            Some(_) => false,
        };
        let failure = status.conditions.iter().find(|it| it.type_ == "ReplicaFailure");
        let failure = failure.filter(|it| it.status.as_deref() == Some("True"));
        // Under the `Recreate` strategy there is a moment without any pods while the condition is
        // still the old one.
        let has_pods = desired == 0 || status.updated_replicas > 0;
        let rolled_out = observed && completed && has_pods && status.updated_replicas == status.replicas;
        Self {
            kind: WorkloadKind::Deployment,
            rolled_out,
            settled: rolled_out,
            healthy: observed && status.available_replicas >= desired,
            needed: desired,
            nearly_rolled_out: false,
            progress_deadline: spec
                .progress_deadline_seconds
                .filter(|it| ![DEFAULT_PROGRESS_DEADLINE, NO_PROGRESS_DEADLINE].contains(it)),
            min_ready: spec.min_ready_seconds.unwrap_or(0),
            promoted: None,
            replica_failure: failure.map(|it| it.message.clone().unwrap_or_default()),
            deadline_exceeded: observed && progress == Some("ProgressDeadlineExceeded"),
            observed,
            progressed_at: condition
                .filter(|_| progress != Some("ProgressDeadlineExceeded"))
                .and_then(|condition| condition.last_update_time.as_ref())
                .map(|time| time.0),
            ordered: false,
            strategy: UpdateStrategy::Replace,
            paused: spec.paused.unwrap_or(false),
            desired,
            template: spec.template,
            labels: map(metadata.labels.take()),
            metadata,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatefulSetSpec {
    replicas: Option<i32>,
    min_ready_seconds: Option<i32>,
    pod_management_policy: Option<String>,
    #[serde(deserialize_with = "null_default")]
    ordinals: Ordinals,
    #[serde(deserialize_with = "null_default")]
    update_strategy: StrategySpec,
    #[serde(deserialize_with = "null_default")]
    template: PodTemplate,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: i32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StrategySpec {
    #[serde(rename = "type")]
    type_: Option<String>,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RollingUpdate {
    partition: Option<i32>,
    max_unavailable: Option<IntOrString>,
    max_surge: Option<IntOrString>,
}

impl RollingUpdate {
    /// How many pods a DaemonSet's controller replaces at a time. That many pods may be missing or
    /// not ready during a rollout.
    fn tolerated(&self, desired: i32) -> i32 {
        let scaled = |value: &IntOrString| match value {
            IntOrString::Int(number) => *number,
            IntOrString::String(text) => {
                let percent = text.strip_suffix('%').and_then(|text| text.parse::<i32>().ok()).unwrap_or(0);
                // Rounded up, as the DaemonSet controller does.
                desired.saturating_mul(percent).saturating_add(99) / 100
            }
        };
        let surge = self.max_surge.as_ref().map_or(0, scaled);
        self.max_unavailable.as_ref().map_or(1, scaled).max(surge).max(1)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatefulSetStatus {
    observed_generation: Option<i64>,
    replicas: i32,
    updated_replicas: i32,
    available_replicas: i32,
    current_revision: Option<String>,
    update_revision: Option<String>,
}

impl From<StatefulSet> for Workload {
    fn from(StatefulSet { mut metadata, spec, status }: StatefulSet) -> Self {
        let desired = desired(&metadata, spec.replicas.unwrap_or(1));
        let partition = spec.update_strategy.rolling_update.as_ref().and_then(|update| update.partition).unwrap_or(0);
        let strategy = match spec.update_strategy.type_.as_deref() {
            Some("OnDelete") => UpdateStrategy::OnDelete,
            // The partition counts from the first ordinal, which need not be 0.
            _ if partition > 0 => UpdateStrategy::Partition(spec.ordinals.start.saturating_add(partition)),
            _ => UpdateStrategy::Replace,
        };
        // Pods below the partition, or all under OnDelete, are not updated by the controller.
        let to_update = match strategy {
            UpdateStrategy::Replace => desired,
            UpdateStrategy::Partition(_) => (desired - partition).max(0),
            UpdateStrategy::OnDelete | UpdateStrategy::ExternalTemplate => 0,
        };
        let all_up =
            status.replicas == desired && status.updated_replicas >= to_update && status.available_replicas >= desired;
        // The controller makes the two revisions equal when an update is complete. They stay equal
        // until the next update, even if pods fail. Under a partition they stay different.
        let completed = status.current_revision.is_some() && status.current_revision == status.update_revision;
        let completed = completed && status.updated_replicas == status.replicas;
        let observed = observed(&metadata, status.observed_generation);
        let rolled_out = observed && (completed || all_up);
        Self {
            kind: WorkloadKind::StatefulSet,
            observed,
            progressed_at: None,
            ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
            rolled_out,
            settled: observed && status.replicas == desired && (completed || status.updated_replicas >= to_update),
            healthy: observed && status.available_replicas >= desired,
            needed: desired,
            nearly_rolled_out: false,
            deadline_exceeded: false,
            progress_deadline: None,
            min_ready: spec.min_ready_seconds.unwrap_or(0),
            promoted: None,
            replica_failure: None,
            strategy,
            paused: false,
            desired,
            template: spec.template,
            labels: map(metadata.labels.take()),
            metadata,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DaemonSetSpec {
    min_ready_seconds: Option<i32>,
    #[serde(deserialize_with = "null_default")]
    update_strategy: StrategySpec,
    #[serde(deserialize_with = "null_default")]
    template: PodTemplate,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DaemonSetStatus {
    observed_generation: Option<i64>,
    desired_number_scheduled: i32,
    updated_number_scheduled: i32,
    number_available: i32,
}

impl From<DaemonSet> for Workload {
    fn from(DaemonSet { mut metadata, spec, status }: DaemonSet) -> Self {
        let on_delete = spec.update_strategy.type_.as_deref() == Some("OnDelete");
        let desired = desired(&metadata, status.desired_number_scheduled);
        let observed = observed(&metadata, status.observed_generation);
        let updated = |missing: i32| observed && (on_delete || status.updated_number_scheduled >= desired - missing);
        let all_but = |missing: i32| updated(missing) && status.number_available >= desired - missing;
        let tolerated = spec.update_strategy.rolling_update.unwrap_or_default().tolerated(desired);
        Self {
            kind: WorkloadKind::DaemonSet,
            rolled_out: all_but(0),
            settled: updated(0),
            healthy: observed && status.number_available >= desired - tolerated,
            needed: desired - tolerated,
            nearly_rolled_out: all_but(tolerated) && status.number_available > 0,
            deadline_exceeded: false,
            progress_deadline: None,
            min_ready: spec.min_ready_seconds.unwrap_or(0),
            promoted: None,
            replica_failure: None,
            observed,
            progressed_at: None,
            ordered: false,
            strategy: if on_delete { UpdateStrategy::OnDelete } else { UpdateStrategy::Replace },
            paused: false,
            desired,
            template: spec.template,
            labels: map(metadata.labels.take()),
            metadata,
        }
    }
}

/// How many pods should exist. A workload that is being deleted wants none: its controller creates
/// and replaces no pods any more.
pub(super) fn desired(metadata: &ObjectMeta, declared: i32) -> i32 {
    if metadata.deletion_timestamp.is_some() { 0 } else { declared }
}

/// Whether the workload's controller has seen the generation. Without this check a rollout that has
/// just been started looks complete.
fn observed(metadata: &ObjectMeta, observed_generation: Option<i64>) -> bool {
    observed_generation.unwrap_or(0) >= metadata.generation.unwrap_or(0)
}
