//! What is filed under one service account.

use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Pod, ServiceAccount, Workload};

use crate::index::{Kind, Object, ObjectId, Version};
use crate::sorted::Sorted;

/// How many different kinds of pods are looked at for one that a new pod is like: during a rollout there are two, and
/// each further workload of the account has its own.
const MODELS: usize = 8;

/// Everything that bears on one identity.
#[derive(Default)]
pub(crate) struct Identity {
    /// By name.
    pub(crate) bindings: Sorted<PodIdentityBinding>,
    pub(crate) service_account: Option<Arc<ServiceAccount>>,
    /// By kind and name.
    pub(crate) workloads: Sorted<Workload>,
    /// By name.
    pub(crate) pods: Sorted<Pod>,
    /// Pods of which others are like, the latest last.
    models: Vec<Arc<Pod>>,
}

impl Identity {
    pub(crate) fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.service_account.is_none() && self.workloads.is_empty() && self.pods.is_empty()
    }

    /// Which version of an object is filed.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Version<'_>> {
        match id.kind {
            Kind::Binding => self.bindings.find(id).map(|binding| Version::of(&binding.metadata)),
            Kind::ServiceAccount => self.service_account.as_ref().map(|account| Version::of(&account.metadata)),
            Kind::Workload(_) => self.workloads.find(id).map(|workload| Version::of(&workload.metadata)),
            Kind::Pod => self.pods.find(id).map(Version::of_pod),
            Kind::Namespace => None,
        }
    }

    /// Files an object; returns the binding that it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, object: Object) -> Option<Arc<PodIdentityBinding>> {
        match object {
            Object::Binding(binding) => return self.bindings.insert(id, binding),
            Object::ServiceAccount(account) => self.service_account = Some(account),
            Object::Workload(workload) => {
                self.workloads.insert(id, workload);
            }
            Object::Pod(pod) => {
                let pod = self.share(pod);
                self.pods.insert(id, pod);
            }
            Object::Namespace(_) => {}
        }
        None
    }

    /// Removes an object; returns it if it is a binding.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Arc<PodIdentityBinding>> {
        match id.kind {
            Kind::Binding => return self.bindings.remove(id),
            Kind::ServiceAccount => self.service_account = None,
            Kind::Workload(_) => {
                self.workloads.remove(id);
            }
            Kind::Pod => {
                self.pods.remove(id);
                if self.pods.is_empty() {
                    self.models.clear();
                }
            }
            Kind::Namespace => {}
        }
        None
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
