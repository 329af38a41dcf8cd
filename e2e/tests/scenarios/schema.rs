//! What users see of the custom resource before the operator acts.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::Namespace;
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use podidentity_core::kubernetes::FIELD_SELECTORS;

use crate::world::World;

pub(crate) async fn new_binding(_: Arc<World>, namespace: Namespace) -> Result<()> {
    // The response to the creation shows the object before the operator has seen it.
    let created = namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let observed = created.status.and_then(|status| status.observed_generation);
    ensure!(observed == Some(-1), "status.observedGeneration of a new binding is {observed:?}, not -1");
    Ok(())
}

pub(crate) async fn explained(world: Arc<World>, _: Namespace) -> Result<()> {
    let spec = world.control_plane.kubectl(&["explain", "pib.spec"]).await?;
    let expected = [
        "serviceAccountName",
        "-required-",
        "Immutable",
        "roleArn",
        "arn:aws:iam::111122223333:role/my-role",
        "audience",
        "tokenExpirationSeconds",
        "stsRegionalEndpoints",
        "rollout",
        "onConflict",
        "enum: Report, TakeOver, Override",
        "deletionPolicy",
        "suspend",
    ];
    for text in expected {
        ensure!(spec.contains(text), "kubectl explain pib.spec does not say {text:?}:\n{spec}");
    }
    let all = world.control_plane.kubectl(&["explain", "pib", "--recursive"]).await?;
    ensure!(all.contains("settleSeconds") && all.contains("findings"), "fields are missing:\n{all}");
    for path in [
        "pib",
        "pib.spec.rollout",
        "pib.spec.rollout.workloadSelector",
        "pib.spec.rollout.windows",
        "pib.status",
        "pib.status.workloads",
    ] {
        let text = world.control_plane.kubectl(&["explain", path]).await?;
        ensure!(!text.contains("<no description>"), "kubectl explain {path} leaves something undescribed:\n{text}");
    }
    Ok(())
}

pub(crate) async fn selected_by_field(world: Arc<World>, namespace: Namespace) -> Result<()> {
    if world.control_plane.minor().await? < FIELD_SELECTORS {
        return Ok(());
    }
    namespace.create(fixtures::binding("one", "app", ROLE)?).await?;
    namespace.create(fixtures::binding("two", "other", OTHER_ROLE)?).await?;
    for (selector, wanted) in [
        ("spec.serviceAccountName=app".to_owned(), "podidentitybinding.podidentity.dev/one\n"),
        (format!("spec.roleArn={OTHER_ROLE}"), "podidentitybinding.podidentity.dev/two\n"),
        (format!("spec.serviceAccountName=app,spec.roleArn={OTHER_ROLE}"), ""),
    ] {
        let args = ["get", "pib", "-n", &namespace.name, "--field-selector", &selector, "-o", "name"];
        let found = world.control_plane.kubectl(&args).await?;
        ensure!(found == wanted, "--field-selector {selector} finds {found:?}, not {wanted:?}");
    }
    Ok(())
}

pub(crate) async fn columns(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let table = world.control_plane.kubectl(&["get", "pib", "-n", &namespace.name]).await?;
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    let expected = ["NAME", "READY", "REASON", "SERVICEACCOUNT", "ROLLED", "VERIFIED", "AGE"];
    ensure!(header == expected, "the columns are {header:?}, not {expected:?}");
    let wide = world.control_plane.kubectl(&["get", "podidentity", "-n", &namespace.name, "-o", "wide"]).await?;
    ensure!(wide.contains("ROLE") && wide.contains("MESSAGE") && wide.contains(ROLE), "wide columns:\n{wide}");
    Ok(())
}
