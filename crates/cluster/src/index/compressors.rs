//! How each kind of object is compressed.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Map, Phase, Pod, PodSpec, ServiceAccount, SharedMeta, Workload};
use serde::{Deserialize, Serialize};

use super::compressed::{Compressed, Compressor};
use super::object::Object;

/// The compressors of all kinds.
#[derive(Default)]
pub(crate) struct Compressors {
    bindings: Compressor<PodIdentityBinding>,
    accounts: Compressor<Account>,
    workloads: Compressor<Workload>,
    templates: Compressor<Template>,
}

/// An object, compressed.
pub(crate) enum Body {
    Binding(Compressed<PodIdentityBinding>),
    ServiceAccount(Compressed<Account>),
    Workload(Compressed<Workload>),
    Pod(PodBody),
}

/// A pod: its own fields, and what the pods of one template share.
pub(crate) struct PodBody {
    pub(crate) created: Option<Time>,
    pub(crate) deleted: Option<Box<Time>>,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    pub(crate) failing: bool,
    pub(crate) template: Arc<Compressed<Template>>,
}

impl PodBody {
    /// Whether both pods are the same for every verdict.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let Self { created, deleted, phase, ready, failing, template } = self;
        (created, deleted, phase, ready, failing)
            == (&other.created, &other.deleted, &other.phase, &other.ready, &other.failing)
            && Arc::ptr_eq(template, &other.template)
    }
}

/// What the pods of one template share.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) shared: SharedMeta,
    pub(crate) spec: PodSpec,
}

/// A service account, field by field: its wire format has another shape.
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

impl Compressors {
    /// Compresses an object. `None` for a namespace or role object, which the index keeps
    /// uncompressed. `templates`: known templates, one of which a pod probably shares.
    pub(crate) fn compress(&mut self, object: Object, templates: &[Arc<Compressed<Template>>]) -> Option<Body> {
        Some(match object {
            Object::Binding(binding) => Body::Binding(self.bindings.compress(binding)),
            Object::ServiceAccount(account) => {
                Body::ServiceAccount(self.accounts.compress(Arc::new(Arc::unwrap_or_clone(account).into())))
            }
            Object::Workload(workload) => Body::Workload(self.workloads.compress(workload)),
            Object::Pod(pod) => Body::Pod(self.pod(Arc::unwrap_or_clone(pod), templates)),
            Object::Namespace(_) | Object::RoleObject(_) => return None,
        })
    }

    fn pod(
        &mut self,
        Pod { metadata, spec, phase, ready, failing }: Pod,
        templates: &[Arc<Compressed<Template>>],
    ) -> PodBody {
        let template = Template { shared: Arc::unwrap_or_clone(metadata.shared), spec: Arc::unwrap_or_clone(spec) };
        PodBody {
            created: metadata.creation_timestamp,
            deleted: metadata.deletion_timestamp.map(Box::new),
            phase,
            ready,
            failing,
            template: self.templates.compress_unless_known(Arc::new(template), templates),
        }
    }
}
