//! The actions of users and other managers.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec};
use podidentity_core::objects::WorkloadKind;

use super::{ACCOUNT, Account, Cluster, NAMESPACE, ROLE_KEY, Workload};

impl Cluster {
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
        self.offers_change();
    }

    /// `kubectl annotate --overwrite`: takes the field from its previous owner.
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
        self.offers_change();
    }

    /// Another manager, such as Helm, applies the existing value.
    pub fn co_own_key(&mut self, key: &str) {
        let (version, now) = (self.count(), self.now);
        if let Some(account) = &mut self.account
            && account.annotations.contains_key(key)
        {
            account.owners.entry(key.into()).or_default().insert("helm".into(), now);
            account.version = version;
        }
    }

    pub fn delete_account(&mut self) {
        self.account = None;
        self.offers_change();
    }

    /// The restore of a backup: a new service account with the annotations of the old one, all of
    /// them of one manager.
    pub fn restore_account(&mut self) {
        let (version, now) = (self.count(), self.now);
        if let Some(account) = &mut self.account {
            let owner = BTreeMap::from([("velero-server".to_owned(), now)]);
            let owners = account.annotations.keys().map(|key| (key.clone(), owner.clone())).collect();
            *account = Account { annotations: account.annotations.clone(), owners, ..Account::new(version) };
        }
        self.offers_change();
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
            (binding.spec.role, binding.spec.role_ref) = (None, None);
            binding.metadata.generation = binding.metadata.generation.map(|generation| generation + 1);
        }
        binding.metadata.resource_version = Some(version.to_string());
    }

    /// Removes the binding whatever its finalizers are, and creates it from its manifest, for example
    /// from a backup.
    pub fn create_binding_anew(&mut self, name: &str) {
        if let Some(binding) = self.bindings.remove(name) {
            self.bind(name, &binding.spec.role_arn);
            self.touch_binding(name, |anew| anew.spec = binding.spec);
        }
    }

    /// An edit without a change creates no new generation.
    pub fn edit_binding(&mut self, name: &str, edit: impl FnOnce(&mut PodIdentityBindingSpec)) {
        let version = self.count();
        if let Some(binding) = self.bindings.get_mut(name) {
            let before = binding.spec.clone();
            edit(&mut binding.spec);
            if binding.spec == before {
                return;
            }
            binding.metadata.generation = binding.metadata.generation.map(|generation| generation + 1);
            binding.metadata.resource_version = Some(version.to_string());
        }
    }

    /// Changes fields that do not affect the generation.
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

    pub(super) fn collect_bindings(&mut self) {
        self.bindings.retain(|_, binding| {
            binding.metadata.deletion_timestamp.is_none() || binding.metadata.finalizers.iter().flatten().count() > 0
        });
    }

    /// Creates a Deployment, or scales the workload of this name.
    pub fn deploy(&mut self, name: &str, replicas: usize) {
        if self.workloads.contains_key(name) {
            self.scale(name, replicas);
        } else {
            self.create(WorkloadKind::Deployment, name, |it| it.replicas = replicas);
        }
    }

    /// Creates a workload unless one of this name exists.
    pub fn create(&mut self, kind: WorkloadKind, name: &str, shape: impl FnOnce(&mut Workload)) {
        if !self.workloads.contains_key(name) {
            let mut workload = Workload::new(kind, name, self.count(), self.now);
            shape(&mut workload);
            self.workloads.insert(name.to_owned(), workload);
        }
    }

    /// The number of nodes is not part of a DaemonSet's spec.
    pub fn scale(&mut self, name: &str, replicas: usize) {
        self.touch(name, |it| {
            if it.replicas != replicas && it.kind != WorkloadKind::DaemonSet {
                it.scaled();
            }
            it.replicas = replicas;
        });
    }

    pub fn delete_workload(&mut self, name: &str) {
        self.workloads.remove(name);
    }

    pub fn pause(&mut self, name: &str, paused: bool) {
        let now = self.now;
        self.touch(name, |it| {
            if it.paused != paused {
                it.paused = paused;
                it.spec_changed(now);
            }
        });
    }

    /// A Rollout that waits at its step is promoted.
    pub fn promote(&mut self, name: &str) {
        let now = self.now;
        self.touch(name, |it| {
            if it.waits_since.take().is_some() {
                it.promoted = true;
                it.progressed_at = now;
            }
        });
    }

    /// A node is drained.
    pub fn drain(&mut self, name: &str) {
        self.touch(name, Workload::lose_pod);
    }

    /// A pod is evicted, is deleted but does not end, or becomes unready or ready.
    pub fn trouble_pod(&mut self, name: &str, trouble: PodTrouble) {
        let now = self.now;
        self.touch(name, |it| {
            let place = match trouble {
                PodTrouble::Recovers => it.pods.iter().position(|pod| pod.is_live() && !pod.is_ready()),
                PodTrouble::Ends => it.pods.iter().position(|pod| !pod.is_live()),
                _ => it.pods.iter().position(super::PodState::is_live),
            };
            let Some(place) = place else { return };
            match trouble {
                PodTrouble::Fails => it.pods[place].finish(),
                PodTrouble::Terminates => it.pods[place].terminate(now),
                PodTrouble::Unready => it.pods[place].run(false),
                PodTrouble::Recovers => {
                    let ready = it.becomes_ready(&it.pods[place]);
                    it.pods[place].run(ready);
                }
                PodTrouble::Ends => drop(it.pods.remove(place)),
            }
        });
    }

    pub fn edit_template(&mut self, name: &str, edit: impl FnOnce(&mut Workload)) {
        let (version, now) = (self.count(), self.now);
        if let Some(workload) = self.workloads.get_mut(name) {
            let before = workload.template.clone();
            edit(workload);
            if let Some(restart) = &mut workload.restart {
                restart.edited = true;
            }
            workload.template_changed(before, now);
            workload.edited_at = Some(now);
            workload.version = version;
        }
    }

    /// `kubectl rollout undo`.
    pub fn undo(&mut self, name: &str) {
        if self.workloads.get(name).is_some_and(|it| !it.history.is_empty()) {
            self.edit_template(name, Workload::undo);
        }
    }

    pub fn touch(&mut self, name: &str, edit: impl FnOnce(&mut Workload)) {
        let version = self.count();
        if let Some(workload) = self.workloads.get_mut(name) {
            edit(workload);
            workload.version = version;
        }
    }

    /// Another manager applies a template without our annotation.
    pub fn revert(&mut self, name: &str) {
        self.edit_template(name, |it| {
            it.template.mark = None;
            it.disown();
        });
    }
}

/// What happens to one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodTrouble {
    /// The pod is evicted: its phase is `Failed`.
    Fails,
    /// The pod is deleted, but does not end.
    Terminates,
    /// The pod is not ready any more.
    Unready,
    /// The pod is ready again, if possible.
    Recovers,
    /// A pod that failed or is being deleted disappears.
    Ends,
}
