//! How an object of each kind is packed.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Kin, Map, Phase, Pod, PodSpec, ServiceAccount, Workload};
use serde::{Deserialize, Serialize};

use crate::index::Object;
use crate::packed::{Packed, Packer};

/// The packers of all kinds.
#[derive(Default)]
pub(crate) struct Packers {
    bindings: Packer<PodIdentityBinding>,
    accounts: Packer<Account>,
    workloads: Packer<Workload>,
    templates: Packer<Template>,
}

/// What is kept of an object.
pub(crate) enum Body {
    Binding(Packed<PodIdentityBinding>),
    ServiceAccount(Packed<Account>),
    Workload(Packed<Workload>),
    Pod(PodBody),
}

/// A pod: what it has for itself, and what the pods of one template have in common.
pub(crate) struct PodBody {
    pub(crate) created: Option<Time>,
    pub(crate) deleted: Option<Box<Time>>,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    pub(crate) template: Arc<Packed<Template>>,
}

/// What the pods of one template have in common.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) kin: Kin,
    pub(crate) spec: PodSpec,
}

/// A service account, field by field: from the API server it comes in another shape.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    metadata: ObjectMeta,
    labels: Map,
    annotations: Map,
}

impl From<ServiceAccount> for Account {
    fn from(ServiceAccount { metadata, labels, annotations }: ServiceAccount) -> Self {
        Self { metadata, labels, annotations }
    }
}

impl From<Account> for ServiceAccount {
    fn from(Account { metadata, labels, annotations }: Account) -> Self {
        Self { metadata, labels, annotations }
    }
}

impl Packers {
    /// Packs an object; `None` for a namespace, of which there are few.
    pub(crate) fn pack(&mut self, object: Object) -> Option<Body> {
        Some(match object {
            Object::Binding(binding) => Body::Binding(self.bindings.pack(binding)),
            Object::ServiceAccount(account) => {
                Body::ServiceAccount(self.accounts.pack(Arc::new(Arc::unwrap_or_clone(account).into())))
            }
            Object::Workload(workload) => Body::Workload(self.workloads.pack(workload)),
            Object::Pod(pod) => Body::Pod(self.pod(Arc::unwrap_or_clone(pod))),
            Object::Namespace(_) => return None,
        })
    }

    fn pod(&mut self, Pod { metadata, spec, phase, ready }: Pod) -> PodBody {
        let template = Template { kin: Arc::unwrap_or_clone(metadata.kin), spec: Arc::unwrap_or_clone(spec) };
        PodBody {
            created: metadata.creation_timestamp,
            deleted: metadata.deletion_timestamp.map(Box::new),
            phase,
            ready,
            template: Arc::new(self.templates.pack(Arc::new(template))),
        }
    }
}
