//! A cluster in memory: an API server with field managers and resource versions, a deployment controller, and a
//! webhook that may be away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec, Rollout, names};
use podidentity_core::injection::inject;
use podidentity_core::objects::{
    Container, EnvVar, Pod, PodCondition, PodSpec, PodStatus, PodTemplate, ServiceAccount, UpdateStrategy, Workload,
    WorkloadKind,
};
use podidentity_core::plan::{Step, Target};
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::{Config, Snapshot};
use serde_json::json;

pub const NAMESPACE: &str = "default";
pub const ACCOUNT: &str = "my-app";
const ROLE_KEY: &str = "eks.amazonaws.com/role-arn";

/// Why the API server did not do a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Stale,
    Conflict,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub uid: String,
    version: u64,
    pub annotations: BTreeMap<String, String>,
    /// Who owns each annotation, since when.
    owners: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    pub name: String,
    uid: String,
    version: u64,
    pub generation: i64,
    pub mark: Option<String>,
    marked_at: Option<Timestamp>,
    pub replicas: usize,
    pub paused: bool,
    /// The template sets the role itself, to a value that nobody wants.
    pub preset: bool,
    pub pods: Vec<PodState>,
}

#[derive(Clone, Debug)]
pub struct PodState {
    name: String,
    generation: i64,
    mark: Option<String>,
    created: Timestamp,
    pub role: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Cluster {
    pub now: Timestamp,
    counter: u64,
    pub account: Option<Account>,
    pub bindings: BTreeMap<String, PodIdentityBinding>,
    pub deployments: BTreeMap<String, Deployment>,
    /// Whether new pods get what the service account says.
    pub webhook: bool,
    /// Template changes by the operator, in all.
    pub rolls: usize,
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            counter: 0,
            account: None,
            bindings: BTreeMap::new(),
            deployments: BTreeMap::new(),
            webhook: true,
            rolls: 0,
        }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    // What users and other managers do.

    pub fn create_account(&mut self) {
        if self.account.is_none() {
            let version = self.count();
            let uid = format!("account-{version}");
            self.account = Some(Account { uid, version, annotations: BTreeMap::new(), owners: BTreeMap::new() });
        }
    }

    pub fn remove_annotation(&mut self) {
        let version = self.count();
        if let Some(account) = &mut self.account
            && account.annotations.remove(ROLE_KEY).is_some()
        {
            account.owners.remove(ROLE_KEY);
            account.version = version;
        }
    }

    /// `kubectl annotate --overwrite`: takes the field from whoever had it.
    pub fn overwrite_annotation(&mut self, role: &str) {
        let (version, now) = (self.count(), self.now);
        if let Some(account) = &mut self.account {
            account.annotations.insert(ROLE_KEY.into(), role.into());
            account.owners.insert(ROLE_KEY.into(), BTreeMap::from([("kubectl-annotate".into(), now)]));
            account.version = version;
        }
    }

    /// Helm, say, applies the value that is there already.
    pub fn co_own_annotation(&mut self) {
        let (version, now) = (self.count(), self.now);
        if let Some(account) = &mut self.account
            && account.annotations.contains_key(ROLE_KEY)
        {
            account.owners.entry(ROLE_KEY.into()).or_default().insert("helm".into(), now);
            account.version = version;
        }
    }

    pub fn bind(&mut self, name: &str, role: &str) {
        let version = self.count();
        let now = Time(self.now);
        let binding = self.bindings.entry(name.to_owned()).or_insert_with(|| {
            let spec = PodIdentityBindingSpec {
                service_account_name: ACCOUNT.into(),
                role_arn: role.into(),
                audience: None,
                token_expiration_seconds: None,
                sts_regional_endpoints: None,
                rollout: Rollout::default(),
                on_conflict: podidentity_api::ConflictPolicy::Report,
                deletion_policy: podidentity_api::DeletionPolicy::Release,
                suspend: false,
            };
            let mut binding = PodIdentityBinding::new(name, spec);
            binding.metadata.namespace = Some(NAMESPACE.into());
            binding.metadata.uid = Some(format!("binding-{version}"));
            binding.metadata.creation_timestamp = Some(now);
            binding.metadata.generation = Some(1);
            binding
        });
        if binding.spec.role_arn != role {
            binding.spec.role_arn = role.into();
            binding.metadata.generation = binding.metadata.generation.map(|generation| generation + 1);
        }
        binding.metadata.resource_version = Some(version.to_string());
    }

