//! A cluster in memory: an API server with field managers and resource versions, a deployment controller, and a
//! webhook that may be away.

// Two test binaries use it, and neither of them all of it.
#![allow(dead_code, unused_imports)]

mod account;
mod deployment;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec, names};
use podidentity_core::objects::Namespace;
use podidentity_core::plan::{Declared, Step, Target};
use podidentity_core::snapshot::{Config, Snapshot};

pub use account::Account;
pub use deployment::{Deployment, PodState};

pub const NAMESPACE: &str = "default";
pub const ACCOUNT: &str = "my-app";
const ROLE_KEY: &str = "eks.amazonaws.com/role-arn";

/// Why the API server did not do a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Stale,
    Conflict,
    /// An admission policy refuses it.
    Refused,
    /// It was stored, and admission has changed what was to be written.
    Rewritten,
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
    /// Deployments whose restarts admission refuses.
    pub refused: BTreeSet<String>,
    /// Deployments in whose template admission replaces the operator's mark by this.
    pub rewritten: BTreeMap<String, String>,
    /// What admission makes of the role that the operator writes.
    pub role_rewritten: Option<String>,
    /// The namespace's grants, where the operator requires them.
    pub grants: Option<String>,
    /// Template changes by the operator, in all.
    pub rolls: usize,
    /// Writes of the operator to the service account, in all.
    pub account_writes: usize,
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
            refused: BTreeSet::new(),
            rewritten: BTreeMap::new(),
            role_rewritten: None,
            grants: None,
            rolls: 0,
            account_writes: 0,
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
            self.account = Some(Account::new(version));
        }
    }

    pub fn remove_annotation(&mut self) {
        self.remove_key(ROLE_KEY);
    }

    pub fn remove_key(&mut self, key: &str) {
        let version = self.count();
        if let Some(account) = &mut self.account
            && account.annotations.remove(key).is_some()
        {
            account.owners.remove(key);
            account.version = version;
        }
    }

    /// `kubectl annotate --overwrite`: takes the field from whoever had it.
    pub fn overwrite_annotation(&mut self, manager: &str, role: &str) {
        self.overwrite_key(manager, ROLE_KEY, role);
    }

    pub fn overwrite_key(&mut self, manager: &str, key: &str, value: &str) {
        let (version, now) = (self.count(), self.now);
        if let Some(account) = &mut self.account {
            account.annotations.insert(key.into(), value.into());
            account.owners.insert(key.into(), BTreeMap::from([(manager.into(), now)]));
            account.version = version;
        }
    }

    pub fn pause(&mut self, name: &str, paused: bool) {
        let now = self.now;
        self.touch(name, |it| {
            it.paused = paused;
            it.resumed(now);
        });
    }

    /// A node is drained.
    pub fn drain(&mut self, name: &str) {
        self.touch(name, Deployment::lose_pod);
    }

    /// What everybody sees on the service account.
    pub fn role(&self) -> Option<&str> {
        self.account.as_ref()?.annotations.get(ROLE_KEY).map(String::as_str)
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
            let spec = serde_json::json!({"serviceAccountName": ACCOUNT, "roleArn": role});
            let spec: PodIdentityBindingSpec = serde_json::from_value(spec).unwrap();
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

    /// Changes what is no part of the spec's generations.
    pub fn touch_binding(&mut self, name: &str, edit: impl FnOnce(&mut PodIdentityBinding)) {
        let version = self.count();
        if let Some(binding) = self.bindings.get_mut(name) {
            edit(binding);
            binding.metadata.resource_version = Some(version.to_string());
        }
    }

    pub fn annotate_binding(&mut self, name: &str, key: &str, value: &str) {
        self.touch_binding(name, |binding| {
            let annotations = binding.metadata.annotations.get_or_insert_default();
            annotations.insert(key.to_owned(), value.to_owned());
        });
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
        let (version, now) = (self.count(), self.now);
        let deployment = self.deployments.entry(name.to_owned()).or_insert_with(|| Deployment::new(name, version, now));
        deployment.replicas = replicas;
        deployment.version = version;
    }

    pub fn edit_template(&mut self, name: &str, edit: impl FnOnce(&mut Deployment)) {
        let (version, now) = (self.count(), self.now);
        if let Some(deployment) = self.deployments.get_mut(name) {
            edit(deployment);
            deployment.template_changed(now);
            deployment.edited_at = Some(now);
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

    /// Another manager applies a template without our annotation.
    pub fn revert(&mut self, name: &str) {
        self.edit_template(name, |it| {
            it.template.mark = None;
            it.disown();
        });
    }

    // What the deployment controller and the webhook do: one pod at a time.

    /// One step of the deployment controller; false if there is nothing to do.
    pub fn progress(&mut self, name: &str) -> bool {
        let (id, now) = (self.count(), self.now);
        let known = self.account.as_ref().filter(|_| self.webhook).map(|account| account.annotations.clone());
        let Some(deployment) = self.deployments.get_mut(name) else { return false };
        let progressed = deployment.progress(id, now, &known.unwrap_or_default());
        if progressed {
            deployment.version = id;
        }
        progressed
    }

    /// When the next rollout that does not come to an end is given up.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deployments.values().filter_map(Deployment::deadline).filter(|deadline| *deadline > self.now).min()
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
            Step::Annotate { account, annotations, force, written_for, declared } => {
                if declared.as_ref().is_some_and(|declared| !self.declares(declared)) {
                    return Err(Refusal::Stale);
                }
                let mut all = annotations.clone();
                all.extend(written_for.iter().map(|it| (names::BOUND_BY_ANNOTATION.to_owned(), it.to_string())));
                self.annotate(account, all, *force)
            }
            Step::Roll { workload, target, mark } => self.roll(&workload.name, target, mark),
        }
    }

    fn declares(&self, declared: &Declared) -> bool {
        let binding = self.bindings.get(&declared.binding);
        binding.is_some_and(|binding| Declared::by(&binding.metadata) == *declared)
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
        mut annotations: BTreeMap<String, String>,
        force: bool,
    ) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let account = self.account.as_mut().ok_or(Refusal::Stale)?;
        let asked = annotations.get(ROLE_KEY).cloned();
        if let (Some(role), Some(_)) = (&self.role_rewritten, &asked) {
            annotations.insert(ROLE_KEY.into(), role.clone());
        }
        let before = account.annotations.clone();
        account.apply(target, &annotations, force, now)?;
        if account.annotations != before || annotations.is_empty() {
            account.version = version;
        }
        self.account_writes += 1;
        if annotations.get(ROLE_KEY) == asked.as_ref() { Ok(()) } else { Err(Refusal::Rewritten) }
    }

    fn roll(&mut self, name: &str, target: &Target, mark: &str) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let deployment = self.deployments.get_mut(name).ok_or(Refusal::Stale)?;
        if deployment.uid != target.uid || deployment.version.to_string() != target.resource_version {
            return Err(Refusal::Stale);
        }
        if self.refused.contains(name) {
            return Err(Refusal::Refused);
        }
        let asked = mark;
        let mark = self.rewritten.get(name).map_or(mark, String::as_str);
        if deployment.template.mark.as_deref() != Some(mark) {
            deployment.template.mark = Some(mark.to_owned());
            deployment.marked_at = Some(now);
            deployment.template_changed(now);
            deployment.version = version;
            self.rolls += 1;
        }
        if mark == asked { Ok(()) } else { Err(Refusal::Rewritten) }
    }

    /// What a watch would have shown.
    pub fn snapshot(&self) -> Snapshot {
        let workloads = self.deployments.values().filter(|it| !it.template.elsewhere);
        let workloads = workloads.map(|it| Arc::new(it.workload(self.now))).collect();
        let pods = self.deployments.values().flat_map(|it| it.pods.iter().map(|pod| it.pod(pod)));
        let pods = pods.filter(|pod| pod.spec.service_account() == ACCOUNT).map(Arc::new).collect();
        Snapshot {
            namespace: NAMESPACE.into(),
            service_account_name: ACCOUNT.into(),
            now: self.now,
            config: Arc::new(Config { require_grants: self.grants.is_some(), ..Config::default() }),
            namespace_object: self.grants.as_deref().map(|grants| Arc::new(namespace(grants))),
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

fn namespace(grants: &str) -> Namespace {
    let annotations = serde_json::json!({names::ALLOWED_ROLES_ANNOTATION: grants});
    serde_json::from_value(serde_json::json!({"metadata": {"name": NAMESPACE, "annotations": annotations}})).unwrap()
}

fn managed_fields_entry(manager: &str, time: Option<Timestamp>, fields: serde_json::Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.into()),
        operation: Some("Apply".into()),
        time: time.map(Time),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    }
}
