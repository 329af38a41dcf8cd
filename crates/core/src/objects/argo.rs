//! Argo Rollouts' workload, as far as it is judged.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::Resource;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::null_default;
use super::workload::{PodTemplate, UpdateStrategy, Workload, WorkloadKind};

/// An `argoproj.io/v1alpha1` Rollout.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rollout {
    /// Metadata; `managedFields` only of owners of our template annotation.
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
    #[serde(deserialize_with = "null_default")]
    template: PodTemplate,
    /// Another workload whose template is used instead.
    #[serde(deserialize_with = "is_there", skip_serializing)]
    workload_ref: bool,
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
    fn from(Rollout { mut metadata, spec, status }: Rollout) -> Self {
        let observed = status.observed_generation.as_deref().and_then(|text| text.parse::<i64>().ok());
        let observed = observed.unwrap_or(0) >= metadata.generation.unwrap_or(0);
        let phase = |phase| observed && status.phase.as_deref() == Some(phase);
        // Once the newest template is the stable one it stays so until the next, whatever becomes of the pods.
        let promoted = status.stable.is_some() && status.stable == status.current_pod_hash;
        let rolled_out = phase("Healthy") || (observed && promoted);
        Self {
            kind: WorkloadKind::Rollout,
            rolled_out,
            settled: rolled_out,
            nearly_rolled_out: false,
            observed,
            progressed_at: None,
            ordered: false,
            deadline_exceeded: !promoted && phase("Degraded"),
            strategy: if spec.workload_ref { UpdateStrategy::Elsewhere } else { UpdateStrategy::Replace },
            paused: spec.paused.unwrap_or(false) || phase("Paused"),
            desired: spec.replicas.unwrap_or(1),
            template: spec.template,
            labels: super::map(metadata.labels.take()),
            metadata,
        }
    }
}