    pub fn edit_binding(&mut self, name: &str, edit: impl FnOnce(&mut PodIdentityBindingSpec)) {
        let version = self.count();
        if let Some(binding) = self.bindings.get_mut(name) {
            edit(&mut binding.spec);
            binding.metadata.generation = binding.metadata.generation.map(|generation| generation + 1);
            binding.metadata.resource_version = Some(version.to_string());
        }
    }

    pub fn delete_binding(&mut self, name: &str) {
        let version = self.count();
        let now = self.now;
        if let Some(binding) = self.bindings.get_mut(name) {
            binding.metadata.deletion_timestamp.get_or_insert(Time(now));
            binding.metadata.resource_version = Some(version.to_string());
        }
        self.collect_bindings();
    }

    fn collect_bindings(&mut self) {
        self.bindings.retain(|_, binding| {
            binding.metadata.deletion_timestamp.is_none() || binding.metadata.finalizers.iter().flatten().count() > 0
        });
    }

    pub fn deploy(&mut self, name: &str, replicas: usize) {
        let version = self.count();
        let deployment = self.deployments.entry(name.to_owned()).or_insert_with(|| Deployment {
            name: name.to_owned(),
            uid: format!("deployment-{version}"),
            version,
            generation: 1,
            mark: None,
            marked_at: None,
            replicas,
            paused: false,
            preset: false,
            pods: Vec::new(),
        });
        deployment.replicas = replicas;
        deployment.version = version;
    }

    pub fn edit_template(&mut self, name: &str, edit: impl FnOnce(&mut Deployment)) {
        let version = self.count();
        if let Some(deployment) = self.deployments.get_mut(name) {
            edit(deployment);
            deployment.generation += 1;
            deployment.version = version;
        }
    }

    pub fn touch(&mut self, name: &str, edit: impl FnOnce(&mut Deployment)) {
        let version = self.count();
        if let Some(deployment) = self.deployments.get_mut(name) {
            edit(deployment);
            deployment.version = version;
        }
    }

    // What the deployment controller and the webhook do: one pod at a time.

    /// Replaces one outdated pod or brings their number closer to what it should be; false if there is nothing to do.
    pub fn progress(&mut self, name: &str) -> bool {
        let id = self.count();
        let role = self.account.as_ref().filter(|_| self.webhook).and_then(|it| it.annotations.get(ROLE_KEY).cloned());
        let Some(deployment) = self.deployments.get_mut(name) else { return false };
        let outdated = |pod: &PodState| !deployment.paused && pod.generation != deployment.generation;
        if deployment.pods.len() > deployment.replicas {
            deployment.pods.pop();
        } else if let Some(place) = deployment.pods.iter().position(outdated) {
            deployment.pods.remove(place);
        } else if deployment.pods.len() == deployment.replicas {
            return false;
        }
        if deployment.pods.len() < deployment.replicas {
            let role = if deployment.preset { Some("arn:aws:iam::111122223333:role/preset".into()) } else { role };
            deployment.pods.push(PodState {
                name: format!("{name}-{id}"),
                generation: deployment.generation,
                mark: deployment.mark.clone(),
                created: self.now,
                role,
            });
        }
        deployment.version = id;
        true
    }

    /// Lets all deployments come to rest; false if they were.
    pub fn progress_all(&mut self) -> bool {
        let names: Vec<String> = self.deployments.keys().cloned().collect();
        let mut progressed = false;
        for name in names {
            while self.progress(&name) {
                progressed = true;
            }
        }
        progressed
    }

