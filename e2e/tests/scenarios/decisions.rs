//! Which workloads restart, which do not, and what the status reports, in everyday states of a
//! cluster.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::expect::{self, identity, rolled};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::{NEVER_READY, NEVER_READY_AS, Namespace, READY_AFTER, wait};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ResourceQuota, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use podidentity_api::names::{BOUND_BY_ANNOTATION, condition};
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde_json::json;

use crate::steps::{bound, change, name, running, running_with, several};
use crate::world::World;

/// The binding's restarts fail after ten seconds without progress.
fn quickly(on_failure: &str) -> serde_json::Value {
    json!({"rollout": {"onFailure": on_failure, "progressDeadlineSeconds": 10, "settleSeconds": 1}})
}

/// An admission policy for the Deployments of this name in the namespace: a complete YAML document with `NAME` and `NS`.
async fn admission(world: &World, namespace: &Namespace, policy: &str) -> Result<()> {
    let policy = policy.replace("NS", &namespace.name);
    world.control_plane.apply_yaml(&policy).await
}

/// A policy refuses the restart of the first workload. The second one gets its turn, and the first
/// one follows when the policy is gone.
pub(crate) async fn refused_steps_back(world: Arc<World>, namespace: Namespace) -> Result<()> {
    several(&namespace, 2, |_| json!({})).await?;
    let policy = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NS-no-restarts}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments], resourceNames: [app-00]}]
  validations:
  - {expression: object.spec.template == oldObject.spec.template, message: this template is frozen}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NS-no-restarts}
spec: {policyName: NS-no-restarts, validationActions: [Deny]}
";
    admission(&world, &namespace, policy).await?;
    frozen(&namespace, &name(0)).await?;
    let told = refused_and_told(&namespace).await;
    let policies = Api::<ValidatingAdmissionPolicy>::all(world.control_plane.client());
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(world.control_plane.client());
    let policy = format!("{}-no-restarts", namespace.name);
    bindings.delete(&policy, &DeleteParams::default()).await?;
    policies.delete(&policy, &DeleteParams::default()).await?;
    told?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)
}

/// Waits until the policy refuses a change of the template: it takes effect a moment after it is
/// stored.
async fn frozen(namespace: &Namespace, deployment: &str) -> Result<()> {
    let changed = Patch::Merge(json!({"spec": {"template": {"metadata": {"annotations": {"probe": "1"}}}}}));
    let api: Api<Deployment> = namespace.api();
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    wait::until("the policy is in force", || async {
        match api.patch(deployment, &params, &changed).await {
            Ok(_) => Err("a change is taken".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await
}

async fn refused_and_told(namespace: &Namespace) -> Result<()> {
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::workload(namespace, "app", "Deployment/app-01", WorkloadState::Current).await?;
    expect::pods_have(namespace, "app-01", 1, ROLE).await?;
    let refused = expect::workload(namespace, "app", "Deployment/app-00", WorkloadState::Refused).await?;
    let message = refused.message.unwrap_or_default();
    ensure!(message.contains("this template is frozen"), "what refuses it is not said: {message}");
    expect::event(namespace, Reason::RestartRefused).await?;
    expect::stalled(namespace, "app", Reason::WriteRefused).await?;
    Ok(())
}

/// A mutating policy replaces the mark. The operator reports it and does not write the mark again
/// and again.
pub(crate) async fn rewritten_mark(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 1).await?;
    let policy = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: NS-strips-marks}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}]
  matchConditions:
  - {name: marked, expression: "object.spec.template.metadata.?annotations['podidentity.dev/identity'].hasValue()"}
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        [JSONPatch{op: "remove", path: "/spec/template/metadata/annotations/" + jsonpatch.escapeKey("podidentity.dev/identity")}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: NS-strips-marks}
spec: {policyName: NS-strips-marks}
"#;
    admission(&world, &namespace, policy).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let refused = expect::workload(&namespace, "app", "Deployment/app", WorkloadState::Refused).await;
    let name = format!("{}-strips-marks", namespace.name);
    world.control_plane.kubectl(&["delete", "mutatingadmissionpolicybinding", &name]).await?;
    world.control_plane.kubectl(&["delete", "mutatingadmissionpolicy", &name]).await?;
    let message = refused?.message.unwrap_or_default();
    ensure!(message.contains("leaves it out"), "what admission does is not said: {message}");
    let writes = crate::steps::writes(&world, &namespace, "deployments")?;
    ensure!(writes.len() <= 3, "{} writes of the Deployment within seconds", writes.len());
    rolled(&before, &namespace.api().get("app").await?, 0)?;
    // The workload changes, so the operator decides about its restart again.
    let changed = json!({"spec": {"replicas": 2}});
    namespace.change::<Deployment>("app", &changed).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)
}

