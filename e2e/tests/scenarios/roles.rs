//! Roles by name, and roles from another object. The scenarios play the controllers of ACK and
//! Crossplane. Their CRDs have only those fields of the real ones that the operator reads.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::policies::{admitted, refused};
use e2e::{Namespace, expect, policies, wait};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use podidentity_api::names::{ALLOWED_ROLES_ANNOTATION, RELEASE_ANNOTATION, condition};
use podidentity_api::{PodIdentityBinding, Reason};
use podidentity_core::objects::RoleObjectKind;
use serde_json::{Value, json};

use crate::grants;
use crate::steps::{change, running, running_as_its_own, verified};
use crate::world::World;

/// The account of the other cluster.
const OTHER_ACCOUNT: &str = "444455556666";

/// The CRD of the kind, with the status that its controller writes.
fn definition(kind: RoleObjectKind) -> Result<String> {
    let (group, version) = kind.api_version().split_once('/').context("a group and a version")?;
    let scope = if kind.is_cluster_scoped() { "Cluster" } else { "Namespaced" };
    let arn = json!({"type": "object", "properties": {"arn": {"type": "string"}}});
    let condition = json!({"type": "object", "required": ["status", "type"], "properties": {
        "lastTransitionTime": {"type": "string", "format": "date-time"}, "message": {"type": "string"},
        "reason": {"type": "string"}, "status": {"type": "string"}, "type": {"type": "string"},
    }});
    let (has_arn, arn) = match kind {
        RoleObjectKind::Ack => ("ackResourceMetadata", arn),
        RoleObjectKind::AckAssociation => ("associationARN", json!({"type": "string"})),
        _ => ("atProvider", arn),
    };
    let status =
        json!({"type": "object", "properties": {has_arn: arn, "conditions": {"type": "array", "items": condition}}});
    let (plural, name) = (kind.plural(), kind.kind());
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": name, "listKind": format!("{name}List"), "plural": plural, "singular": name.to_lowercase()},
            "versions": [{
                "name": version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    });
    Ok(definition.to_string())
}

/// Installs the CRD of the kind.
pub(crate) async fn install(world: &World, kind: RoleObjectKind) -> Result<()> {
    let name = format!("crd/{}.{}", kind.plural(), kind.group());
    world.control_plane.apply_yaml(&definition(kind)?).await?;
    world.control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &name]).await?;
    Ok(())
}

pub(crate) fn api(namespace: &Namespace, kind: RoleObjectKind) -> Api<DynamicObject> {
    let version = kind.api_version().rsplit('/').next().unwrap_or_default();
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.kind());
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
    if kind.is_cluster_scoped() {
        Api::all_with(namespace.client(), &resource)
    } else {
        Api::namespaced_with(namespace.client(), &namespace.name, &resource)
    }
}

/// Declares the role, which its controller has not created yet.
async fn declare(namespace: &Namespace, kind: RoleObjectKind, name: &str) -> Result<()> {
    declare_with(namespace, kind, name, &json!({"name": name, "assumeRolePolicyDocument": "{}"})).await
}

/// The same with this spec.
pub(crate) async fn declare_with(namespace: &Namespace, kind: RoleObjectKind, name: &str, spec: &Value) -> Result<()> {
    let role = serde_json::from_value(json!({
        "apiVersion": kind.api_version(), "kind": kind.kind(), "metadata": {"name": name}, "spec": spec,
    }))?;
    let what = format!("a {kind} can be made");
    wait::until(&what, async || {
        api(namespace, kind).create(&PostParams::default(), &role).await.map_err(|error| error.to_string())
    })
    .await?;
    Ok(())
}

