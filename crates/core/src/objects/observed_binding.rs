//! A binding as a watch delivers it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_derive::Resource;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingSpec, PodIdentityBindingStatus};
use serde::{Deserialize, Serialize};

/// A binding without `managedFields`, which are larger than all the rest.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(inherit = PodIdentityBinding, crates(kube_core = "::kube_core"))]
pub struct ObservedBinding {
    /// Metadata without `managedFields`.
    #[serde(deserialize_with = "super::meta::slim")]
    pub metadata: ObjectMeta,
    /// What is declared.
    pub spec: PodIdentityBindingSpec,
    /// What was reported.
    pub status: Option<PodIdentityBindingStatus>,
}

impl From<ObservedBinding> for PodIdentityBinding {
    fn from(ObservedBinding { metadata, spec, status }: ObservedBinding) -> Self {
        Self { metadata, spec, status }
    }
}