    // The API server.

    pub fn apply(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::SetFinalizer { binding, present } => self.set_finalizer(binding, *present),
            Step::Annotate { account, annotations, force } => self.annotate(account, annotations, *force),
            Step::Roll { workload, target, mark } => self.roll(&workload.name, target, mark),
        }
    }

    fn set_finalizer(&mut self, target: &Target, present: bool) -> Result<(), Refusal> {
        let version = self.count();
        let binding = self.bindings.get_mut(&target.name).ok_or(Refusal::Stale)?;
        if Target::of(&binding.metadata) != *target {
            return Err(Refusal::Stale);
        }
        binding.metadata.finalizers = present.then(|| vec![names::FINALIZER.into()]);
        binding.metadata.resource_version = Some(version.to_string());
        self.collect_bindings();
        Ok(())
    }

    fn annotate(
        &mut self,
        target: &Target,
        annotations: &BTreeMap<String, String>,
        force: bool,
    ) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let account = self.account.as_mut().ok_or(Refusal::Stale)?;
        if account.uid != target.uid || account.version.to_string() != target.resource_version {
            return Err(Refusal::Stale);
        }
        let ours = names::FIELD_MANAGER.to_owned();
        for (key, value) in annotations {
            let foreign = account.owners.get(key).is_some_and(|owners| owners.keys().any(|owner| *owner != ours));
            if foreign && account.annotations.get(key) != Some(value) {
                if !force {
                    return Err(Refusal::Conflict);
                }
                account.owners.remove(key);
            }
        }
        let given_up: Vec<String> =
            account.owners.keys().filter(|key| !annotations.contains_key(*key)).cloned().collect();
        for key in given_up {
            let owners = account.owners.entry(key.clone()).or_default();
            owners.remove(&ours);
            if owners.is_empty() {
                account.owners.remove(&key);
                account.annotations.remove(&key);
            }
        }
        for (key, value) in annotations {
            account.annotations.insert(key.clone(), value.clone());
            account.owners.entry(key.clone()).or_default().insert(ours.clone(), now);
        }
        account.version = version;
        Ok(())
    }

    fn roll(&mut self, name: &str, target: &Target, mark: &str) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let deployment = self.deployments.get_mut(name).ok_or(Refusal::Stale)?;
        if deployment.uid != target.uid || deployment.version.to_string() != target.resource_version {
            return Err(Refusal::Stale);
        }
        if deployment.mark.as_deref() != Some(mark) {
            deployment.mark = Some(mark.to_owned());
            deployment.marked_at = Some(now);
            deployment.generation += 1;
            deployment.version = version;
            self.rolls += 1;
        }
        Ok(())
    }

    /// What a watch would have shown.
    pub fn snapshot(&self) -> Snapshot {
        let workloads: Vec<_> = self.deployments.values().map(|it| Arc::new(it.workload())).collect();
        let pods = self.deployments.values().flat_map(|it| it.pods.iter().map(|pod| Arc::new(it.pod(pod)))).collect();
        Snapshot {
            namespace: NAMESPACE.into(),
            service_account_name: ACCOUNT.into(),
            now: self.now,
            config: Arc::new(Config::default()),
            namespace_object: None,
            bindings: self.bindings.values().cloned().map(Arc::new).collect(),
            service_account: self.account.as_ref().map(|account| Arc::new(account.object())),
            workloads,
            pods,
            rollout_slots: usize::MAX,
        }
    }

    /// Stores a status, unless the binding has changed since.
    pub fn store_status(&mut self, report: &podidentity_core::status::Report) {
        let version = self.count();
        if let Some(binding) = self.bindings.get_mut(&report.binding.name)
            && Target::of(&binding.metadata) == report.binding
        {
            binding.status = Some(report.status.clone());
            binding.metadata.resource_version = Some(version.to_string());
        }
    }
}

