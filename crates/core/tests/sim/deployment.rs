//! A Deployment, its controller, and its pods.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use podidentity_api::names;
use podidentity_core::injection::inject;
use podidentity_core::objects::{
    Container, EnvVar, Map, ObservedPod, Pod, PodCondition, PodSpec, PodStatus, PodTemplate, UpdateStrategy, Workload,
    WorkloadKind,
};
use podidentity_core::settings::Settings;
use serde_json::json;

use super::{ACCOUNT, NAMESPACE, ROLE_KEY, managed_fields_entry};

/// The deployment controller's default.
const PROGRESS_DEADLINE: SignedDuration = SignedDuration::from_secs(600);
const PRESET: &str = "arn:aws:iam::111122223333:role/preset";

/// What a pod is made from: pods of an equal template are of one ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The operator's annotation.
    pub mark: Option<String>,
    /// What users change.
    pub revision: u32,
    /// Whether the template sets the role itself, to a value that nobody wants.
    pub preset: bool,
    /// Whether it names another service account.
    pub elsewhere: bool,
}

#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // switches of a simulation
pub struct Deployment {
    pub name: String,
    pub(super) uid: String,
    pub(super) version: u64,
    pub generation: i64,
    pub template: Template,
    pub(super) marked_at: Option<Timestamp>,
    /// When a user last changed the template.
    pub(super) edited_at: Option<Timestamp>,
    pub replicas: usize,
    pub paused: bool,
    /// New pods never become ready.
    pub broken: bool,
    /// New pods with this role never become ready.
    pub broken_as: Option<String>,
    /// Pods without a role crash.
    pub needs_role: bool,
    /// Whether the rollout of the present template is complete.
    completed: bool,
    /// When the rollout of the present template last came forward, or was resumed.
    progressed_at: Timestamp,
    pub pods: Vec<PodState>,
}

#[derive(Clone, Debug)]
pub struct PodState {
    name: String,
    template: Template,
    created: Timestamp,
    /// The annotations of the service account that the webhook knew when the pod was admitted.
    admitted_with: Map,
    ready: bool,
}

impl PodState {
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    pub fn is_elsewhere(&self) -> bool {
        self.template.elsewhere
    }

    pub fn role(&self) -> Option<&str> {
        if self.template.preset { Some(PRESET) } else { self.admitted_with.get(ROLE_KEY).map(String::as_str) }
    }
}

