//! A pod and its admission.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use podidentity_api::names;
use podidentity_core::injection::{Given, inject};
use podidentity_core::objects::{
    Container, EnvVar, Map, ObservedPod, Phase, Pod, PodCondition, PodSpec, PodStatus, PodTemplate, VolumeMount,
    WorkloadKind,
};
use podidentity_core::settings::Settings;

use super::object::hash;
use super::workload::{Template, Workload};
use super::{ACCOUNT, AUDIENCE_KEY, NAMESPACE, ROLE_KEY};

const PRESET: &str = "arn:aws:iam::111122223333:role/preset";

#[derive(Clone, Debug)]
pub struct PodState {
    pub(super) template: Template,
    /// Its number in a StatefulSet, its node in a DaemonSet.
    pub(super) number: usize,
    /// What the webhook knew about the service account when the pod was admitted.
    admitted_with: Known,
    /// Whether the pod becomes ready at the next step of its controller.
    pub(super) starting: bool,
    seen: Arc<Pod>,
}

/// What the webhook knows about the service account.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) annotations: Map,
    /// Whether it has an association of EKS Pod Identity.
    pub(super) is_associated: bool,
}

/// The owner of a pod.
pub(super) struct Owner {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The label with the hash of the pod's template, if its controller sets one.
    pub(super) label: Option<&'static str>,
}

impl PodState {
    pub fn is_ready(&self) -> bool {
        self.seen.ready
    }

    pub fn is_live(&self) -> bool {
        self.seen.is_live()
    }

    pub fn is_finished(&self) -> bool {
        self.seen.phase == Phase::Finished
    }

    pub fn is_elsewhere(&self) -> bool {
        self.template.elsewhere
    }

    /// Whether its template sets a role itself.
    pub fn is_preset(&self) -> bool {
        self.template.preset
    }

    /// The role that its variables name.
    pub fn role(&self) -> Option<&str> {
        let Known { annotations, is_associated } = &self.admitted_with;
        match (self.template.preset, is_associated) {
            (true, _) => Some(PRESET),
            (false, true) => None,
            (false, false) => annotations.get(ROLE_KEY).map(String::as_str),
        }
    }

    /// Whether it has the credentials of an association.
    pub fn is_associated(&self) -> bool {
        self.admitted_with.is_associated
    }

    /// The audience of its token; `None`: the webhook's default.
    pub fn audience(&self) -> Option<&str> {
        self.admitted_with.annotations.get(AUDIENCE_KEY).map(String::as_str)
    }

    /// Whether it has run and is not ready.
    pub fn is_failing(&self) -> bool {
        self.seen.is_failing()
    }

    pub(super) fn set_ready(&mut self, ready: bool) {
        if self.seen.ready != ready || self.seen.failing {
            let seen = Arc::make_mut(&mut self.seen);
            (seen.ready, seen.failing) = (ready, false);
        }
    }

    /// Its containers run, and it becomes ready or does not.
    pub(super) fn run(&mut self, ready: bool) {
        self.set_ready(ready);
        if !ready {
            Arc::make_mut(&mut self.seen).failing = true;
        }
    }

    /// The pod is being deleted but does not end: its node is down, or it takes long.
    pub(super) fn terminate(&mut self, now: Timestamp) {
        Arc::make_mut(&mut self.seen).metadata.deletion_timestamp = Some(Time(now));
        self.set_ready(false);
    }

    /// The pod is evicted, or its Job is done.
    pub(super) fn finish(&mut self) {
        Arc::make_mut(&mut self.seen).phase = Phase::Finished;
        self.set_ready(false);
    }

    pub(super) fn seen(&self) -> Arc<Pod> {
        Arc::clone(&self.seen)
    }

