//! Ownership of the service account's annotation: several bindings, other field managers, and no
//! owner.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::expect::{self, role_of, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE, role_annotation};
use e2e::history::History;
use e2e::{Namespace, audit, injection, wait};
use futures::try_join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::names::{self, condition};
use podidentity_api::{PodIdentityBinding, Reason};
use serde_json::{Value, json};

use crate::steps::{bound, change, name, running, several, verified, writes};
use crate::world::World;

fn annotation(role: &str) -> Value {
    json!({"metadata": {"annotations": {role_annotation(): role}}})
}

pub(crate) async fn handed_over(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({})).await?;
    let history = History::<ServiceAccount>::of(&namespace, "app").await?;

    // A name that would come first if age did not count.
    namespace.create(fixtures::binding("a-younger-one", "app", OTHER_ROLE)?).await?;
    let message = expect::stalled(&namespace, "a-younger-one", Reason::ServiceAccountClaimed).await?;
    ensure!(message.contains("PodIdentityBinding app"), "the message does not name the owner: {message}");
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    namespace.delete::<PodIdentityBinding>("app").await?;
    expect::gone::<PodIdentityBinding>(&namespace, "app").await?;
    expect::ready(&namespace, "a-younger-one").await?;
    expect::pods_have(&namespace, "app", 2, OTHER_ROLE).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;

    let states = history.until(|account| role_of(account) == Some(OTHER_ROLE)).await?;
    let roles: Vec<_> = states.iter().map(role_of).collect();
    ensure!(roles.iter().all(Option::is_some), "between the two bindings there was no role: {roles:?}");
    Ok(())
}

pub(crate) async fn conflict(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.take_over::<ServiceAccount>("helm", "app", annotation(OTHER_ROLE)).await?;
    let before = running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::AnnotationConflict).await?;
    for part in ["helm", &role_annotation(), OTHER_ROLE, "Override"] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;
    expect::event(&namespace, Reason::AnnotationConflict).await?;

    change(&namespace, json!({"onConflict": "Override"})).await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    expect::pods_have(&namespace, "app", 1, ROLE).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)
}

/// Under `TakeOver`, a value that `kubectl annotate` or a restore wrote equals the declared one.
/// Its writer does not write again, and must not block the first change of the role. A manager that
/// writes again is corrected.
pub(crate) async fn taken_over(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let value = format!("{}={ROLE}", role_annotation());
    let annotate = ["annotate", "--overwrite", "-n", &namespace.name, "serviceaccount", "app", &value];
    world.control_plane.kubectl(&annotate).await?;
    // A backup has the record of the binding that there was, too.
    let mut backup = annotation(ROLE);
    backup["metadata"]["annotations"][names::BOUND_BY_ANNOTATION] = json!("app/an-earlier-uid/7/0123456789");
    namespace.take_over::<ServiceAccount>("velero-server", "app", backup).await?;
    injection::in_force(&namespace, "app", ROLE).await?;
    let before = running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::ready(&namespace, "app").await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    let message = expect::stalled(&namespace, "app", Reason::AnnotationConflict).await?;
    ensure!(message.contains("TakeOver"), "the way out is not named: {message}");
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    change(&namespace, json!({"onConflict": "TakeOver"})).await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    expect::pods_have(&namespace, "app", 1, OTHER_ROLE).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;

    world.control_plane.kubectl(&annotate).await?;
    restored(&namespace, 1).await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await.map(drop)
}

pub(crate) async fn conflict_given_up(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.take_over::<ServiceAccount>("helm", "app", annotation(OTHER_ROLE)).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::stalled(&namespace, "app", Reason::AnnotationConflict).await?;
    namespace.take_over::<ServiceAccount>("helm", "app", json!({})).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    expect::ready(&namespace, "app").await?;
    Ok(())
}

/// Waits until the status has counted this many restorations.
async fn restored(namespace: &Namespace, times: i32) -> Result<()> {
    let counted = |binding: Option<&PodIdentityBinding>| {
        let account = binding.and_then(|binding| binding.status.as_ref()?.service_account.as_ref());
        let restored = account.map(|account| account.restored);
        if restored == Some(times) { Ok(()) } else { Err(format!("restored: {restored:?}")) }
    };
    wait::object(&namespace.api(), "app", "the restoration is counted", counted).await
}

pub(crate) async fn drift(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({})).await?;
    namespace.take_over::<ServiceAccount>("somebody", "app", annotation(OTHER_ROLE)).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    restored(&namespace, 1).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)?;
    let event = expect::event(&namespace, Reason::AnnotationRemoved).await?;
    let note = event.note.unwrap_or_default();
    ensure!(note.contains("somebody") && note.contains(OTHER_ROLE), "the event does not say who and what: {note}");
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// The other manager writes every second for half a minute: it acts on its own and does not react.
const ROUNDS: usize = 30;

