//! A workload as the API server describes it, decoded by the product's own code.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::names;
use podidentity_core::objects::{self, DaemonSet, Deployment, Rollout, StatefulSet, WorkloadKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::workload::{Strategy, Template, Workload};
use super::{NAMESPACE, managed_fields_entry, pod::spec};

impl Workload {
    /// The decoded workload. It is decoded again only after a change.
    pub(super) fn seen(&self, now: Timestamp) -> Arc<objects::Workload> {
        let gave_up = self.deadline().is_some_and(|deadline| deadline <= now);
        let key = (self.version, gave_up);
        if let Some((known, seen)) = &*self.seen.borrow()
            && *known == key
        {
            return Arc::clone(seen);
        }
        let seen = Arc::new(self.read(gave_up));
        *self.seen.borrow_mut() = Some((key, Arc::clone(&seen)));
        seen
    }

    fn read(&self, gave_up: bool) -> objects::Workload {
        let (own, status) = match self.kind {
            WorkloadKind::Deployment => self.of_deployment(gave_up),
            WorkloadKind::Rollout => self.of_rollout(gave_up),
            WorkloadKind::StatefulSet => self.of_stateful_set(),
            WorkloadKind::DaemonSet => self.of_daemon_set(),
        };
        let mut spec = json!({"replicas": self.replicas, "template": self.described_template()});
        spec.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let object = json!({"metadata": self.metadata(), "spec": spec, "status": status});
        let seen: objects::Workload = match self.kind {
            WorkloadKind::Deployment => decoded::<Deployment>(object).into(),
            WorkloadKind::StatefulSet => decoded::<StatefulSet>(object).into(),
            WorkloadKind::DaemonSet => decoded::<DaemonSet>(object).into(),
            WorkloadKind::Rollout => decoded::<Rollout>(object).into(),
        };
        seen.slim()
    }

    fn metadata(&self) -> Value {
        let mark = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
            format!("f:{}", names::IDENTITY_ANNOTATION): {}}}}}});
        let ours = self.marked_at.map(|time| managed_fields_entry(names::FIELD_MANAGER, Some(time), mark));
        let edits = json!({"f:spec": {"f:template": {"f:spec": {}}}});
        let theirs = self.edited_at.map(|time| managed_fields_entry("kubectl-set", Some(time), edits));
        let managers: Vec<_> = ours.into_iter().chain(theirs).collect();
        json!({
            "name": self.name,
            "namespace": NAMESPACE,
            "uid": self.uid,
            "resourceVersion": self.version.to_string(),
            "generation": self.generation,
            "labels": {"tier": if self.left_out { "other" } else { "app" }},
            "managedFields": managers,
        })
    }

    fn described_template(&self) -> Value {
        let marks = self.template.mark.as_ref().map(|mark| json!({names::IDENTITY_ANNOTATION: mark}));
        json!({"metadata": {"annotations": marks}, "spec": spec(&self.template)})
    }

    /// The number of the controller's pods, of those with the current template, and of those that
    /// are ready.
    fn counts(&self) -> (usize, usize, usize) {
        let updated = self.live().filter(|pod| pod.template == self.template).count();
        (self.live().count(), updated, self.live().filter(|pod| pod.is_ready()).count())
    }

    fn failures(&self) -> Option<Value> {
        let message = self.failure.as_ref()?;
        Some(json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}))
    }

    fn of_deployment(&self, gave_up: bool) -> (Value, Value) {
        let reason = match (self.paused, self.completed, gave_up) {
            (true, _, _) => "DeploymentPaused",
            (false, true, _) => "NewReplicaSetAvailable",
            (false, false, true) => "ProgressDeadlineExceeded",
            (false, false, false) => "ReplicaSetUpdated",
        };
        let progressing = json!({"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": Time(self.progressed_at)});
        let conditions: Vec<Value> = std::iter::once(progressing).chain(self.failures()).collect();
        let (replicas, updated, available) = self.counts();
        let status = json!({
            "observedGeneration": self.observed,
            "replicas": replicas,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "conditions": conditions,
        });
        let deadline = self.progress_deadline.unwrap_or(600);
        (json!({"paused": self.paused, "progressDeadlineSeconds": deadline}), status)
    }

    fn of_rollout(&self, gave_up: bool) -> (Value, Value) {
        let pause = match self.strategy {
            Strategy::TimedCanary(seconds) => json!({"duration": seconds}),
            _ => json!({}),
        };
        let staged = matches!(self.strategy, Strategy::Canary | Strategy::TimedCanary(_));
        let strategy = match self.strategy {
            Strategy::BlueGreen(delay) => json!({"blueGreen": {"scaleDownDelaySeconds": delay}}),
            _ if staged => json!({"canary": {"steps": [{"setWeight": 20}, {"pause": pause}]}}),
            _ => json!({"canary": {"steps": []}}),
        };
        let phase = match (self.completed, self.paused || self.waits_since.is_some(), gave_up) {
            (true, ..) if self.is_all_ready() => "Healthy",
            (_, true, _) => "Paused",
            (_, _, true) => "Degraded",
            _ => "Progressing",
        };
        let since = self.waits_since.map(|at| json!({"reason": "CanaryPauseStep", "startTime": Time(at)}));
        let (_, _, available) = self.counts();
        let step = usize::from(self.waits_since.is_some()) + 2 * usize::from(self.promoted || self.completed);
        let status = json!({
            "observedGeneration": self.observed.to_string(),
            "phase": phase,
            "stableRS": hash(&self.current),
            "currentPodHash": hash(&self.template),
            "currentStepIndex": step,
            "availableReplicas": available,
            "pauseConditions": Vec::from_iter(since),
            "conditions": Vec::from_iter(self.failures()),
        });
        let deadline = self.progress_deadline;
        let spec = json!({"paused": self.paused, "progressDeadlineSeconds": deadline, "strategy": strategy});
        (spec, status)
    }

    fn of_stateful_set(&self) -> (Value, Value) {
        let update = match self.strategy {
            Strategy::OnDelete => json!({"type": "OnDelete"}),
            Strategy::Partition(partition) => {
                json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}})
            }
            _ => json!({"type": "RollingUpdate"}),
        };
        let (_, updated, available) = self.counts();
        let status = json!({
            "observedGeneration": self.observed,
            "replicas": self.pods.len(),
            "updatedReplicas": updated,
            "availableReplicas": available,
            "currentRevision": hash(&self.current),
            "updateRevision": hash(&self.template),
        });
        let policy = if self.parallel { "Parallel" } else { "OrderedReady" };
        (json!({"podManagementPolicy": policy, "updateStrategy": update}), status)
    }

    fn of_daemon_set(&self) -> (Value, Value) {
        let on_delete = self.strategy == Strategy::OnDelete;
        let updated = self.pods.iter().filter(|pod| pod.template == self.template).count();
        let (_, _, available) = self.counts();
        let status = json!({
            "observedGeneration": self.observed,
            "desiredNumberScheduled": self.replicas,
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
        });
        (json!({"updateStrategy": {"type": if on_delete { "OnDelete" } else { "RollingUpdate" }}}), status)
    }
}

fn decoded<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

/// The name of a revision.
pub(super) fn hash(template: &Template) -> String {
    format!("{template:?}")
}