/// Writes the status like the role's controller.
pub(crate) async fn write_status(
    namespace: &Namespace,
    kind: RoleObjectKind,
    name: &str,
    status: &Value,
) -> Result<()> {
    let patch = Patch::Merge(json!({"status": status}));
    api(namespace, kind).patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

pub(crate) fn refers(kind: RoleObjectKind, name: &str) -> Value {
    let mut reference = json!({"apiVersion": kind.api_version(), "kind": kind.kind(), "name": name});
    if kind == RoleObjectKind::ConfigMap {
        reference["key"] = json!("app");
    }
    json!({"roleArn": null, "roleRef": reference})
}

pub(crate) async fn unresolved(namespace: &Namespace, because: &[&str]) -> Result<()> {
    let what = format!("the binding says {because:?}");
    wait::object(&namespace.api(), "app", &what, |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("it does not exist")?;
        let ready = expect::condition_of(binding, condition::READY).ok_or("it has no condition Ready")?;
        let reconciles = expect::condition_of(binding, condition::RECONCILING).is_some();
        let told = because.iter().all(|part| ready.message.contains(part));
        if told && reconciles && Reason::RoleNotResolved.is(&ready.reason) {
            return Ok(());
        }
        Err(format!("{}: {}", ready.reason, ready.message))
    })
    .await
}

fn declared(binding: &PodIdentityBinding) -> Option<&str> {
    binding.status.as_ref()?.declared_role_arn.as_deref()
}