pub(crate) async fn contested(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({})).await?;
    let earlier = writes(&world, &namespace, "serviceaccounts")?.len();
    let fight = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..ROUNDS {
            second.tick().await;
            namespace.take_over::<ServiceAccount>("a-stubborn-one", "app", annotation(OTHER_ROLE)).await?;
        }
        Ok(())
    };
    let (message, ()) = try_join!(expect::stalled(&namespace, "app", Reason::Contested), fight)?;
    ensure!(message.contains("a-stubborn-one"), "the message does not name the other: {message}");
    let written = writes(&world, &namespace, "serviceaccounts")?.split_off(earlier);
    ensure!(written.len() < 10, "{} writes in {ROUNDS} s:\n{}", written.len(), audit::summary(&written));
    let fought = expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    ensure!(role_of(&fought) == Some(OTHER_ROLE), "the other has not won for now");
    expect::event(&namespace, Reason::Contested).await?;

    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    expect::ready(&namespace, "app").await?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// A manager that removes the annotation leaves no trace of itself. The operator does not fight it
/// forever either.
pub(crate) async fn contested_by_removals(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({})).await?;
    let earlier = writes(&world, &namespace, "serviceaccounts")?.len();
    let removal = json!({"metadata": {"annotations": {role_annotation(): null}}});
    let fight = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..ROUNDS {
            second.tick().await;
            namespace.change::<ServiceAccount>("app", &removal).await?;
        }
        Ok(())
    };
    let (message, ()) = try_join!(expect::stalled(&namespace, "app", Reason::Contested), fight)?;
    ensure!(message.contains("removed"), "the message does not say what happens: {message}");
    let written = writes(&world, &namespace, "serviceaccounts")?.split_off(earlier);
    ensure!(written.len() < 10, "{} writes in {ROUNDS} s:\n{}", written.len(), audit::summary(&written));

    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    expect::ready(&namespace, "app").await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

pub(crate) async fn suspended(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &json!({"suspend": true}))?).await?;
    let message = expect::stalled(&namespace, "app", Reason::Suspended).await?;
    ensure!(message.contains(ROLE), "the message does not say what would be done: {message}");
    expect::annotated(&namespace, "app", None).await?;
    ensure!(writes(&world, &namespace, "serviceaccounts")?.is_empty(), "the service account was written");
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)?;

    change(&namespace, json!({"suspend": false})).await?;
    expect::ready(&namespace, "app").await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;
    expect::pods_have(&namespace, "app", 1, ROLE).await
}

/// The canary does not become ready, so that the other workloads wait while the binding is
/// suspended.
pub(crate) async fn suspended_while_rolling(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let slow = |n| if n == 0 { json!({e2e::READY_AFTER: "2s"}) } else { json!({}) };
    let before = several(&namespace, 2, slow).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::restarted(&namespace, &before[0]).await?;
    change(&namespace, json!({"suspend": true})).await?;
    expect::stalled(&namespace, "app", Reason::Suspended).await?;
    rolled(&before[0], &expect::rolled_out(&namespace, &name(0)).await?, 1)?;
    rolled(&before[1], &expect::rolled_out(&namespace, &name(1)).await?, 0)?;

    change(&namespace, json!({"suspend": false})).await?;
    expect::ready(&namespace, "app").await?;
    for (n, before) in before.iter().enumerate() {
        rolled(before, &expect::rolled_out(&namespace, &name(n)).await?, 1)?;
    }
    Ok(())
}

pub(crate) async fn account_created_anew(_: Arc<World>, namespace: Namespace) -> Result<()> {
    // The workload that rolls when the account is deleted rolls for longer than the status delays
    // its progress.
    let slow = |n| json!({e2e::READY_AFTER: if n == 1 { "5s" } else { "1s" }});
    let before = several(&namespace, 3, slow).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::restarted(&namespace, &before[1]).await?;
    namespace.delete::<ServiceAccount>("app").await?;
    expect::reason(&namespace, "app", condition::READY, "False", Reason::ServiceAccountNotFound).await?;
    let anew = namespace.create(fixtures::service_account("app")?).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    let is_new = |binding: Option<&PodIdentityBinding>| {
        let uid = binding.and_then(|binding| binding.status.as_ref()?.service_account.as_ref()?.uid.as_ref());
        if uid == anew.metadata.uid.as_ref() { Ok(()) } else { Err(format!("it is {uid:?}")) }
    };
    wait::object(&namespace.api(), "app", "the status names the new service account", is_new).await?;
    expect::status_names(&verified(&namespace, 3).await?, ROLE, 3)?;
    for (n, before) in before.iter().enumerate() {
        let after: Deployment = namespace.api().get(&name(n)).await?;
        // A pod that was created before the new service account was annotated needs one more roll,
        // but not two.
        let moved = after.metadata.generation.zip(before.metadata.generation).context("no generation")?;
        ensure!((1..=2).contains(&(moved.0 - moved.1)), "{} was rolled {} times", name(n), moved.0 - moved.1);
        expect::pods_have(&namespace, &name(n), 1, ROLE).await?;
    }
    Ok(())
}
