//! The bytes of an object, before they are compressed: MessagePack with the names of the fields.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Map, ServiceAccount, Workload};
use serde::{Deserialize, Serialize};

use super::templates::Template;

/// An object that has bytes from which it can be read again.
pub(crate) trait Bytes: PartialEq + Sized {
    fn to_bytes(&self) -> Option<Vec<u8>>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! by_serde {
    ($($type:ty),*) => {$(
        impl Bytes for $type {
            fn to_bytes(&self) -> Option<Vec<u8>> {
                rmp_serde::to_vec_named(self).ok()
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                rmp_serde::from_slice(bytes).ok()
            }
        }
    )*};
}

by_serde!(PodIdentityBinding, Workload, Template);

/// A service account, field by field. As Kubernetes sends it, it would be slimmed when it is read,
/// and a slim one cannot be slimmed again.
#[derive(Serialize, Deserialize)]
struct Account<'a> {
    metadata: Cow<'a, ObjectMeta>,
    labels: Cow<'a, Map>,
    annotations: Cow<'a, Map>,
}

impl Bytes for ServiceAccount {
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let Self { metadata, labels, annotations } = self;
        let (metadata, labels) = (Cow::Borrowed(metadata), Cow::Borrowed(labels));
        rmp_serde::to_vec_named(&Account { metadata, labels, annotations: Cow::Borrowed(annotations) }).ok()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let Account { metadata, labels, annotations } = rmp_serde::from_slice(bytes).ok()?;
        let (labels, annotations) = (labels.into_owned(), annotations.into_owned());
        Some(Self { metadata: metadata.into_owned(), labels, annotations })
    }
}