pub(crate) async fn by_name(world: Arc<World>, namespace: Namespace) -> Result<()> {
    running_as_its_own(&namespace, "app", &json!({})).await?;
    let spec = json!({"roleArn": null, "role": {"name": "shop", "path": "/team-a/"}});
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    let role = format!("arn:aws:iam::{}:role/team-a/shop", fixtures::ACCOUNT);
    let binding = expect::ready(&namespace, "app").await?;
    expect::status_names(&binding, &role, 1)?;
    ensure!(declared(&binding) == Some(role.as_str()), "declared is {:?}", declared(&binding));
    expect::pods_have(&namespace, "app", 1, &role).await?;
    let seen = world.control_plane.kubectl(&["get", "pib", "-n", &namespace.name, "-o", "wide"]).await?;
    ensure!(seen.contains(&role), "kubectl get -o wide does not show the role:\n{seen}");

    // The same role by its ARN is not a change.
    let before = expect::rolled_out(&namespace, "app").await?;
    change(&namespace, json!({"role": null, "roleArn": role})).await?;
    wait::object(&namespace.api(), "app", "it was seen", |it: Option<&PodIdentityBinding>| {
        let it = it.ok_or("it does not exist")?;
        let seen = it.status.as_ref().and_then(|status| status.observed_generation);
        if seen == it.metadata.generation { Ok(()) } else { Err(format!("seen is {seen:?}")) }
    })
    .await?;
    expect::ready(&namespace, "app").await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// The schema accepts no binding without a role, with two roles, or with a reference to another
/// kind.
pub(crate) async fn exactly_one(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let one = "exactly one of roleArn, role and roleRef must be set";
    let with = |spec: Value| fixtures::binding_with("app", "app", ROLE, &spec);
    for (spec, message) in [
        (json!({"roleArn": null}), one),
        (json!({"role": {"name": "shop"}}), one),
        (json!({"roleArn": null, "role": {"name": "team-a/shop"}}), "a path goes to role.path"),
        (json!({"roleArn": null, "role": {"name": "shop", "path": "team-a"}}), "must begin and end with a slash"),
        (
            json!({"roleArn": null, "roleRef": {"apiVersion": "v1", "kind": "Secret", "name": "shop"}}),
            "must be a ConfigMap of v1, a PodIdentityAssociation of eks.services.k8s.aws/v1alpha1, or a Role of",
        ),
        (
            json!({"roleArn": null, "roleRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "shop"}}),
            "key must be set for a ConfigMap",
        ),
    ] {
        let created = namespace.create(with(spec.clone())?).await;
        let error = created.err().with_context(|| format!("{spec} was let in"))?;
        ensure!(format!("{error:#}").contains(message), "{spec}: {error:#}");
    }
    Ok(())
}

pub(crate) async fn not_known_here(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let spec = json!({"roleArn": null, "role": {"name": "shop"}});
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::RoleNotResolved).await?;
    ensure!(message.contains("start the operator with --aws-account"), "{message}");
    let refers = refers(RoleObjectKind::Ack, "app");
    change(&namespace, json!({"role": null, "roleRef": refers["roleRef"]})).await?;
    let what = "it names the flag for references";
    wait::object(&namespace.api(), "app", what, |binding: Option<&PodIdentityBinding>| {
        let ready = binding.and_then(|binding| expect::condition_of(binding, condition::READY)).ok_or("nothing")?;
        if ready.message.contains("--role-references=ack") { Ok(()) } else { Err(ready.message.clone()) }
    })
    .await?;
    expect::annotated(&namespace, "app", None).await?;
    Ok(())
}

pub(crate) async fn made_by_ack(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let ack = RoleObjectKind::Ack;
    running_as_its_own(&namespace, "app", &json!({})).await?;
    namespace.create(fixtures::binding_with("app", "app", "", &refers(ack, "app-role"))?).await?;
    unresolved(&namespace, &["Role.iam.services.k8s.aws/app-role does not exist"]).await?;
    install(&world, ack).await?;
    declare(&namespace, ack, "app-role").await?;
    unresolved(&namespace, &["has no ARN yet: its controller has not made the role"]).await?;
    let denied = json!({"type": "ACK.Recoverable", "status": "True", "message": "AccessDenied: iam:CreateRole"});
    write_status(&namespace, ack, "app-role", &json!({"conditions": [denied]})).await?;
    unresolved(&namespace, &["ACK.Recoverable is True: AccessDenied: iam:CreateRole"]).await?;
    expect::annotated(&namespace, "app", None).await?;

    let made = |arn: &str| json!({"ackResourceMetadata": {"arn": arn}, "conditions": []});
    write_status(&namespace, ack, "app-role", &made(ROLE)).await?;
    verified(&namespace, 1).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    let before = expect::rolled_out(&namespace, "app").await?;
    write_status(&namespace, ack, "app-role", &made(OTHER_ROLE)).await?;
    expect::pods_have(&namespace, "app", 1, OTHER_ROLE).await?;
    expect::ready(&namespace, "app").await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;

    api(&namespace, ack).delete("app-role", &DeleteParams::default()).await?;
    unresolved(&namespace, &["does not exist", "keeps", OTHER_ROLE]).await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await?;
    Ok(())
}

pub(crate) async fn of_crossplane(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let kinds = [RoleObjectKind::Crossplane, RoleObjectKind::Upbound, RoleObjectKind::UpboundNamespaced];
    running_as_its_own(&namespace, "app", &json!({})).await?;
    // Two of the kinds are cluster-scoped.
    let name = format!("{}-role", namespace.name);
    let mut role = ROLE;
    for kind in kinds {
        install(&world, kind).await?;
        declare(&namespace, kind, &name).await?;
        let spec = refers(kind, &name);
        if role == ROLE && kind == RoleObjectKind::Crossplane {
            namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
        } else {
            change(&namespace, json!({"roleRef": spec["roleRef"]})).await?;
        }
        let failed =
            json!({"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "create failed"});
        write_status(&namespace, kind, &name, &json!({"conditions": [failed]})).await?;
        unresolved(&namespace, &["Synced is False: ReconcileError: create failed"]).await?;
        write_status(&namespace, kind, &name, &json!({"atProvider": {"arn": role}, "conditions": []})).await?;
        expect::pods_have(&namespace, "app", 1, role).await?;
        expect::ready(&namespace, "app").await?;
        role = if role == ROLE { OTHER_ROLE } else { ROLE };
    }
    Ok(())
}

pub(crate) async fn of_a_config_map(_: Arc<World>, namespace: Namespace) -> Result<()> {
    running_as_its_own(&namespace, "app", &json!({})).await?;
    let manual = json!({"rollout": {"policy": "Manual"}});
    let mut spec = refers(RoleObjectKind::ConfigMap, "roles");
    spec["rollout"] = manual["rollout"].clone();
    let map = |data: Value| serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": "roles"}, "data": data}));
    namespace.create(map(json!({"app": "not-an-arn", "other": ROLE}))?).await?;
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    unresolved(&namespace, &["ConfigMap/roles has no ARN of a role under the key app"]).await?;
    namespace.change::<ConfigMap>("roles", &json!({"data": {"app": ROLE}})).await?;
    // A release names the role, because a changed role needs a new release.
    for role in [ROLE, OTHER_ROLE] {
        namespace.change::<ConfigMap>("roles", &json!({"data": {"app": role}})).await?;
        let what = format!("it waits for the release of {role}");
        let release = wait::object(&namespace.api(), "app", &what, |binding: Option<&PodIdentityBinding>| {
            let ready = binding.and_then(|binding| expect::condition_of(binding, condition::READY)).ok_or("nothing")?;
            let value = ready.message.rsplit_once(&format!("{RELEASE_ANNOTATION}=")).map(|(_, value)| value.to_owned());
            value.filter(|value| value.ends_with(role)).ok_or_else(|| ready.message.clone())
        })
        .await?;
        let released = json!({"metadata": {"annotations": {RELEASE_ANNOTATION: release}}});
        namespace.change::<PodIdentityBinding>("app", &released).await?;
        expect::pods_have(&namespace, "app", 1, role).await?;
        expect::ready(&namespace, "app").await?;
    }
    Ok(())
}

pub(crate) async fn guarded(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let granted = "arn:aws:iam::111122223333:role/team-a/*";
    grants::guard(&world.control_plane, &namespace, granted).await?;
    let named = |name: &str, path: &str| {
        let spec = json!({"roleArn": null, "role": {"name": name, "path": path}});
        fixtures::binding_with("app", "app", "", &spec)
    };
    let message = refused(&namespace, &named("shop", "/team-b/")?).await?;
    for part in ["PodIdentityBinding app", "role/team-b/shop", granted, ALLOWED_ROLES_ANNOTATION] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    refused(&namespace, &named("team-a", "/")?).await?;
    admitted(&namespace, &named("shop", "/team-a/")?).await?;

    // For a reference, the policy sees the role when the operator annotates.
    running_as_its_own(&namespace, "app", &json!({})).await?;
    let map = json!({"metadata": {"name": "roles"}, "data": {"app": "arn:aws:iam::111122223333:role/team-b/shop"}});
    namespace.create(serde_json::from_value::<ConfigMap>(map)?).await?;
    let spec = refers(RoleObjectKind::ConfigMap, "roles");
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::WriteRefused).await?;
    ensure!(message.contains("does not grant") && message.contains("role/team-b/shop"), "{message}");
    let allowed = json!({"data": {"app": "arn:aws:iam::111122223333:role/team-a/shop"}});
    namespace.change::<ConfigMap>("roles", &allowed).await?;
    expect::ready(&namespace, "app").await?;
    Ok(())
}

/// The enforcement policy reads the declared role in the status, before the operator annotates.
pub(crate) async fn enforced(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let map = |role: &str| json!({"metadata": {"name": "roles"}, "data": {"app": role}});
    namespace.create(serde_json::from_value::<ConfigMap>(map(ROLE))?).await?;
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 2).await?;
    let spec = refers(RoleObjectKind::ConfigMap, "roles");
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    expect::ready(&namespace, "app").await?;
    policies::enforce(&world.control_plane, &namespace).await?;
    refused(&namespace, &policies::preset("app")?).await?;
    let before = expect::rolled_out(&namespace, "app").await?;
    namespace.change::<ConfigMap>("roles", &json!({"data": {"app": OTHER_ROLE}})).await?;
    expect::pods_have(&namespace, "app", 2, OTHER_ROLE).await?;
    expect::ready(&namespace, "app").await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)
}

/// The same manifests in two clusters of two accounts.
pub(crate) async fn two_clusters(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let other = World::start_referring(OTHER_ACCOUNT).await?;
    let there = other.control_plane.namespace("scenario").await?;
    for (cluster, namespace, account) in [(&world, &namespace, fixtures::ACCOUNT), (&other, &there, OTHER_ACCOUNT)] {
        running_as_its_own(namespace, "app", &json!({})).await?;
        let binding = "apiVersion: podidentity.dev/v1alpha1\nkind: PodIdentityBinding\nmetadata: {name: app}\n\
                       spec: {serviceAccountName: app, role: {name: shop}}\n";
        let args = ["apply", "-n", &namespace.name, "-f", "-"];
        let applied = cluster.control_plane.kubectl_output(&args, Some(binding)).await?;
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let binding = expect::ready(namespace, "app").await?;
        expect::status_names(&binding, &format!("arn:aws:iam::{account}:role/shop"), 1)?;
    }
    other.operator.kill();
    Ok(())
}
