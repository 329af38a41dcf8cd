//! The policy of `config/enforcement/`: no pod of a bound service account without the role, and no
//! refusal of a valid pod.

pub(crate) mod compare;
pub(crate) mod failing;
mod flood;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::policies::{self, admitted, attempt, enforce, plain, pod_with, preset, refused};
use e2e::{NEVER_READY_AS, Namespace, expect, injection, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use podidentity_api::names::{ALLOWED_ROLES_ANNOTATION, ENFORCE_LABEL};
use podidentity_api::{PodIdentityBinding, Reason};
use serde_json::json;

use crate::steps::{bound, change, running_with};
use crate::world::World;
use flood::Flood;

/// The role of a pod's first container.
fn role(pod: &Pod) -> Option<String> {
    injection::roles(pod).remove(0).1
}

/// The pod with further metadata.
fn marked(mut pod: Pod, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Pod {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    pod.metadata.labels = Some(owned(labels));
    pod.metadata.annotations = Some(owned(annotations));
    pod
}

pub(crate) async fn what_is_refused(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    ensure!(attempt(&namespace, &preset("app")?).await?.is_ok(), "refused before the namespace asked for it");
    enforce(&world.control_plane, &namespace).await?;

    let message = refused(&namespace, &preset("app")?).await?;
    for part in ["PodIdentityBinding app", ROLE, "container main", "role/preset", "remove it there", "enforce=false"] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    ensure!(role(&admitted(&namespace, &plain("app")?).await?).as_deref() == Some(ROLE), "injected, but not let in");
    admitted(&namespace, &preset("default")?).await.context("another service account is concerned")?;
    for kind in
        [json!({"name": "init", "image": "x"}), json!({"name": "init", "image": "x", "restartPolicy": "Always"})]
    {
        let mut init = kind;
        init["env"] = json!([{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/elsewhere"}]);
        let pod = pod_with("app", json!({"containers": [{"name": "main", "image": "x"}], "initContainers": [init]}))?;
        let message = refused(&namespace, &pod).await?;
        ensure!(message.contains("container init sets AWS_WEB_IDENTITY_TOKEN_FILE"), "{message}");
    }
    let message = refused(&namespace, &with_role("$(HIDDEN)")?).await.context("a role that comes from a Secret")?;
    ensure!(message.contains("cannot be seen"), "{message}");
    admitted(&namespace, &with_role("$(PLAIN)")?).await.context("a role that comes from another variable")?;
    let message = refused(&namespace, &handmade(ROLE, "$(HIDDEN)")?).await.context("a token file from a Secret")?;
    ensure!(message.contains("takes AWS_WEB_IDENTITY_TOKEN_FILE from a source that cannot be seen"), "{message}");
    // What a person sees who deploys such a workload.
    namespace.create(fixtures::deployment_like("preset", "app", &json!({}), &json!({"replicas": 1}))?).await?;
    let env = json!([{"name": "main", "image": "x", "env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}]);
    namespace.change::<Deployment>("preset", &json!({"spec": {"template": {"spec": {"containers": env}}}})).await?;
    failed_create(&namespace).await
}

/// Waits for the ReplicaSet's event about a refused pod.
async fn failed_create(namespace: &Namespace) -> Result<()> {
    wait::objects(&namespace.api(), "", "an event tells of the refusal", |events: &[&Event]| {
        let notes =
            events.iter().filter(|it| it.reason.as_deref() == Some("FailedCreate")).filter_map(|it| it.note.as_deref());
        let notes: Vec<&str> = notes.collect();
        let named = notes.iter().any(|note| note.contains("PodIdentityBinding app gives service account app the role"));
        if named { Ok(()) } else { Err(format!("{notes:?}")) }
    })
    .await
}

pub(crate) async fn what_is_let_in(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    enforce(&world.control_plane, &namespace).await?;
    let own = json!({
        "containers": [{
            "name": "main", "image": "x",
            "env": [{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/mine/jwt"}],
            "volumeMounts": [{"name": "mine", "mountPath": "/mine"}],
        }],
        "volumes": [{"name": "mine", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "jwt"}}]}}],
    });
    admitted(&namespace, &pod_with("app", own)?).await.context("a pod that was made by hand")?;
    let skip = [("eks.amazonaws.com/skip-containers", "main")];
    let skipped = admitted(&namespace, &marked(plain("app")?, &[], &skip)).await.context("a skipped container")?;
    ensure!(role(&skipped).is_none(), "it was injected into all the same");
    let label = [("eks.amazonaws.com/skip-pod-identity-webhook", "true")];
    admitted(&namespace, &marked(plain("app")?, &label, &[])).await.context("a skipped pod")?;
    let credentials = json!([{"name": "main", "image": "x", "env": [
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/token"}]}]);
    let eks = marked(pod_with("app", json!({"containers": credentials}))?, &label, &[]);
    admitted(&namespace, &eks).await.context("a pod of EKS Pod Identity")?;

    // An opt-out excuses a missing role, but not a wrong one.
    refused(&namespace, &marked(preset("app")?, &label, &skip)).await?;
    let exempt = [(ENFORCE_LABEL, "false")];
    admitted(&namespace, &marked(preset("app")?, &exempt, &[])).await.context("an exempt pod")?;
    namespace.mark(&json!({"labels": {ENFORCE_LABEL: null}})).await?;
    admitted(&namespace, &preset("app")?).await.context("the namespace asks for it no more")?;
    Ok(())
}

/// Enforcement ignores the labels of kube-system.
pub(crate) async fn never_in_kube_system(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let system = world.control_plane.existing_namespace("kube-system");
    for place in [&system, &namespace] {
        place.mark(&json!({"labels": {ENFORCE_LABEL: "true"}})).await?;
        place.create(fixtures::service_account("app")?).await?;
        place.create(fixtures::binding("app", "app", ROLE)?).await?;
        expect::ready(place, "app").await?;
    }
    // Once the policy is in force in the second namespace, the API server also knows the first
    // one's label and binding.
    enforce(&world.control_plane, &namespace).await?;
    ensure!(attempt(&system, &preset("app")?).await?.is_ok(), "a pod of kube-system was refused");
    Ok(())
}

/// The role changes back and forth while pods are created continuously.
pub(crate) async fn role_changed(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    enforce(&world.control_plane, &namespace).await?;
    let flood = Flood::start(&namespace)?;
    let mut quickest = None;
    for role in [OTHER_ROLE, ROLE, OTHER_ROLE] {
        let began = Instant::now();
        change(&namespace, json!({"roleArn": role})).await?;
        in_status(&namespace, role).await?;
        let written = began.elapsed();
        expect::status_names(&expect::ready(&namespace, "app").await?, role, 2)?;
        let needed = (began.elapsed(), written);
        quickest = quickest.into_iter().chain([needed]).min();
    }
    let done = Instant::now();
    // A few more pods after all changes.
    let after = Instant::now();
    while after.elapsed() < std::time::Duration::from_millis(500) {
        admitted(&namespace, &plain("app")?).await?;
    }
    let flooded = flood.stop().await?;
    flooded.only_with(&[ROLE, OTHER_ROLE])?;
    let (longest, refusals) = flooded.longest_refusal();
    let (needed, written) = quickest.context("nothing was changed")?;
    println!(
        "enforcement: {} pods during three changes of role, {refusals} refused, for {longest:?} at the longest; the \
         quickest change was in the status after {written:?} and done after {needed:?}",
        flooded.0.len()
    );
    ensure!(longest <= needed, "pods were refused for {longest:?}, and the operator needed {needed:?}");
    flooded.since(done).only_with(&[OTHER_ROLE])
}

/// Waits until the status names the role as the one in force.
async fn in_status(namespace: &Namespace, role: &str) -> Result<()> {
    wait::object(&namespace.api(), "app", "the role is in force", |binding: Option<&PodIdentityBinding>| {
        let found = binding.and_then(|binding| binding.status.as_ref()?.role_arn.clone());
        if found.as_deref() == Some(role) { Ok(()) } else { Err(format!("in force is {found:?}")) }
    })
    .await
}

/// The new role's pods never become ready, so the operator rolls the role back while pods are
/// created continuously.
pub(crate) async fn rolled_back(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running_with(&namespace, "app", 1, &json!({NEVER_READY_AS: OTHER_ROLE})).await?;
    let rollout = json!({"onFailure": "Rollback", "progressDeadlineSeconds": 10, "settleSeconds": 0});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &json!({"rollout": rollout}))?).await?;
    expect::ready(&namespace, "app").await?;
    enforce(&world.control_plane, &namespace).await?;

    let flood = Flood::start(&namespace)?;
    let began = Instant::now();
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    in_status(&namespace, OTHER_ROLE).await?;
    expect::stalled(&namespace, "app", Reason::RolledBack).await?;
    in_status(&namespace, ROLE).await?;
    expect::rolled_out(&namespace, "app").await?;
    let needed = began.elapsed();
    let flooded = flood.stop().await?;
    flooded.only_with(&[ROLE, OTHER_ROLE])?;
    let (longest, refusals) = flooded.longest_refusal();
    println!(
        "enforcement: {} pods during a rollback, {refusals} refused, for {longest:?} at the longest of {needed:?}",
        flooded.0.len()
    );
    // The rollback waits ten seconds for the pods of the failed role. A refusal of that length
    // would be its fault.
    ensure!(longest * 2 <= needed, "pods were refused for {longest:?} of {needed:?}");
    expect::pods_have(&namespace, "app", 1, ROLE).await
}

/// The binding is suspended, and the declared role is not the one in force.
pub(crate) async fn suspended(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    enforce(&world.control_plane, &namespace).await?;
    change(&namespace, json!({"suspend": true, "roleArn": OTHER_ROLE})).await?;
    expect::stalled(&namespace, "app", Reason::Suspended).await?;
    refused(&namespace, &with_role(OTHER_ROLE)?).await.context("a role that is declared and not in force")?;
    keep_coming(&namespace).await
}

/// The binding is stalled, because the declared role is not granted.
pub(crate) async fn stalled(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.mark(&json!({"annotations": {ALLOWED_ROLES_ANNOTATION: ROLE}})).await?;
    bound(&namespace, &json!({})).await?;
    enforce(&world.control_plane, &namespace).await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::stalled(&namespace, "app", Reason::RoleNotAllowed).await?;
    refused(&namespace, &with_role(OTHER_ROLE)?).await.context("a role that is declared and not granted")?;
    keep_coming(&namespace).await
}

/// A handmade pod, complete except for the role, which may be a reference.
fn with_role(role: &str) -> Result<Pod> {
    handmade(role, "/mine/jwt")
}

/// A handmade pod; role and token file may be references.
fn handmade(role: &str, token_file: &str) -> Result<Pod> {
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let own = json!({
        "containers": [{
            "name": "main", "image": "x",
            "env": [
                {"name": "HIDDEN", "valueFrom": secret}, {"name": "PLAIN", "value": ROLE},
                {"name": "AWS_ROLE_ARN", "value": role}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": token_file},
            ],
            "volumeMounts": [{"name": "mine", "mountPath": "/mine"}],
        }],
        "volumes": [{"name": "mine", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "jwt"}}]}}],
    });
    pod_with("app", own)
}

/// Deletes all pods of the Deployment, and checks that new ones arrive with the role in force.
async fn keep_coming(namespace: &Namespace) -> Result<()> {
    let before = expect::pod_uids(namespace, "app").await?;
    let (api, labelled) = (namespace.api::<Pod>(), ListParams::default().labels("app=app"));
    api.delete_collection(&DeleteParams::default(), &labelled).await.context("cannot delete the pods")?;
    let new = |pods: &[&Pod]| {
        let uids = pods.iter().filter_map(|pod| pod.metadata.uid.as_ref());
        let old = uids.filter(|uid| before.contains(uid)).count();
        if old == 0 && !pods.is_empty() { Ok(()) } else { Err(format!("{old} old ones of {}", pods.len())) }
    };
    wait::objects(&namespace.api(), "app=app", "other pods have come", new).await?;
    expect::rolled_out(namespace, "app").await?;
    expect::pods_have(namespace, "app", 2, ROLE).await
}

/// The younger of two bindings has no effect. Then the older one is deleted, and after it the
/// younger one.
pub(crate) async fn two_bindings(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    namespace.create(fixtures::binding("second", "app", OTHER_ROLE)?).await?;
    expect::stalled(&namespace, "second", Reason::ServiceAccountClaimed).await?;
    enforce(&world.control_plane, &namespace).await?;
    ensure!(role(&admitted(&namespace, &plain("app")?).await?).as_deref() == Some(ROLE), "not the older one's role");

    let flood = Flood::start(&namespace)?;
    let began = Instant::now();
    namespace.delete::<PodIdentityBinding>("app").await?;
    expect::ready(&namespace, "second").await?;
    let needed = began.elapsed();
    let flooded = flood.stop().await?;
    flooded.only_with(&[ROLE, OTHER_ROLE])?;
    let (longest, refusals) = flooded.longest_refusal();
    println!("enforcement: {refusals} of {} pods refused during a hand-over", flooded.0.len());
    ensure!(longest <= needed, "pods were refused for {longest:?}, and the operator needed {needed:?}");
    refused(&namespace, &preset("app")?).await?;

    namespace.delete::<PodIdentityBinding>("second").await?;
    expect::annotated(&namespace, "app", None).await?;
    injection::released(&namespace, "app").await?;
    admitted(&namespace, &preset("app")?).await.context("nothing is bound any more")?;
    Ok(())
}

/// While injection is removed, no pod without the role is admitted, and all pods arrive once it is
/// back. Runs in the exclusive world, because it removes the injection for everyone.
pub(crate) async fn missed_injections(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    enforce(&world.control_plane, &namespace).await?;
    world.control_plane.remove_injection().await?;
    let refused = refused_while_away(&namespace).await;
    world.control_plane.install_injection().await?;
    refused?;
    expect::rolled_out(&namespace, "app").await?;
    expect::pods_have(&namespace, "app", 3, ROLE).await
}

async fn refused_while_away(namespace: &Namespace) -> Result<()> {
    let message = refused(namespace, &plain("app")?).await?;
    for part in ["container main was not given it", "tries again by itself", "pod identity webhook"] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    namespace.change::<Deployment>("app", &json!({"spec": {"replicas": 3}})).await?;
    failed_create(namespace).await?;
    expect::pods_have(namespace, "app", 2, ROLE).await
}

/// The API server reports no type errors in the policies' expressions.
pub(crate) async fn types_are_right(world: Arc<World>, _: Namespace) -> Result<()> {
    world.control_plane.install_enforcement().await?;
    world.control_plane.install_policies_for("config/grants", crate::grants::LABEL).await?;
    for name in [
        "pod-identity-enforcement",
        "pod-identity-grants-bindings",
        "pod-identity-grants-service-accounts",
        "pod-identity-grants-namespaces",
    ] {
        policies::type_checked(&world.control_plane, name).await?;
    }
    Ok(())
}
