//! The Rollout of Argo Rollouts, as far as it is judged.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube_core::Resource;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::apps::{NO_PROGRESS_DEADLINE, desired};
use super::argo_strategy::Strategy;
use super::null_default;
use super::workload::{PodTemplate, UpdateStrategy, Workload, WorkloadKind};

/// An `argoproj.io/v1alpha1` Rollout.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rollout {
    /// Metadata, with only the `managedFields` that concern the pod template.
    #[serde(deserialize_with = "super::meta::slim_workload")]
    pub metadata: ObjectMeta,
    #[serde(default, deserialize_with = "null_default")]
    spec: RolloutSpec,
    #[serde(default, deserialize_with = "null_default")]
    status: RolloutStatus,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RolloutSpec {
    replicas: Option<i32>,
    paused: Option<bool>,
    progress_deadline_seconds: Option<i32>,
    min_ready_seconds: Option<i32>,
    #[serde(deserialize_with = "null_default")]
    strategy: Strategy,
    #[serde(deserialize_with = "null_default")]
    template: PodTemplate,
    /// Whether the template comes from another workload (`workloadRef`).
    #[serde(deserialize_with = "is_there", skip_serializing)]
    workload_ref: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PauseCondition {
    reason: Option<String>,
    start_time: Option<Time>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RolloutCondition {
    #[serde(rename = "type")]
    type_: String,
    status: Option<String>,
    message: Option<String>,
}

fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RolloutStatus {
    /// The generation, as text.
    observed_generation: Option<String>,
    phase: Option<String>,
    /// The hash of the template that all traffic goes to.
    #[serde(rename = "stableRS")]
    stable: Option<String>,
    /// The hash of the newest template.
    current_pod_hash: Option<String>,
    current_step_index: Option<i32>,
    available_replicas: Option<i32>,
    #[serde(deserialize_with = "null_default")]
    pause_conditions: Vec<PauseCondition>,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<RolloutCondition>,
}

impl Rollout {
    /// When the pause ends by itself; `None` if a person has to promote the Rollout, or if the
    /// Rollout does not pause. One that pauses for several reasons waits for all of them.
    fn pause_ends_at(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.status.pause_conditions.iter().map(|it| self.ends_at(it)).collect();
        ends?.into_iter().max()
    }

    fn ends_at(&self, pause: &PauseCondition) -> Option<Timestamp> {
        let strategy = &self.spec.strategy;
        let seconds = match pause.reason.as_deref()? {
            "CanaryPauseStep" => strategy.step_seconds(self.status.current_step_index?),
            "BlueGreenPause" => strategy.promotion_seconds(),
            _ => None,
        };
        pause.start_time.as_ref()?.0.checked_add(SignedDuration::from_secs(seconds?)).ok()
    }
}

impl Resource for Rollout {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Rollout".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "argoproj.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "rollouts".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl From<Rollout> for Workload {
    fn from(rollout: Rollout) -> Self {
        let pause_ends_at = rollout.pause_ends_at().filter(|_| !rollout.spec.paused.unwrap_or(false));
        let Rollout { mut metadata, spec, status } = rollout;
        let observed = status.observed_generation.as_deref().and_then(|text| text.parse::<i64>().ok());
        let observed = observed.unwrap_or(0) >= metadata.generation.unwrap_or(0);
        let phase = |phase| observed && status.phase.as_deref() == Some(phase);
        // Once promoted, the newest template stays the stable one until the next template, even if
        // pods fail.
        let promoted = status.stable.is_some() && status.stable == status.current_pod_hash;
        let rolled_out = phase("Healthy") || (observed && promoted);
        let desired = desired(&metadata, spec.replicas.unwrap_or(1));
        let failure = status.conditions.iter().find(|it| it.type_ == "ReplicaFailure");
        let failure = failure.filter(|it| it.status.as_deref() == Some("True"));
        Self {
            kind: WorkloadKind::Rollout,
            rolled_out,
            settled: rolled_out,
            healthy: observed && status.available_replicas.is_none_or(|available| available >= desired),
            needed: desired,
            progress_deadline: spec.progress_deadline_seconds.filter(|it| *it != NO_PROGRESS_DEADLINE),
            min_ready: spec.min_ready_seconds.unwrap_or(0),
            promoted: status.stable.clone().filter(|_| observed && promoted),
            replica_failure: failure.map(|it| it.message.clone().unwrap_or_default()),
            nearly_rolled_out: false,
            observed,
            progressed_at: None,
            ordered: false,
            deadline_exceeded: !promoted && phase("Degraded"),
            strategy: if spec.workload_ref { UpdateStrategy::ExternalTemplate } else { UpdateStrategy::Replace },
            paused: spec.paused.unwrap_or(false) || (phase("Paused") && pause_ends_at.is_none()),
            desired,
            template: spec.template,
            labels: super::map(metadata.labels.take()),
            metadata,
        }
    }
}
