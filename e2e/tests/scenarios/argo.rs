//! Argo Rollouts: a custom resource that comes and goes. The scenario plays its controller.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::expect;
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{ControlPlane, Namespace, wait};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{CustomResource, ResourceExt};
use podidentity_api::names::IDENTITY_ANNOTATION;
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::steps::{change, verified};
use crate::world::World;

const DEFINITION: &str = "rollouts.argoproj.io";

/// Only what a test needs: a schema that accepts any spec and any status.
const YAML: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Rollout, listKind: RolloutList, plural: rollouts, singular: rollout}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

#[derive(CustomResource, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "Rollout", namespaced, schema = "disabled")]
pub(crate) struct RolloutSpec {
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// One part of Argo's controller: it replaces the previous ReplicaSet by one of the current
/// template.
async fn replace_pods(namespace: &Namespace, before: Option<&str>, hash: &str) -> Result<()> {
    let rollout: Rollout = namespace.api().get("app").await?;
    let mut template = rollout.spec.fields.get("template").cloned().unwrap_or_else(|| plain_template("app"));
    template["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(hash);
    let labels = template["metadata"]["labels"].clone();
    let set: ReplicaSet = serde_json::from_value(json!({
        "metadata": {"name": format!("app-{hash}"), "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }))?;
    namespace.create(set).await?;
    if let Some(before) = before {
        namespace.delete::<ReplicaSet>(&format!("app-{before}")).await?;
    }
    let what = format!("a pod of {hash} runs alone");
    wait::objects(&namespace.api(), "app=app", &what, |pods: &[&Pod]| {
        let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
        let is_new = |pod: &Pod| pod.labels().get("rollouts-pod-template-hash").is_some_and(|it| it == hash);
        match pods {
            [pod] if is_new(pod) && phase(pod).as_deref() == Some("Running") => Ok(()),
            pods => Err(format!("{:?}", pods.iter().map(|pod| (pod.name_any(), phase(pod))).collect::<Vec<_>>())),
        }
    })
    .await
}

/// The other part of Argo's controller: it reports its progress.
async fn says(namespace: &Namespace, phase: &str, stable: &str, current: &str) -> Result<()> {
    let rollout: Rollout = namespace.api().get("app").await?;
    let generation = rollout.metadata.generation.map(|generation| generation.to_string());
    let status =
        json!({"observedGeneration": generation, "phase": phase, "stableRS": stable, "currentPodHash": current});
    let patch = Patch::Merge(json!({"status": status}));
    namespace.api::<Rollout>().patch_status("app", &PatchParams::default(), &patch).await?;
    Ok(())
}

fn plain_template(service_account: &str) -> Value {
    let containers = json!([{"name": "main", "image": "registry.example.com/app:1"}]);
    json!({
        "metadata": {"labels": {"app": "app"}},
        "spec": {"serviceAccountName": service_account, "containers": containers},
    })
}

async fn running(namespace: &Namespace, spec: Value) -> Result<Rollout> {
    let mut rollout = Rollout::new("app", RolloutSpec::default());
    rollout.spec.fields = spec.as_object().cloned().unwrap_or_default();
    let created = namespace.create(rollout).await?;
    replace_pods(namespace, None, "first").await?;
    says(namespace, "Healthy", "first", "first").await?;
    Ok(created)
}

pub(crate) async fn marked(namespace: &Namespace, generation: i64) -> Result<()> {
    let what = format!("generation {generation} carries the mark");
    wait::object(&namespace.api(), "app", &what, |it: Option<&Rollout>| {
        let it = it.ok_or("it does not exist")?;
        let template = it.spec.fields.get("template").unwrap_or(&Value::Null);
        let mark = &template["metadata"]["annotations"][IDENTITY_ANNOTATION];
        if it.metadata.generation == Some(generation) && mark.is_string() { Ok(()) } else { Err(format!("{mark}")) }
    })
    .await
}

/// A Rollout `app` that already runs, and a binding of its existing service account.
pub(crate) async fn bound(namespace: &Namespace) -> Result<()> {
    let spec = json!({"replicas": 1, "template": plain_template("app")});
    running(namespace, spec).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    Ok(())
}

async fn rolled_and_verified(namespace: &Namespace) -> Result<()> {
    bound(namespace).await?;
    marked(namespace, 2).await?;
    says(namespace, "Progressing", "first", "second").await?;
    expect::workload(namespace, "app", "Rollout/app", WorkloadState::Rolling).await?;
    replace_pods(namespace, Some("first"), "second").await?;
    says(namespace, "Healthy", "second", "second").await?;
    expect::status_names(&expect::ready(namespace, "app").await?, ROLE, 1)
}

/// The next role reaches a step at which a person must promote the Rollout.
async fn paused_at_a_step(namespace: &Namespace) -> Result<()> {
    change(namespace, json!({"roleArn": OTHER_ROLE})).await?;
    marked(namespace, 3).await?;
    says(namespace, "Paused", "second", "third").await?;
    expect::workload(namespace, "app", "Rollout/app", WorkloadState::Paused).await?;
    let message = expect::stalled(namespace, "app", Reason::RestartRequired).await?;
    ensure!(message.contains("promote"), "the message does not say what to do: {message}");
    replace_pods(namespace, Some("second"), "third").await?;
    says(namespace, "Healthy", "third", "third").await?;
    expect::status_names(&expect::ready(namespace, "app").await?, OTHER_ROLE, 1)?;
    let after: Rollout = namespace.api().get("app").await?;
    ensure!(after.metadata.generation == Some(3), "two roles, generation {:?}", after.metadata.generation);
    Ok(())
}

pub(crate) async fn install(control_plane: &ControlPlane) -> Result<()> {
    control_plane.apply_yaml(YAML).await?;
    let established = format!("crd/{DEFINITION}");
    control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &established]).await?;
    Ok(())
}

async fn uninstall(world: &World) -> Result<()> {
    let api = Api::<CustomResourceDefinition>::all(world.control_plane.client());
    api.delete(DEFINITION, &DeleteParams::default()).await.context("cannot delete the definition")?;
    wait::object(&api, DEFINITION, "the definition is gone", |it: Option<&CustomResourceDefinition>| {
        if it.is_none() { Ok(()) } else { Err("it exists".to_owned()) }
    })
    .await
}

/// The CRD appears while the operator runs, and exists when the operator restarts.
pub(crate) async fn rollouts(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    install(&world.control_plane).await?;
    let rolled = rolled_and_verified(&namespace).await;
    world.operator.kill();
    world.operator.restart()?;
    let paused = if rolled.is_ok() { paused_at_a_step(&namespace).await } else { Ok(()) };
    uninstall(&world).await?;
    rolled?;
    paused?;

    // Without the CRD, the pods are still verified.
    let unmanaged = expect::workload(&namespace, "app", "Rollout/app", WorkloadState::Unmanaged).await?;
    ensure!((unmanaged.pods_verified, unmanaged.pods_total) == (1, 1), "verified: {unmanaged:?}");
    Ok(())
}

pub(crate) async fn template_elsewhere(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let account = json!({"metadata": {"annotations": {fixtures::role_annotation(): ROLE}}});
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.take_over::<ServiceAccount>("helm", "app", account).await?;
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    install(&world.control_plane).await?;
    let found = async {
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"});
        let before = running(&namespace, json!({"workloadRef": reference})).await?;
        namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
        expect::workload(&namespace, "app", "Rollout/app", WorkloadState::Unmanaged).await?;
        let binding: PodIdentityBinding = verified(&namespace, 1).await?;
        let findings = binding.status.unwrap_or_default().findings;
        let told = findings.iter().any(|finding| finding.message.contains("spec.workloadRef"));
        ensure!(told, "it is not said why: {findings:?}");
        expect::rolled(&before, &namespace.api().get("app").await?, 0)
    };
    let found = found.await;
    uninstall(&world).await?;
    found
}
