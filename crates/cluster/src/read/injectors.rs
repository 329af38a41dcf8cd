//! The webhooks and policies that inject in a cluster.

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use podidentity_core::injector::Injectors;
use podidentity_core::objects::Map;
use serde_json::Value;

use super::ReadError;
use crate::http::error::Meaning;

/// API group of mutating webhooks and policies.
const GROUP: &str = "admissionregistration.k8s.io";
/// API versions of policies, newest first. An API server may serve none of them.
const POLICY_VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// The injectors that the user may read. Skips kinds that the API server does not serve.
pub async fn injectors(client: &Client) -> Result<Injectors, ReadError> {
    let mut objects = Vec::new();
    let mut forbidden = Vec::new();
    for (kind, plural, versions) in [
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", &["v1"][..]),
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", &POLICY_VERSIONS),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", &POLICY_VERSIONS),
    ] {
        match list(client, kind, plural, versions).await {
            Ok(found) => objects.extend(found),
            Err(ReadError::Forbidden(_)) => forbidden.push(plural.to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(Injectors { forbidden, ..Injectors::of(objects.iter()) })
}

async fn list(client: &Client, kind: &str, plural: &str, versions: &[&str]) -> Result<Vec<Value>, ReadError> {
    for version in versions {
        let resource = ApiResource {
            group: GROUP.to_owned(),
            version: (*version).to_owned(),
            api_version: format!("{GROUP}/{version}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        match api.list(&ListParams::default()).await {
            Ok(found) => return Ok(found.items.iter().map(|item| document(kind, item)).collect()),
            Err(error) if Meaning::of(&error) == Meaning::NotFound => {}
            Err(error) => return Err(ReadError::of(&error, "list", plural, None)),
        }
    }
    Ok(Vec::new())
}

/// Restores the kind, which the items of a list omit.
fn document(kind: &str, item: &DynamicObject) -> Value {
    let mut document = item.data.clone();
    document["kind"] = Value::from(kind);
    document["metadata"] = serde_json::to_value(&item.metadata).unwrap_or_default();
    document
}

/// All labels of a pod; `None` if the pod is gone or the user may not get it.
pub async fn pod_labels(client: &Client, namespace: &str, name: &str) -> Result<Option<Map>, ReadError> {
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(client.clone(), namespace);
    match pods.get_metadata_opt(name).await {
        Ok(found) => Ok(found.map(|pod| pod.metadata.labels.unwrap_or_default().into_iter().collect())),
        Err(error) if Meaning::of(&error) == Meaning::Forbidden => Ok(None),
        Err(error) => Err(ReadError::of(&error, "get", "pods", Some(namespace))),
    }
}
