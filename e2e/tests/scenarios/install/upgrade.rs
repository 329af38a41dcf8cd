//! Upgrade from the chart of an earlier version to the current one, and back.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::injection::Injector;
use e2e::{ControlPlane, Namespace, Operator, expect};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::helm::{RELEASE, chart, crds_chart, helm};
use super::user::User;
use crate::world::World;

/// The packaged chart of the earlier version.
const EARLIER: &str = "e2e/tests/scenarios/install/releases/podidentity-operator-0.1.0.tgz";
const DEFINITION: &str = "podidentitybindings.podidentity.dev";

pub(crate) async fn from_earlier_chart(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    let earlier = e2e::repository().join(EARLIER).display().to_string();
    let values = [injection(&control_plane).await?, &["--set-json", "guard.enabled=true"]].concat();
    helm(Some(&control_plane), &[&["install", RELEASE, &earlier, "--create-namespace"], &values[..]].concat()).await?;
    control_plane.recognised().await?;
    control_plane.injects().await?;
    let before = schema(&control_plane).await?;
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;
    let pods = expect::pod_uids(&user.namespace, "app").await?;
    operator.terminate().await?;

    // Follows docs/upgrade-and-removal.md.
    helm(Some(&control_plane), &["upgrade", RELEASE, &chart(), "--reset-then-reuse-values"]).await?;
    control_plane.recognised().await?;
    ensure!(schema(&control_plane).await? == of_today()?, "the definition is not today's after the upgrade");
    ensure!(before != of_today()?, "{EARLIER} has today's definition: the test would not see an upgrade of it");
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.is_looked_after(&control_plane, &operator).await?;
    ensure!(pods == expect::pod_uids(&user.namespace, "app").await?, "the upgrade has restarted pods");
    operator.terminate().await?;

    helm(Some(&control_plane), &["rollback", RELEASE, "1"]).await?;
    control_plane.recognised().await?;
    ensure!(schema(&control_plane).await? == before, "the definition is not the earlier one after the rollback");
    let binding = control_plane.kubectl(&["get", "pib", "app", "--namespace", "users", "--output=json"]).await?;
    ensure!(ready(&serde_json::from_str(&binding)?), "the binding is not Ready after the rollback: {binding}");
    ensure!(pods == expect::pod_uids(&user.namespace, "app").await?, "the rollback has restarted pods");
    Ok(())
}

/// The CRD moves from the operator's chart to its own chart, and no binding is lost.
pub(crate) async fn definition_handed_over(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    let values = injection(&control_plane).await?;
    helm(Some(&control_plane), &[&["install", RELEASE, &chart(), "--create-namespace"], values].concat()).await?;
    control_plane.recognised().await?;
    control_plane.injects().await?;
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;

    // Follows the README of the chart.
    helm(Some(&control_plane), &["install", "podidentity-crds", &crds_chart(), "--take-ownership"]).await?;
    let without = ["--reset-then-reuse-values", "--set", "crds.install=false"];
    helm(Some(&control_plane), &[&["upgrade", RELEASE, &chart()], &without[..]].concat()).await?;
    ensure!(owner(&control_plane).await? == "podidentity-crds", "the definition belongs to another release");
    user.is_looked_after(&control_plane, &operator).await?;
    operator.terminate().await?;
    helm(Some(&control_plane), &["uninstall", RELEASE, "--wait"]).await?;
    let left = control_plane.kubectl(&["get", "pib", "--all-namespaces", "--output=name"]).await?;
    ensure!(left.contains("/app"), "the binding is gone: {left}");
    Ok(())
}

/// The values that make the chart inject, if the API server supports such policies; otherwise the
/// harness injects.
async fn injection(control_plane: &ControlPlane) -> Result<&'static [&'static str]> {
    Ok(match control_plane.injector().await? {
        Injector::Policy => &["--set-json", "injection.enabled=true"],
        Injector::Webhook => {
            control_plane.install_injection().await?;
            &[]
        }
    })
}

async fn definition(control_plane: &ControlPlane) -> Result<CustomResourceDefinition> {
    Ok(serde_json::from_str(&control_plane.kubectl(&["get", "crd", DEFINITION, "--output=json"]).await?)?)
}

async fn schema(control_plane: &ControlPlane) -> Result<Value> {
    schema_of(&definition(control_plane).await?)
}

fn of_today() -> Result<Value> {
    schema_of(&podidentity_api::crd::crd())
}

/// Decodes and encodes the schema, because the API server formats numbers differently.
fn schema_of(definition: &CustomResourceDefinition) -> Result<Value> {
    let version = definition.spec.versions.first().context("the definition has no version")?;
    Ok(serde_json::to_value(&version.schema)?)
}

async fn owner(control_plane: &ControlPlane) -> Result<String> {
    let annotations = definition(control_plane).await?.metadata.annotations.unwrap_or_default();
    Ok(annotations.get("meta.helm.sh/release-name").cloned().unwrap_or_default())
}

fn ready(binding: &Value) -> bool {
    let conditions = binding["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
}
