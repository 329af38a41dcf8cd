//! What is filed under one service account.

use std::collections::BTreeMap;
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Pod, ServiceAccount, Workload, WorkloadId};

use crate::index::{Kind, Object, ObjectId, Version};

/// How many different kinds of pods are looked at for one that a new pod is like: during a rollout there are two, and
/// each further workload of the account has its own.
const MODELS: usize = 8;

/// Everything that bears on one identity.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) bindings: BTreeMap<String, Arc<PodIdentityBinding>>,
    pub(crate) service_account: Option<Arc<ServiceAccount>>,
    pub(crate) workloads: BTreeMap<WorkloadId, Arc<Workload>>,
    /// By name.
    pods: Vec<Arc<Pod>>,
    /// Pods of which others are like, the latest last.
    models: Vec<Arc<Pod>>,
}

impl Identity {
    pub(crate) fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.service_account.is_none() && self.workloads.is_empty() && self.pods.is_empty()
    }

    /// The pods, by name.
    pub(crate) fn pods(&self) -> &[Arc<Pod>] {
        &self.pods
    }

    /// Which version of an object is filed.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Version<'_>> {
        match id.kind {
            Kind::Binding => self.bindings.get(&id.name).map(|binding| Version::of(&binding.metadata)),
            Kind::ServiceAccount => self.service_account.as_ref().map(|account| Version::of(&account.metadata)),
            Kind::Workload(kind) => {
                let id = WorkloadId { kind, name: id.name.clone() };
                self.workloads.get(&id).map(|workload| Version::of(&workload.metadata))
            }
            Kind::Pod => self.place(&id.name).ok().map(|place| Version::of_pod(&self.pods[place])),
            Kind::Namespace => None,
        }
    }

    /// Files an object; returns the binding that it replaces.
    pub(crate) fn insert(&mut self, name: String, object: Object) -> Option<Arc<PodIdentityBinding>> {
        match object {
            Object::Binding(binding) => return self.bindings.insert(name, binding),
            Object::ServiceAccount(account) => self.service_account = Some(account),
            Object::Workload(workload) => {
                self.workloads.insert(workload.id(), workload);
            }
            Object::Pod(pod) => {
                let pod = self.share(pod);
                match self.place(&name) {
                    Ok(place) => self.pods[place] = pod,
                    Err(place) => self.pods.insert(place, pod),
                }
            }
            Object::Namespace(_) => {}
        }
        None
    }

    /// Removes an object; returns it if it is a binding.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Arc<PodIdentityBinding>> {
        match id.kind {
            Kind::Binding => return self.bindings.remove(&id.name),
            Kind::ServiceAccount => self.service_account = None,
            Kind::Workload(kind) => {
                self.workloads.remove(&WorkloadId { kind, name: id.name.clone() });
            }
            Kind::Pod => {
                if let Ok(place) = self.place(&id.name) {
                    self.pods.remove(place);
                }
                if self.pods.is_empty() {
                    self.models.clear();
                }
            }
            Kind::Namespace => {}
        }
        None
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.pods.binary_search_by(|pod| pod.name().cmp(name))
    }

    /// Lets the pod share what it has in common with an earlier one.
    fn share(&mut self, mut pod: Arc<Pod>) -> Arc<Pod> {
        let Some(own) = Arc::get_mut(&mut pod) else { return pod };
        let spec = self.models.iter().find(|model| model.spec == own.spec);
        let kin = self.models.iter().find(|model| model.metadata.kin == own.metadata.kin);
        let is_new = spec.is_none() || kin.is_none();
        if let Some(model) = spec {
            own.spec = Arc::clone(&model.spec);
        }
        if let Some(model) = kin {
            own.metadata.kin = Arc::clone(&model.metadata.kin);
        }
        if is_new {
            if self.models.len() == MODELS {
                self.models.remove(0);
            }
            self.models.push(Arc::clone(&pod));
        }
        pod
    }
}
