//! Objects as users write them. The names say what is special about each.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::{PodIdentityBinding, names};
use serde_json::{Value, json};

/// The role of the guide.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/my-role";

/// Another role.
pub const OTHER_ROLE: &str = "arn:aws:iam::111122223333:role/team/my-other-role";

/// The annotation that the webhook reads.
pub fn role_annotation() -> String {
    format!("{}/role-arn", names::EKS_DOMAIN)
}

/// A service account without annotations.
pub fn service_account(name: &str) -> Result<ServiceAccount> {
    from(json!({"metadata": {"name": name}}))
}

/// A service account that somebody has annotated with a role already.
pub fn annotated_service_account(name: &str, role: &str) -> Result<ServiceAccount> {
    from(json!({"metadata": {"name": name, "annotations": {role_annotation(): role}}}))
}

/// A Deployment with one container that runs as the service account.
pub fn deployment(name: &str, service_account: &str, replicas: i32) -> Result<Deployment> {
    deployment_with(name, service_account, replicas, &json!({}))
}

/// The same with annotations on its pods, for example [`crate::READY_AFTER`].
pub fn deployment_with(name: &str, service_account: &str, replicas: i32, annotations: &Value) -> Result<Deployment> {
    from(json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {
                    "serviceAccountName": service_account,
                    "containers": [{"name": "main", "image": "registry.example.com/app:1"}],
                },
            },
        },
    }))
}

/// A binding with the required fields only.
pub fn binding(name: &str, service_account: &str, role: &str) -> Result<PodIdentityBinding> {
    let api_version = "podidentity.dev/v1alpha1";
    from(json!({
        "apiVersion": api_version,
        "kind": "PodIdentityBinding",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": service_account, "roleArn": role},
    }))
}

fn from<K: serde::de::DeserializeOwned>(value: Value) -> Result<K> {
    Ok(serde_json::from_value(value)?)
}
