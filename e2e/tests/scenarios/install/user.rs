//! The user's objects, and whether they are unchanged.

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{ControlPlane, Namespace, Operator, expect};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use podidentity_api::names::IDENTITY_ANNOTATION;
use serde_json::{Value, json};

use super::objects::{Objects, differences};

/// An application that runs without a role.
pub(super) struct User {
    pub(super) namespace: Namespace,
    before: Objects,
}

impl User {
    /// Creates the application in a new namespace of this name.
    pub(super) async fn in_namespace(control_plane: &ControlPlane, name: &str) -> Result<Self> {
        let object = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<k8s_openapi::api::core::v1::Namespace>::all(control_plane.client())
            .create(&PostParams::default(), &object)
            .await?;
        let namespace = control_plane.existing_namespace(name);
        namespace.create(fixtures::service_account("app")?).await?;
        namespace.create(fixtures::deployment("app", "app", 2)?).await?;
        expect::rolled_out(&namespace, "app").await?;
        let before = objects(&namespace).await?;
        Ok(Self { namespace, before })
    }

    /// Binds the application and waits until it has its role.
    pub(super) async fn bind(&self, control_plane: &ControlPlane, operator: &Operator) -> Result<()> {
        self.namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
        self.is_ready(control_plane, operator).await
    }

    /// Waits until the application has its role.
    pub(super) async fn is_ready(&self, control_plane: &ControlPlane, operator: &Operator) -> Result<()> {
        let ready = async {
            expect::ready(&self.namespace, "app").await?;
            expect::pods_have(&self.namespace, "app", 2, ROLE).await
        };
        let done = operator.while_alive(control_plane, ready).await;
        done.with_context(|| format!("the operator's log:\n{}", operator.log_about(&self.namespace.name)))
    }

    /// Another manager changes the annotation; waits until the operator has restored it.
    pub(super) async fn is_looked_after(&self, control_plane: &ControlPlane, operator: &Operator) -> Result<()> {
        let other = json!({"metadata": {"annotations": {fixtures::role_annotation(): OTHER_ROLE}}});
        self.namespace.take_over::<ServiceAccount>("somebody", "app", other).await?;
        let restored = expect::annotated(&self.namespace, "app", Some(ROLE));
        operator.while_alive(control_plane, restored).await?;
        self.is_ready(control_plane, operator).await
    }

    /// Fails if anything differs from before the binding, except the mark on the pod template:
    /// removing the mark would restart the pods.
    pub(super) async fn is_as_before(&self) -> Result<()> {
        let different = differences(&self.before, &objects(&self.namespace).await?);
        ensure!(different.is_empty(), "the user's objects have changed:\n{different}");
        Ok(())
    }
}

/// Service account and Deployment without the API server's counters and without the mark.
async fn objects(namespace: &Namespace) -> Result<Objects> {
    let account: ServiceAccount = namespace.api().get("app").await?;
    let deployment: Deployment = namespace.api().get("app").await?;
    let mut objects = Objects::new();
    for (name, mut object) in
        [("account", serde_json::to_value(account)?), ("deployment", serde_json::to_value(deployment)?)]
    {
        let metadata = object["metadata"].as_object_mut().context("an object without metadata")?;
        for counted in ["resourceVersion", "generation", "managedFields"] {
            metadata.remove(counted);
        }
        drop_mark(&mut object);
        objects.insert(name.to_owned(), object);
    }
    Ok(objects)
}

fn drop_mark(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    for metadata in ["/metadata", "/spec/template/metadata"] {
        let Some(metadata) = object.pointer_mut(metadata).and_then(Value::as_object_mut) else { continue };
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(IDENTITY_ANNOTATION);
            // The revision of the rollout, which the Deployment controller counts.
            annotations.remove("deployment.kubernetes.io/revision");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
}
