//! Enforcement without its inputs: no CRD, no binding, or everything is being deleted.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::controlplane::Component;
use e2e::fixtures::{self, ROLE};
use e2e::policies::{admitted, attempt, enforce, plain, preset, refused};
use e2e::{ControlPlane, Namespace, Operator, expect, wait};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::{ENFORCE_LABEL, IDENTITY_ANNOTATION};
use serde_json::json;

use super::marked;
use crate::steps::bound;
use crate::world::World;

/// The policy exists before the CRD of its parameters. Then the CRD is deleted, and the API server
/// forgets it: the failure modes in docs/enforcement.md.
pub(crate) async fn without_definition(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let (labelled, other) = (control_plane.namespace("labelled").await?, control_plane.namespace("other").await?);
    labelled.mark(&json!({"labels": {ENFORCE_LABEL: "true"}})).await?;
    control_plane.install_enforcement().await?;
    refused_but_for_the_ways_out(&labelled, &other).await?;

    // With the CRD but without any binding, the policy demands nothing.
    control_plane.install().await?;
    admitted(&labelled, &preset("default")?).await?;
    let operator = Operator::start_installed(&control_plane, &[]).await?;
    bound(&labelled, &json!({})).await?;
    refused(&labelled, &preset("app")?).await?;

    let definitions = Api::<CustomResourceDefinition>::all(control_plane.client());
    definitions.delete("podidentitybindings.podidentity.dev", &DeleteParams::default()).await?;
    // All bindings are being deleted, so the policy demands nothing any more.
    admitted(&labelled, &preset("app")?).await?;
    // The operator releases the last binding.
    let what = "the definition is gone";
    wait::object(
        &definitions,
        "podidentitybindings.podidentity.dev",
        what,
        |found: Option<&CustomResourceDefinition>| {
            if found.is_none() { Ok(()) } else { Err("it exists".to_owned()) }
        },
    )
    .await?;
    operator.terminate().await?;
    let api_server = control_plane.process(Component::ApiServer)?;
    api_server.kill();
    api_server.restart()?;
    wait::until("the API server answers again", || async {
        control_plane.client().apiserver_version().await.map_err(|error| error.to_string())
    })
    .await?;
    refused_but_for_the_ways_out(&labelled, &other).await
}

async fn refused_but_for_the_ways_out(labelled: &Namespace, other: &Namespace) -> Result<()> {
    let message = refused(labelled, &plain("default")?).await?;
    ensure!(message.contains("failed to configure policy") || message.contains("not yet synced"), "{message}");
    admitted(labelled, &marked(plain("default")?, &[(ENFORCE_LABEL, "false")], &[])).await?;
    ensure!(attempt(other, &plain("default")?).await?.is_ok(), "a pod of a namespace without the label was refused");
    Ok(())
}

/// A namespace with enforcement is deleted as a whole, while the operator must release its bindings
/// under its guard.
pub(crate) async fn namespace_deleted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let deployment = bound(&namespace, &json!({"deletionPolicy": "Revoke"})).await?;
    enforce(&world.control_plane, &namespace).await?;
    let annotations = deployment.spec.template.metadata.and_then(|metadata| metadata.annotations).unwrap_or_default();
    ensure!(annotations.contains_key(IDENTITY_ANNOTATION), "it was not rolled: {annotations:?}");
    namespace.create(fixtures::binding("waits", "not-there", ROLE)?).await?;
    expect::reason(&namespace, "waits", "Reconciling", "True", "ServiceAccountNotFound").await?;

    let api = Api::<core::Namespace>::all(world.control_plane.client());
    api.delete(&namespace.name, &DeleteParams::default()).await?;
    wait::object(&api, &namespace.name, "the namespace is gone", |found: Option<&core::Namespace>| {
        let conditions = found.and_then(|it| it.status.as_ref()?.conditions.clone());
        if found.is_none() { Ok(()) } else { Err(format!("it exists: {conditions:?}")) }
    })
    .await?;
    expect::gone::<PodIdentityBinding>(&namespace, "app").await
}
