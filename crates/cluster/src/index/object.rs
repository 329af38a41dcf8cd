//! Watched objects, and the identities that they affect.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{
    Namespace, ObservedAccount, ObservedBinding, ObservedPod, Pod, RoleObject, RoleObjectKind, ServiceAccount,
    Workload, WorkloadKind,
};

use crate::queue::ready::Fair;

/// Namespace and name of a service account: the unit of every decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// Namespace.
    pub namespace: String,
    /// Name of the service account.
    pub service_account: String,
}

impl Fair for IdentityKey {
    fn group(&self) -> &str {
        &self.namespace
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}

/// An object of one of the watched kinds.
#[derive(Clone, Debug)]
pub enum Object {
    /// A binding.
    Binding(Arc<PodIdentityBinding>),
    /// A service account.
    ServiceAccount(Arc<ServiceAccount>),
    /// A Deployment, StatefulSet, DaemonSet or Rollout.
    Workload(Arc<Workload>),
    /// A pod.
    Pod(Arc<Pod>),
    /// A namespace.
    Namespace(Arc<Namespace>),
    /// An object that a binding's `roleRef` may refer to.
    RoleObject(Arc<RoleObject>),
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// PodIdentityBinding
    Binding,
    /// ServiceAccount
    ServiceAccount,
    /// Deployment, StatefulSet, DaemonSet or Rollout
    Workload(WorkloadKind),
    /// Pod
    Pod,
    /// Namespace
    Namespace,
    /// ConfigMap, or a Role of ACK or Crossplane
    RoleObject(RoleObjectKind),
}

impl Kind {
    /// The kind as in `kind:`, for example `Deployment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "PodIdentityBinding",
            Self::ServiceAccount => "ServiceAccount",
            Self::Workload(kind) => kind.as_str(),
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::RoleObject(kind) => kind.qualified(),
        }
    }
}

/// Kind, namespace (empty for namespaces) and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: Kind,
    /// Namespace, empty for a namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Object {
    /// A binding.
    pub fn binding(binding: ObservedBinding) -> Self {
        Self::Binding(Arc::new(binding.into()))
    }

    /// A service account.
    pub fn account(account: ObservedAccount) -> Self {
        Self::ServiceAccount(Arc::new(account.into()))
    }

    /// A pod, without the fields that no decision reads.
    pub fn pod(pod: ObservedPod) -> Self {
        Self::Pod(Arc::new(Pod::from(pod).slim()))
    }

    /// An object that a binding's `roleRef` may refer to.
    pub fn role_object<R: Into<RoleObject>>(object: R) -> Self {
        Self::RoleObject(Arc::new(object.into()))
    }

    /// A workload, without the fields that no decision reads.
    pub fn workload<W: Into<Workload>>(workload: W) -> Self {
        Self::Workload(Arc::new(workload.into().slim()))
    }

    /// The value of an annotation of a service account.
    pub(crate) fn annotation(&self, key: &str) -> Option<&String> {
        match self {
            Self::ServiceAccount(account) => account.annotations.get(key),
            _ => None,
        }
    }

    /// The value of an annotation of a workload's pod template.
    pub(crate) fn template_annotation(&self, key: &str) -> Option<&String> {
        match self {
            Self::Workload(workload) => workload.template.metadata.annotations.get(key),
            _ => None,
        }
    }

    /// Kind, namespace and name.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Binding(binding) => ObjectId::of(Kind::Binding, &binding.metadata),
            Self::ServiceAccount(account) => ObjectId::of(Kind::ServiceAccount, &account.metadata),
            Self::Workload(workload) => ObjectId::of(Kind::Workload(workload.kind), &workload.metadata),
            Self::Pod(pod) => ObjectId {
                kind: Kind::Pod,
                namespace: pod.metadata.namespace.clone().unwrap_or_default(),
                name: pod.name().to_owned(),
            },
            Self::Namespace(namespace) => ObjectId::of(Kind::Namespace, &namespace.metadata),
            Self::RoleObject(object) => ObjectId::of(Kind::RoleObject(object.kind), &object.metadata),
        }
    }

    /// The service account that the object belongs to.
    pub(crate) fn service_account(&self) -> Option<&str> {
        match self {
            Self::Binding(binding) => Some(&binding.spec.service_account_name),
            Self::ServiceAccount(account) => account.metadata.name.as_deref(),
            Self::Workload(workload) => workload.service_account(),
            Self::Pod(pod) => Some(pod.spec.service_account()),
            Self::Namespace(_) | Self::RoleObject(_) => None,
        }
    }
}

impl ObjectId {
    /// Kind, namespace and name of an object with this metadata.
    pub fn of(kind: Kind, meta: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn of_namespace(name: &str) -> Self {
        Self { kind: Kind::Namespace, namespace: String::new(), name: name.to_owned() }
    }
}