    /// The pod that the API server creates from the template; an error if it refuses the pod.
    pub(super) fn admitted(
        name: String,
        owner: Option<Owner>,
        template: &Template,
        known: &Known,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut pod = PodTemplate { spec: spec(template), ..PodTemplate::default() };
        let given =
            if known.is_associated { Given::Association(&known.annotations) } else { (&known.annotations).into() };
        let injection = inject(&pod, given, &Settings::default());
        injection.apply(&mut pod.spec);
        for container in &pod.spec.containers {
            let paths = container.volume_mounts.iter().map(|mount| &mount.mount_path);
            let unique: std::collections::BTreeSet<_> = paths.collect();
            if unique.len() < container.volume_mounts.len() {
                return Err("spec.containers[0].volumeMounts[1].mountPath: Invalid value: must be unique".to_owned());
            }
        }
        let mark = template.mark.iter().map(|mark| (names::IDENTITY_ANNOTATION.to_owned(), mark.clone())).collect();
        let hash = owner.as_ref().and_then(|owner| owner.label).map(|label| (label.to_owned(), hash(template)));
        let injected = injection.label.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let observed = ObservedPod {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(NAMESPACE.into()),
                creation_timestamp: Some(Time(now)),
                annotations: Some(mark),
                labels: Some(hash.into_iter().chain(injected).collect()),
                owner_references: owner.map(|owner| vec![owner.reference(template)]),
                ..ObjectMeta::default()
            },
            spec: pod.spec,
            status: PodStatus {
                phase: Some("Running".into()),
                conditions: vec![PodCondition { type_: "Ready".into(), status: "False".into() }],
                ..PodStatus::default()
            },
        };
        let seen = Arc::new(Pod { failing: false, ..Pod::from(observed).slim() });
        Ok(Self { template: template.clone(), number: 0, admitted_with: known.clone(), starting: false, seen })
    }
}

impl Owner {
    fn reference(self, template: &Template) -> OwnerReference {
        let name = if self.label.is_some() { format!("{}-{}", self.name, hash(template)) } else { self.name };
        OwnerReference {
            api_version: if self.kind == "Job" { "batch/v1".into() } else { "apps/v1".into() },
            kind: self.kind.into(),
            name,
            controller: Some(true),
            ..OwnerReference::default()
        }
    }
}

impl Workload {
    /// A new pod of the workload; an error if the API server refuses it.
    pub(super) fn create(
        &self,
        template: &Template,
        number: usize,
        id: u64,
        now: Timestamp,
        known: &Known,
    ) -> Result<PodState, String> {
        if self.quota {
            return Err("pods is forbidden: exceeded quota: pods".to_owned());
        }
        let (kind, label) = match self.kind {
            WorkloadKind::Deployment => ("ReplicaSet", Some("pod-template-hash")),
            WorkloadKind::Rollout => ("ReplicaSet", Some("rollouts-pod-template-hash")),
            WorkloadKind::StatefulSet => ("StatefulSet", None),
            WorkloadKind::DaemonSet => ("DaemonSet", None),
        };
        let of_set = self.kind == WorkloadKind::StatefulSet;
        let name = if of_set { format!("{}-{number}", self.name) } else { format!("{}-{id}", self.name) };
        let owner = Owner { kind, name: self.name.clone(), label };
        let mut pod = PodState::admitted(name, Some(owner), template, known, now)?;
        pod.number = number;
        pod.starting = self.slow || self.stuck || self.down.contains(&number);
        if !pod.starting {
            pod.run(self.becomes_ready(&pod));
        }
        Ok(pod)
    }

    /// Whether a pod of the workload comes up.
    pub(super) fn becomes_ready(&self, pod: &PodState) -> bool {
        let broken = self.broken || pod.role().is_some() && pod.role() == self.broken_as.as_deref();
        let has_role = pod.role().is_some() || pod.is_associated();
        !broken && (!self.needs_role || has_role) && !self.down.contains(&pod.number)
    }
}

pub(super) fn spec(template: &Template) -> PodSpec {
    let preset = EnvVar { name: "AWS_ROLE_ARN".into(), value: Some(PRESET.to_owned()), value_from: None };
    let mount =
        VolumeMount { name: "own".into(), mount_path: Settings::default().mount_path, ..VolumeMount::default() };
    let app = Container {
        name: "app".into(),
        env: Vec::from_iter(template.preset.then_some(preset)),
        volume_mounts: Vec::from_iter(template.mounts.then_some(mount)),
        ..Container::default()
    };
    let account = if template.elsewhere { "elsewhere" } else { ACCOUNT };
    PodSpec { service_account_name: Some(account.into()), containers: vec![app], ..PodSpec::default() }
}