/// The canary is paused in the middle of its restart, and no other workload starts.
pub(crate) async fn paused_canary(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 2, |n| if n == 0 { json!({READY_AFTER: "3s"}) } else { json!({}) }).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    wait::object(&namespace.api(), "app-00", "it is being restarted", |it: Option<&Deployment>| {
        it.and_then(identity).map(|_| ()).ok_or_else(|| "it has no mark".to_owned())
    })
    .await?;
    namespace.change::<Deployment>("app-00", &json!({"spec": {"paused": true}})).await?;
    expect::workload(&namespace, "app", "Deployment/app-00", WorkloadState::Paused).await?;
    expect::workload(&namespace, "app", "Deployment/app-01", WorkloadState::Pending).await?;
    // Triggers a second reconcile, for the other workload.
    namespace.change::<Deployment>("app-01", &json!({"metadata": {"labels": {"touched": "yes"}}})).await?;
    let other: Deployment = namespace.api().get("app-01").await?;
    ensure!(identity(&other).is_none(), "the next one was restarted beside a paused canary");
    namespace.change::<Deployment>("app-00", &json!({"spec": {"paused": false}})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)?;
    rolled(&before[1], &namespace.api().get("app-01").await?, 1)
}

/// The first workload by name was already broken. A healthy one becomes the canary, and the broken
/// one halts nothing.
pub(crate) async fn broken_before(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    namespace.create(fixtures::deployment_with("aaa-broken", "app", 1, &json!({NEVER_READY: "true"}))?).await?;
    running(&namespace, "web", 1).await?;
    running(&namespace, "zed", 1).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &quickly("Rollback"))?).await?;
    expect::pods_have(&namespace, "zed", 1, ROLE).await?;
    let broken = expect::workload(&namespace, "app", "Deployment/aaa-broken", WorkloadState::Halted).await?;
    let message = broken.message.unwrap_or_default();
    ensure!(message.contains("was not healthy before either"), "why it is no evidence is not said: {message}");
    expect::pods_have(&namespace, "web", 1, ROLE).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    ensure!(binding.status.unwrap_or_default().rollback.is_none(), "the role was rolled back");
    Ok(())
}

/// Days later, a user ships a bad image. It causes neither a halt nor a rollback of the role.
pub(crate) async fn bad_image_later(_: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &quickly("Rollback")).await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, OTHER_ROLE, 2)?;
    let bad = json!({"spec": {"progressDeadlineSeconds": 5, "template": {"metadata": {"annotations": {NEVER_READY: "true"}}}}});
    namespace.change::<Deployment>("app", &bad).await?;
    wait::object(&namespace.api(), "app", "its controller gave up", |it: Option<&Deployment>| {
        let conditions = it.and_then(|it| it.status.as_ref()?.conditions.clone()).unwrap_or_default();
        let reasons: Vec<_> = conditions.into_iter().filter_map(|it| it.reason).collect();
        if reasons.iter().any(|it| it == "ProgressDeadlineExceeded") { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .await?;
    // A new workload gets its turn.
    running_with(&namespace, "next", 1, &json!({})).await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    let binding = expect::ready(&namespace, "app").await?;
    ensure!(binding.status.unwrap_or_default().rollback.is_none(), "the role was rolled back");
    Ok(())
}

/// Nothing injects: the canary fails, the other workloads stay untouched, and the role is not
/// rolled back. When injection is back, one new pod proves it, and the rollout continues.
pub(crate) async fn injection_back(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 4, |_| json!({})).await?;
    world.control_plane.remove_injection().await?;
    let failed = canary_missed(&namespace, &before).await;
    world.control_plane.install_injection().await?;
    failed?;
    running(&namespace, "evidence", 1).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 5)
}