impl Account {
    fn object(&self) -> ServiceAccount {
        let managers: BTreeSet<&String> = self.owners.values().flat_map(BTreeMap::keys).collect();
        let entries = managers.into_iter().map(|manager| {
            let owned = || self.owners.iter().filter_map(|(key, owners)| Some((key, owners.get(manager)?)));
            let fields: serde_json::Map<_, _> = owned().map(|(key, _)| (format!("f:{key}"), json!({}))).collect();
            entry(manager, owned().map(|(_, time)| *time).max(), json!({"f:metadata": {"f:annotations": fields}}))
        });
        ServiceAccount {
            metadata: ObjectMeta {
                name: Some(ACCOUNT.into()),
                namespace: Some(NAMESPACE.into()),
                uid: Some(self.uid.clone()),
                resource_version: Some(self.version.to_string()),
                annotations: Some(self.annotations.clone()),
                managed_fields: Some(entries.collect()),
                ..ObjectMeta::default()
            },
        }
    }
}

impl Deployment {
    fn workload(&self) -> Workload {
        let fields = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
            format!("f:{}", names::IDENTITY_ANNOTATION): {}}}}}});
        let mut template = PodTemplate { spec: self.spec(None), ..PodTemplate::default() };
        if let Some(mark) = &self.mark {
            template.metadata.annotations.insert(names::IDENTITY_ANNOTATION.into(), mark.clone());
        }
        let current = self.pods.iter().filter(|pod| pod.generation == self.generation).count();
        Workload {
            kind: WorkloadKind::Deployment,
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(NAMESPACE.into()),
                uid: Some(self.uid.clone()),
                resource_version: Some(self.version.to_string()),
                generation: Some(self.generation),
                managed_fields: self.marked_at.map(|time| vec![entry(names::FIELD_MANAGER, Some(time), fields)]),
                ..ObjectMeta::default()
            },
            template,
            strategy: UpdateStrategy::Replace,
            paused: self.paused,
            desired: i32::try_from(self.replicas).unwrap(),
            settled: current == self.replicas && self.pods.len() == self.replicas,
            deadline_exceeded: false,
        }
    }

    fn spec(&self, role: Option<&String>) -> PodSpec {
        let preset = EnvVar {
            name: "AWS_ROLE_ARN".into(),
            value: Some("arn:aws:iam::111122223333:role/preset".to_owned()),
            value_from: None,
        };
        let env = Vec::from_iter(self.preset.then_some(preset));
        let app = Container { name: "app".into(), env, ..Container::default() };
        let mut spec =
            PodSpec { service_account_name: Some(ACCOUNT.into()), containers: vec![app], ..PodSpec::default() };
        if let Some(role) = role {
            let template = PodTemplate { spec: spec.clone(), ..PodTemplate::default() };
            let settings = Settings::default();
            let annotations = BTreeMap::from([(settings.key("role-arn"), role.clone())]);
            inject(&template, &annotations, &settings).apply(&mut spec);
        }
        spec
    }

    fn pod(&self, pod: &PodState) -> Pod {
        let mark = pod.mark.iter().map(|mark| (names::IDENTITY_ANNOTATION.to_owned(), mark.clone())).collect();
        let owner = OwnerReference {
            kind: "ReplicaSet".into(),
            name: format!("{}-hash", self.name),
            controller: Some(true),
            ..OwnerReference::default()
        };
        Pod {
            metadata: ObjectMeta {
                name: Some(pod.name.clone()),
                namespace: Some(NAMESPACE.into()),
                creation_timestamp: Some(Time(pod.created)),
                annotations: Some(mark),
                labels: Some(BTreeMap::from([("pod-template-hash".into(), "hash".into())])),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            spec: self.spec(pod.role.as_ref()),
            status: PodStatus {
                phase: Some("Running".into()),
                conditions: vec![PodCondition { type_: "Ready".into(), status: "True".into() }],
            },
        }
    }
}

fn entry(manager: &str, time: Option<Timestamp>, fields: serde_json::Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.into()),
        operation: Some("Apply".into()),
        time: time.map(Time),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    }
}
