//! The policy as the chart renders it for a cluster whose annotations name roles without an ARN.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::{Namespace, fixtures, injection};
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_core::settings::Settings;
use serde_json::{Value, json};

use crate::install::helm::template_as;
use crate::world::World;

/// A domain of its own, so that the policy of the other tests does not inject as well.
const DOMAIN: &str = "composed.example.com";
const ACCOUNT: &str = "aws-cn:111122223333";
/// Names of service accounts, and their annotations `role-arn`.
const ANNOTATED: [(&str, &str); 4] =
    [("name", "app"), ("path", "team/app"), ("empty", ""), ("arn", "arn:aws:iam::444455556666:role/app")];

pub(crate) async fn as_the_model_says(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let settings = Settings {
        annotation_domain: DOMAIN.to_owned(),
        compose_role: Some(ACCOUNT.parse().ok().context("not an account")?),
        ..Settings::default()
    };
    let values = [
        "injection.enabled=true".to_owned(),
        format!("settings.annotationDomain={}", json!(DOMAIN)),
        format!("settings.composeRoleArn={}", json!(ACCOUNT)),
    ];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let rendered: Vec<Value> = serde_saphyr::from_multiple(&template_as("composed", "default", &values).await?)?;
    let is_policy = |object: &&Value| object["kind"].as_str().is_some_and(|kind| kind.starts_with("Mutating"));
    let policies: Vec<&Value> = rendered.iter().filter(is_policy).collect();
    ensure!(policies.len() == 2, "the chart renders {} objects of the policy", policies.len());
    world.control_plane.apply_yaml(&json!({"apiVersion": "v1", "kind": "List", "items": policies}).to_string()).await?;
    for (name, annotation) in ANNOTATED {
        let annotations = json!({format!("{DOMAIN}/role-arn"): annotation});
        let account = json!({"metadata": {"name": name, "annotations": annotations}});
        namespace.create::<ServiceAccount>(serde_json::from_value(account)?).await?;
    }
    namespace.create(fixtures::service_account("none")?).await?;
    for (name, annotation) in ANNOTATED {
        injection::in_force(&namespace, name, &settings.role(annotation)).await.context(annotation)?;
    }
    injection::released(&namespace, "none").await?;
    for policy in policies {
        let (kind, name) = (policy["kind"].as_str(), policy["metadata"]["name"].as_str());
        world.control_plane.kubectl(&["delete", kind.context("no kind")?, name.context("no name")?]).await?;
    }
    Ok(())
}
