//! Objects as users write them. Each name states what is special about the object.

use anyhow::Result;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
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

/// A service account that already has a role annotation.
pub fn annotated_service_account(name: &str, role: &str) -> Result<ServiceAccount> {
    from(json!({"metadata": {"name": name, "annotations": {role_annotation(): role}}}))
}

/// A Deployment with one container that runs as the service account.
pub fn deployment(name: &str, service_account: &str, replicas: i32) -> Result<Deployment> {
    deployment_with(name, service_account, replicas, &json!({}))
}

/// The same with pod annotations, for example [`crate::READY_AFTER`].
pub fn deployment_with(name: &str, service_account: &str, replicas: i32, annotations: &Value) -> Result<Deployment> {
    from(workload(name, service_account, annotations, &json!({"replicas": replicas})))
}

/// The same with further fields of its spec.
pub fn deployment_like(name: &str, service_account: &str, annotations: &Value, spec: &Value) -> Result<Deployment> {
    from(workload(name, service_account, annotations, spec))
}

/// A StatefulSet, with further fields of its spec.
pub fn stateful_set(name: &str, service_account: &str, replicas: i32, spec: &Value) -> Result<StatefulSet> {
    let mut object = workload(name, service_account, &json!({}), &json!({"replicas": replicas, "serviceName": name}));
    merge(&mut object["spec"], spec);
    from(object)
}

/// A DaemonSet, with further fields of its spec.
pub fn daemon_set(name: &str, service_account: &str, spec: &Value) -> Result<DaemonSet> {
    from(workload(name, service_account, &json!({}), spec))
}

/// A ReplicaSet that belongs to no Deployment.
pub fn replica_set(name: &str, service_account: &str, replicas: i32) -> Result<ReplicaSet> {
    from(workload(name, service_account, &json!({}), &json!({"replicas": replicas})))
}

/// A Job whose pod never finishes.
pub fn job(name: &str, service_account: &str) -> Result<Job> {
    from(json!({"metadata": {"name": name}, "spec": job_spec(name, service_account)}))
}

/// A CronJob that is never due by itself; its Jobs are like [`job`].
pub fn cron_job(name: &str, service_account: &str) -> Result<CronJob> {
    let spec = json!({"schedule": "0 0 29 2 *", "jobTemplate": {"spec": job_spec(name, service_account)}});
    from(json!({"metadata": {"name": name}, "spec": spec}))
}

/// A pod without a controller.
pub fn pod(name: &str, service_account: &str) -> Result<Pod> {
    let template = template(name, service_account, &json!({}));
    from(json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": template["spec"]}))
}

fn job_spec(name: &str, service_account: &str) -> Value {
    let mut template = template(name, service_account, &json!({crate::NEVER_READY: "true"}));
    template["spec"]["restartPolicy"] = json!("Never");
    json!({"template": template})
}

fn workload(name: &str, service_account: &str, annotations: &Value, spec: &Value) -> Value {
    let mut object = json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, service_account, annotations),
        },
    });
    merge(&mut object["spec"], spec);
    object
}

fn template(name: &str, service_account: &str, annotations: &Value) -> Value {
    json!({
        "metadata": {"labels": {"app": name}, "annotations": annotations},
        "spec": {
            "serviceAccountName": service_account,
            "containers": [{"name": "main", "image": "registry.example.com/app:1"}],
        },
    })
}

/// The AWS account of [`ROLE`].
pub const ACCOUNT: &str = "111122223333";

/// A binding with the required fields only.
pub fn binding(name: &str, service_account: &str, role: &str) -> Result<PodIdentityBinding> {
    binding_with(name, service_account, role, &json!({}))
}

/// A binding with further fields of its spec.
pub fn binding_with(name: &str, service_account: &str, role: &str, spec: &Value) -> Result<PodIdentityBinding> {
    let mut object = json!({
        "apiVersion": "podidentity.dev/v1alpha1",
        "kind": "PodIdentityBinding",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": service_account, "roleArn": role},
    });
    merge(&mut object["spec"], spec);
    from(object)
}

/// `null` removes a field.
fn merge(base: &mut Value, more: &Value) {
    let (Some(base), Some(more)) = (base.as_object_mut(), more.as_object()) else { return };
    for (key, value) in more {
        if value.is_null() {
            base.remove(key);
        } else {
            base.insert(key.clone(), value.clone());
        }
    }
}

fn from<K: serde::de::DeserializeOwned>(value: Value) -> Result<K> {
    Ok(serde_json::from_value(value)?)
}