async fn canary_missed(namespace: &Namespace, before: &[Deployment]) -> Result<()> {
    namespace.create(fixtures::binding_with("app", "app", ROLE, &quickly("Rollback"))?).await?;
    let api = namespace.api();
    let halted = wait::object(&api, "app", "it is halted", |it: Option<&PodIdentityBinding>| {
        let found = it.and_then(|it| expect::condition_of(it, condition::STALLED));
        match found.and_then(|it| Reason::parse(&it.reason)) {
            Some(Reason::RolloutHalted) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // The repeated attempts wait 5, 20 and 80 seconds.
    wait::within(wait::DEADLINE * 3, halted).await?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    ensure!(binding.status.unwrap_or_default().rollback.is_none(), "a missed injection rolls no role back");
    rolled(&before[0], &namespace.api().get(&name(0)).await?, 4)?;
    for (n, before) in before.iter().enumerate().skip(1) {
        rolled(before, &namespace.api().get(&name(n)).await?, 0)?;
    }
    Ok(())
}

/// Helm co-owns the role and changes it first. The operator reports this and does not overwrite it.
pub(crate) async fn co_owner_first(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let of_helm = |role: &str| json!({"metadata": {"annotations": {fixtures::role_annotation(): role}}});
    namespace.take_over::<ServiceAccount>("helm", "app", of_helm(ROLE)).await?;
    running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::ready(&namespace, "app").await?;
    let account: ServiceAccount = namespace.api().get("app").await?;
    let bound_by = account.metadata.annotations.as_ref().and_then(|all| all.get(BOUND_BY_ANNOTATION));
    ensure!(bound_by.is_some_and(|it| it.starts_with("app/")), "the account does not say by whom: {bound_by:?}");
    namespace.take_over::<ServiceAccount>("helm", "app", of_helm(OTHER_ROLE)).await?;
    let message = expect::stalled(&namespace, "app", Reason::AnnotationConflict).await?;
    ensure!(message.contains("helm"), "who owns it is not said: {message}");
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, OTHER_ROLE, 1)
}

/// The template mounts its own token where injection would mount another. The operator neither
/// annotates nor restarts.
pub(crate) async fn mount_path_taken(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let token = json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
    let spec = json!({"template": {"metadata": {"labels": {"app": "app"}}, "spec": {
        "serviceAccountName": "app",
        "containers": [{"name": "main", "image": "registry.example.com/app:1", "volumeMounts": [{"name": "own", "mountPath": path}]}],
        "volumes": [{"name": "own", "projected": {"sources": [token]}}],
    }}});
    namespace.create(fixtures::deployment_like("app", "app", &json!({}), &spec)?).await?;
    let before = expect::rolled_out(&namespace, "app").await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::InjectionRefused).await?;
    ensure!(message.contains("Deployment/app") && message.contains(path), "the cause is not said: {message}");
    expect::annotated(&namespace, "app", None).await?;
    rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// A quota admits no new pod: the binding is not Ready, and quotes the API server.
pub(crate) async fn pods_missing(_: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    let quota: ResourceQuota =
        serde_json::from_value(json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "2"}}}))?;
    namespace.create(quota).await?;
    wait::object(&namespace.api(), "none", "the quota counts", |it: Option<&ResourceQuota>| {
        let used = it.and_then(|it| it.status.as_ref()?.used.clone()).unwrap_or_default();
        if used.contains_key("pods") { Ok(()) } else { Err("it does not count yet".to_owned()) }
    })
    .await?;
    namespace.change::<Deployment>("app", &json!({"spec": {"replicas": 3}})).await?;
    let message = expect::stalled(&namespace, "app", Reason::PodsMissing).await?;
    ensure!(
        message.contains("2 of 3 pods") && message.contains("exceeded quota"),
        "what refuses them is not said: {message}"
    );
    namespace.delete::<ResourceQuota>("none").await?;
    namespace.change::<Deployment>("app", &json!({"spec": {"replicas": 2}})).await?;
    expect::ready(&namespace, "app").await?;
    Ok(())
}

/// A Deployment was paused from the start, so its controller creates no pods. The binding has no
/// failure, but is not ready.
pub(crate) async fn paused_from_the_start(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let mut deployment = fixtures::deployment_with("app", "app", 1, &json!({}))?;
    deployment.spec.paused = Some(true);
    namespace.create(deployment).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    expect::reason(&namespace, "app", condition::RECONCILING, "True", Reason::PodsMissing).await?;
    namespace.change::<Deployment>("app", &json!({"spec": {"paused": false}})).await?;
    expect::ready(&namespace, "app").await?;
    Ok(())
}

/// A mistyped selector selects no workload. Such a binding is not ready.
pub(crate) async fn nothing_selected(_: Arc<World>, namespace: Namespace) -> Result<()> {
    several(&namespace, 2, |_| json!({})).await?;
    let selector = json!({"rollout": {"workloadSelector": {"matchLabels": {"app": "ap-00"}}}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &selector)?).await?;
    expect::stalled(&namespace, "app", Reason::NothingSelected).await?;
    change(&namespace, json!({"rollout": {"workloadSelector": null}})).await?;
    expect::ready(&namespace, "app").await?;
    Ok(())
}

/// A canary that fails with the new role is rolled back and reported: the counterpart of
/// [`bad_image_later`].
pub(crate) async fn bad_role(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running_with(&namespace, "app", 1, &json!({NEVER_READY_AS: OTHER_ROLE})).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &quickly("Rollback"))?).await?;
    expect::ready(&namespace, "app").await?;
    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::stalled(&namespace, "app", Reason::RolledBack).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    Ok(())
}