impl Deployment {
    pub(super) fn new(name: &str, version: u64, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            uid: format!("deployment-{version}"),
            version,
            generation: 1,
            template: Template::default(),
            marked_at: None,
            edited_at: None,
            replicas: 0,
            paused: false,
            broken: false,
            broken_as: None,
            needs_role: false,
            completed: false,
            progressed_at: now,
            pods: Vec::new(),
        }
    }

    pub(super) fn template_changed(&mut self, now: Timestamp) {
        self.generation += 1;
        self.completed = false;
        self.progressed_at = now;
    }

    pub(super) fn resumed(&mut self, now: Timestamp) {
        self.progressed_at = now;
    }

    /// A node is drained: one pod goes, and its controller makes another one.
    pub(super) fn lose_pod(&mut self) {
        if !self.pods.is_empty() {
            self.pods.remove(0);
        }
    }

    pub fn is_completed(&self) -> bool {
        self.completed
    }

    /// The operator owns nothing of the template any more.
    pub(super) fn disown(&mut self) {
        self.marked_at = None;
    }

    /// One thing that the deployment controller does: replaces an outdated pod, or brings the number of pods closer to
    /// what it should be. It goes no further while a new pod is not ready. False if there is nothing to do.
    pub(super) fn progress(&mut self, id: u64, now: Timestamp, known: &Map) -> bool {
        let outdated = |pod: &PodState| pod.template != self.template;
        let surplus = self.pods.len() > self.replicas;
        if surplus {
            let place = self.pods.iter().position(outdated).unwrap_or(self.pods.len() - 1);
            self.pods.remove(place);
        } else if let Some(place) = self.to_replace() {
            self.pods.remove(place);
        } else if self.pods.len() == self.replicas {
            let complete = self.pods.iter().all(|pod| pod.template == self.template && pod.ready);
            if !complete || self.completed {
                return false;
            }
            self.completed = true;
            self.progressed_at = now;
            return true;
        }
        if !self.completed {
            self.progressed_at = now;
        }
        if self.pods.len() < self.replicas {
            let mut pod = PodState {
                name: format!("{}-{id}", self.name),
                template: self.template.clone(),
                created: now,
                admitted_with: known.clone(),
                ready: false,
            };
            let broken = self.broken || pod.role().is_some() && pod.role() == self.broken_as.as_deref();
            pod.ready = !broken && (!self.needs_role || pod.role().is_some());
            self.pods.push(pod);
        }
        true
    }

    fn to_replace(&self) -> Option<usize> {
        let outdated = |pod: &PodState| pod.template != self.template;
        if self.paused {
            return None;
        }
        let crashing = self.pods.iter().position(|pod| outdated(pod) && !pod.ready);
        let stuck = self.pods.iter().any(|pod| !outdated(pod) && !pod.ready);
        crashing.or_else(|| if stuck { None } else { self.pods.iter().position(outdated) })
    }

    /// When its controller gives up on the rollout that is under way.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        (!self.completed && !self.paused).then(|| self.progressed_at + PROGRESS_DEADLINE)
    }

    pub(super) fn workload(&self, now: Timestamp) -> Workload {
        let fields = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
            format!("f:{}", names::IDENTITY_ANNOTATION): {}}}}}});
        let mut template = PodTemplate { spec: spec(&self.template), ..PodTemplate::default() };
        if let Some(mark) = &self.template.mark {
            template.metadata.annotations.insert(names::IDENTITY_ANNOTATION.into(), mark.clone());
        }
        let ours = self.marked_at.map(|time| managed_fields_entry(names::FIELD_MANAGER, Some(time), fields));
        let theirs = json!({"f:spec": {"f:template": {"f:spec": {}}}});
        let theirs = self.edited_at.map(|time| managed_fields_entry("kubectl-set", Some(time), theirs));
        let managers: Vec<_> = ours.into_iter().chain(theirs).collect();
        Workload {
            kind: WorkloadKind::Deployment,
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(NAMESPACE.into()),
                uid: Some(self.uid.clone()),
                resource_version: Some(self.version.to_string()),
                generation: Some(self.generation),
                managed_fields: Some(managers),
                ..ObjectMeta::default()
            },
            template,
            labels: Map::new(),
            strategy: UpdateStrategy::Replace,
            paused: self.paused,
            desired: i32::try_from(self.replicas).unwrap(),
            rolled_out: self.completed,
            settled: self.completed,
            healthy: self.pods.iter().filter(|pod| pod.ready).count() >= self.replicas,
            progress_deadline: None,
            min_ready: 0,
            replica_failure: None,
            paused_until: None,
            nearly_rolled_out: false,
            observed: true,
            progressed_at: Some(self.progressed_at),
            ordered: false,
            deadline_exceeded: self.deadline().is_some_and(|deadline| deadline <= now),
        }
    }

    pub(super) fn pod(&self, pod: &PodState) -> Pod {
        let mark = pod.template.mark.iter().map(|mark| (names::IDENTITY_ANNOTATION.to_owned(), mark.clone())).collect();
        let owner = OwnerReference {
            kind: "ReplicaSet".into(),
            name: format!("{}-hash", self.name),
            controller: Some(true),
            ..OwnerReference::default()
        };
        let mut template = PodTemplate { spec: spec(&pod.template), ..PodTemplate::default() };
        inject(&template, &pod.admitted_with, &Settings::default()).apply(&mut template.spec);
        let ready = PodCondition { type_: "Ready".into(), status: if pod.ready { "True" } else { "False" }.into() };
        let observed = ObservedPod {
            metadata: ObjectMeta {
                name: Some(pod.name.clone()),
                namespace: Some(NAMESPACE.into()),
                creation_timestamp: Some(Time(pod.created)),
                annotations: Some(mark),
                labels: Some([("pod-template-hash".into(), "hash".into())].into()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            spec: template.spec,
            status: PodStatus { phase: Some("Running".into()), conditions: vec![ready] },
        };
        Pod::from(observed).slim()
    }
}

fn spec(template: &Template) -> PodSpec {
    let preset = EnvVar { name: "AWS_ROLE_ARN".into(), value: Some(PRESET.to_owned()), value_from: None };
    let env = Vec::from_iter(template.preset.then_some(preset));
    let app = Container { name: "app".into(), env, ..Container::default() };
    let account = if template.elsewhere { "elsewhere" } else { ACCOUNT };
    PodSpec { service_account_name: Some(account.into()), containers: vec![app], ..PodSpec::default() }
}
