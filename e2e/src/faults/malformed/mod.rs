//! Two hundred odd objects exist before the operator starts. Each gets a clear finding or error,
//! and all other objects are served.
//!
//! ```text
//! a lax definition ─► odd bindings ─► the real definition, odd accounts, pods, workloads ─► operator ─► judge
//! ```

mod answers;
mod odd;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace as CoreNamespace, Pod, ServiceAccount};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use podidentity_api::PodIdentityBinding;
use serde_json::{Value, json};

use self::odd::Odd;
use crate::fixtures::{self, ROLE};
use crate::memory_limit::{MemoryLimit, Peak};
use crate::{ControlPlane, Namespace, Operator, expect, wait};

pub use self::answers::Said;
pub(super) use self::odd::largest_pods;

/// The CRD, which the test strips of all validation first.
const DEFINITION: &str = "config/crd/podidentity.dev_podidentitybindings.yaml";

/// How many healthy bindings exist next to the odd ones.
const HEALTHY: usize = 10;

/// The result.
#[derive(Debug)]
pub struct Judged {
    /// The report about each odd object.
    pub said: Vec<Said>,
    /// How many healthy bindings were served.
    pub healthy: usize,
    /// Odd bindings whose deletion does not finish.
    pub stuck: Vec<String>,
    /// The operator's peak memory under the limit of its manifest, if this machine can set one.
    pub memory: Option<Peak>,
}

/// Runs the scenario on its own control plane.
pub async fn run() -> Result<Judged> {
    let control_plane = ControlPlane::start().await?;
    let judged = on(&control_plane).await;
    if judged.is_err() {
        control_plane.keep_logs();
    }
    judged
}

async fn on(control_plane: &ControlPlane) -> Result<Judged> {
    install_lax_definition(control_plane).await?;
    let namespace = control_plane.namespace("odd").await?;
    let odd = odd::all();
    create_bindings(&namespace, &odd).await?;
    control_plane.install().await?;
    refused_now(&namespace).await?;
    let mut not_created = BTreeMap::new();
    for (number, odd) in odd.iter().enumerate() {
        if let Err(error) = create_others(&namespace, odd).await {
            not_created.insert(number, format!("refused by the API server: {error:#}"));
        }
    }
    terminating_namespace(control_plane).await?;
    let healthy = control_plane.namespace("healthy").await?;
    create_healthy(&healthy).await?;
    let operator = Operator::start_as("operator-malformed", control_plane, control_plane.server(), &[]).await?;
    let memory = MemoryLimit::of_the_operator(&operator)?;
    let work = async {
        for number in 0..HEALTHY {
            expect::ready(&healthy, &format!("app-{number}")).await?;
        }
        answers::all(&namespace, &odd, &operator, &not_created).await
    };
    let said = operator.while_alive(control_plane, work).await?;
    let stuck = answers::delete_all(&namespace, &odd).await?;
    let log = std::fs::read_to_string(operator.process().log())?;
    ensure!(!log.contains("panicked") && !log.contains(" ERROR "), "the operator's log has errors:\n{log}");
    Ok(Judged { said, healthy: HEALTHY, stuck, memory: memory.map(|limit| limit.peak()).transpose()? })
}

async fn install_lax_definition(control_plane: &ControlPlane) -> Result<()> {
    let file = crate::repository().join(Path::new(DEFINITION));
    let mut definition: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
    for version in definition["spec"]["versions"].as_array_mut().context("no versions")? {
        version["schema"] =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        // Selectable fields must refer to fields of the schema.
        version.as_object_mut().context("no version")?.remove("selectableFields");
    }
    control_plane.apply_yaml(&serde_json::to_string(&definition)?).await?;
    control_plane.recognised().await
}

fn bindings(namespace: &Namespace) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<PodIdentityBinding>(&());
    Api::namespaced_with(namespace.client(), &namespace.name, &resource)
}

async fn create_bindings(namespace: &Namespace, odd: &[Odd]) -> Result<()> {
    let api = bindings(namespace);
    for odd in odd {
        for (_, body) in odd.objects.iter().filter(|(kind, _)| *kind == "binding") {
            let mut body = body.clone();
            body["apiVersion"] = json!("podidentity.dev/v1alpha1");
            body["kind"] = json!("PodIdentityBinding");
            let status = body["status"].take();
            let object: DynamicObject = serde_json::from_value(body).with_context(|| odd.what.clone())?;
            api.create(&PostParams::default(), &object).await.with_context(|| format!("binding: {}", odd.what))?;
            if !status.is_null() {
                let patch = Patch::Merge(json!({"status": status}));
                let written = api.patch_status(&odd.binding, &PatchParams::default(), &patch).await;
                written.with_context(|| format!("status: {}", odd.what))?;
            }
        }
    }
    Ok(())
}

/// Waits until the real CRD is in force: it refuses what the lax one accepted.
async fn refused_now(namespace: &Namespace) -> Result<()> {
    let began = Instant::now();
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "refused"}, "spec": {"serviceAccountName": "x"},
    }))?;
    let dry_run = PostParams { dry_run: true, field_manager: None };
    while bindings(namespace).create(&dry_run, &object).await.is_ok() {
        ensure!(began.elapsed() < wait::DEADLINE, "the definition's validation does not come into force");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn create_others(namespace: &Namespace, odd: &Odd) -> Result<()> {
    for (kind, body) in &odd.objects {
        match *kind {
            "account" => {
                namespace.create::<ServiceAccount>(serde_json::from_value(body.clone())?).await?;
            }
            "pod" => {
                namespace.create::<Pod>(serde_json::from_value(body.clone())?).await?;
            }
            "deployment" => {
                namespace
                    .create::<k8s_openapi::api::apps::v1::Deployment>(serde_json::from_value(body.clone())?)
                    .await?;
            }
            "statefulset" => {
                namespace
                    .create::<k8s_openapi::api::apps::v1::StatefulSet>(serde_json::from_value(body.clone())?)
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A namespace whose deletion never finishes, and that has invalid grants.
async fn terminating_namespace(control_plane: &ControlPlane) -> Result<()> {
    let api = Api::<CoreNamespace>::all(control_plane.client());
    let namespace = serde_json::from_value(json!({
        "metadata": {"name": "going", "annotations": {podidentity_api::names::ALLOWED_ROLES_ANNOTATION: ",,\u{7}*,["}},
        "spec": {"finalizers": ["example.com/never"]},
    }))?;
    api.create(&PostParams::default(), &namespace).await?;
    wait::default_service_account(&control_plane.client(), "going", wait::DEADLINE).await?;
    control_plane.existing_namespace("going").create(fixtures::binding("app", "default", ROLE)?).await?;
    api.delete("going", &DeleteParams::default()).await?;
    Ok(())
}

async fn create_healthy(namespace: &Namespace) -> Result<()> {
    for number in 0..HEALTHY {
        let name = format!("app-{number}");
        namespace.create(fixtures::service_account(&name)?).await?;
        if number < 2 {
            namespace.create(fixtures::deployment(&name, &name, 1)?).await?;
        }
        namespace.create(fixtures::binding(&name, &name, ROLE)?).await?;
    }
    Ok(())
}
