//! The roles that a namespace grants: the policies of `config/grants/`, and the operator with
//! `--require-grants`.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE, role_annotation};
use e2e::policies::{admitted, attempt, refused};
use e2e::{ControlPlane, Namespace, expect, wait};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::names::ALLOWED_ROLES_ANNOTATION;
use podidentity_api::{PodIdentityBinding, Reason};
use podidentity_core::grants::Grants;
use serde_json::json;

use crate::steps::{bound, change, running, writes};
use crate::world::World;

/// The policies apply only to namespaces with this label, so that other scenarios are not
/// disturbed.
pub(crate) const LABEL: &str = "e2e-grants";

/// Installs the policies for the namespace, which grants these roles.
pub(crate) async fn guard(control_plane: &ControlPlane, namespace: &Namespace, granted: &str) -> Result<()> {
    control_plane.install_policies_for("config/grants", LABEL).await?;
    namespace.mark(&json!({"labels": {LABEL: "true"}, "annotations": {ALLOWED_ROLES_ANNOTATION: granted}})).await?;
    let stranger = "arn:aws:iam::999999999999:role/stranger";
    refused(namespace, &fixtures::binding("probe", "probe", stranger)?).await?;
    refused(namespace, &fixtures::annotated_service_account("probe", stranger)?).await?;
    Ok(())
}

async fn grant(namespace: &Namespace, granted: Option<&str>) -> Result<()> {
    namespace.mark(&json!({"annotations": {ALLOWED_ROLES_ANNOTATION: granted}})).await
}

/// The message of a policy that refused a change.
fn refusal(changed: Result<impl Sized>) -> Result<String> {
    match changed {
        Ok(_) => bail!("it was let in"),
        Err(error) => {
            let message = format!("{error:#}");
            ensure!(message.contains("ValidatingAdmissionPolicy"), "not refused by a policy: {message}");
            Ok(message)
        }
    }
}

pub(crate) async fn refused_by_policy(world: Arc<World>, namespace: Namespace) -> Result<()> {
    guard(&world.control_plane, &namespace, &format!("{ROLE}, arn:aws:iam::*:role/team-b/*")).await?;
    let message = refused(&namespace, &fixtures::binding("app", "app", OTHER_ROLE)?).await?;
    for part in ["PodIdentityBinding app", OTHER_ROLE, ROLE, "role/team-b/*", ALLOWED_ROLES_ANNOTATION, &namespace.name]
    {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    admitted(&namespace, &fixtures::binding("app", "app", "arn:aws:iam::111122223333:role/team-b/x")?).await?;

    bound(&namespace, &json!({})).await?;
    let other = json!({"metadata": {"annotations": {role_annotation(): OTHER_ROLE}}});
    let message = refusal(namespace.change::<ServiceAccount>("app", &other).await)?;
    ensure!(message.contains("service account app") && message.contains(OTHER_ROLE), "{message}");
    refusal(change(&namespace, json!({"roleArn": OTHER_ROLE})).await)?;

    // Existing objects stay valid, whatever happens to the grant.
    grant(&namespace, None).await?;
    refused(&namespace, &fixtures::binding("other", "other", ROLE)?).await?;
    change(&namespace, json!({"rollout": {"maxConcurrent": 2}})).await?;
    let audience = json!({"metadata": {"annotations": {"eks.amazonaws.com/audience": "other", "note": "x"}}});
    namespace.change::<ServiceAccount>("app", &audience).await?;
    expect::ready(&namespace, "app").await?;
    // An operator without `--require-grants` meets the policy when it restores the annotation.
    let removed = json!({"metadata": {"annotations": {role_annotation(): null, "eks.amazonaws.com/audience": null}}});
    namespace.change::<ServiceAccount>("app", &removed).await?;
    let message = expect::stalled(&namespace, "app", Reason::WriteRefused).await?;
    ensure!(message.contains("does not grant") && message.contains(ROLE), "{message}");
    namespace.delete::<PodIdentityBinding>("app").await?;
    expect::gone::<PodIdentityBinding>(&namespace, "app").await
}

/// A user who may change a namespace must not therefore be able to grant it roles.
#[expect(clippy::too_many_lines, reason = "one scenario, step after step")]
pub(crate) async fn who_may_grant(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    guard(control_plane, &namespace, ROLE).await?;
    let tenant = format!("{}-tenant", namespace.name);
    let can_edit = json!({"apiGroups": [""], "resources": ["namespaces", "namespaces/status"], "verbs": ["get", "patch", "update"]});
    let role = |rules: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": tenant}, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": tenant},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": tenant},
             "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": tenant}]}]})
    };
    control_plane.apply_yaml(&role(json!([can_edit])).to_string()).await?;
    let annotate = |granted: &str| {
        let granted = format!("{ALLOWED_ROLES_ANNOTATION}={granted}");
        let (name, tenant) = (namespace.name.clone(), tenant.clone());
        async move {
            control_plane.kubectl(&["annotate", "--overwrite", "--as", &tenant, "namespace", &name, &granted]).await
        }
    };
    control_plane.kubectl(&["label", "--as", &tenant, "namespace", &namespace.name, "mine=true"]).await?;
    let message = refusal(annotate("*").await)?;
    ensure!(message.contains("verb grant") && message.contains(&tenant), "{message}");
    let by_status = json!({"metadata": {"annotations": {ALLOWED_ROLES_ANNOTATION: "*"}}}).to_string();
    let by_status = [
        "patch",
        "namespace",
        &namespace.name,
        "--as",
        &tenant,
        "--subresource=status",
        "--type=merge",
        "-p",
        &by_status,
    ];
    refusal(control_plane.kubectl(&by_status).await)?;

    // The owner of a namespace often has every verb there, by a Role. That does not suffice.
    let owner = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
         "metadata": {"name": "owner", "namespace": namespace.name},
         "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
         "metadata": {"name": "owner", "namespace": namespace.name},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "owner"},
         "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": tenant}]}]});
    control_plane.apply_yaml(&owner.to_string()).await?;
    let can = ["auth", "can-i", "grant", "podidentitybindings.podidentity.dev", "-n", &namespace.name, "--as", &tenant];
    wait::until("the owner has every verb in the namespace", || async {
        Ok(control_plane.kubectl(&can).await.is_ok().then_some(()))
    })
    .await?;
    let message = refusal(annotate("*").await)?;
    ensure!(message.contains("by a ClusterRoleBinding"), "{message}");

    let may_grant = json!({"apiGroups": ["podidentity.dev"], "resources": ["podidentitybindings"], "verbs": ["grant"],
        "resourceNames": [namespace.name]});
    control_plane.apply_yaml(&role(json!([can_edit, may_grant])).to_string()).await?;
    let message = refusal(annotate("my-role").await)?;
    ensure!(message.contains("an entry that grants nothing: my-role"), "{message}");
    annotate("*").await?;
    Ok(())
}

/// Valid and invalid values of the annotation.
const ANNOTATIONS: &[&str] = &[
    "",
    " , ,",
    "*",
    "**",
    " * ",
    "arn:aws:iam::111122223333:role/my-role",
    "arn:aws:iam::111122223333:role/my-role,",
    "arn:aws:iam::999999999999:role/x ,\n\tarn:aws:iam::111122223333:role/my-role\r\n",
    "\u{a0}arn:aws:iam::111122223333:role/my-role\u{2003}",
    "arn:aws:iam::111122223333:role/*",
    "arn:aws:iam::111122223333:*",
    "arn:aws:iam::*:role/my-role",
    "arn:*:iam::*:role/team/*",
    "arn:aws:iam::1111*:role/my-*",
    "arn:aws:iam::111122223333:role/*/my-*e",
    "arn:aws:iam::111122223333:role/my-role*",
    "arn:aws:iam::111122223333:role/m*-*e*",
    "arn:aws:iam::111122223333:role/my.role",
    "arn:aws:iam::111122223333:role/my+role",
    "arn:aws:iam::111122223333:role/(my|our)-role",
    "arn:aws:iam::111122223333:role/[a-z-]*",
    "arn:aws:iam::111122223333:role/my-rol?",
    "arn:aws:iam::111122223333:role/^my-role$",
    "arn:aws:iam::111122223333:role/\\E.*\\Q",
    "arn:aws:iam::111122223333:role/my\\-role",
    "arn:*role/my-role",
    "arn:aws:iam:*:role/my-role",
    "ARN:AWS:IAM::111122223333:ROLE/MY-ROLE",
    "arn:aws:iam::111122223333:role/a*a",
    "arn:aws:iam::111122223333:role/*ab*ab*",
    "my-role",
    "*role/my-role",
    "*:*:*:*:*:*",
];

/// Role annotations of service accounts, which need not be ARNs.
const ROLES: &[&str] = &[
    ROLE,
    OTHER_ROLE,
    "arn:aws:iam::111122223333:role/my.role",
    "arn:aws:iam::111122223333:role/my+role",
    "arn:aws:iam::111122223333:role/myyrole",
    "arn:aws:iam::111122223333:role/our-role",
    "arn:aws:iam::111122223333:role/my-roles",
    "arn:aws:iam::111122223333:role/",
    "arn:aws:iam::111122223333:role/a",
    "arn:aws:iam::111122223333:role/aa",
    "arn:aws:iam::111122223333:role/abab",
    "arn:aws:iam::111122223333:role/abb",
    "arn:aws:iam::111122223333:role/path/my-role",
    "arn:aws:iam::111122223333:role/x:role/my-role",
    "arn:aws:iam::11112222:role/my-role",
    "arn:aws-cn:iam::444455556666:role/team/x",
    "arn:aws:iam::111122223333:role/my-role\nx",
    "arn:aws:iam::111122223333:role/\\E.*\\Q",
    "my-role",
    "*",
];

/// The label of namespaces to which only the policy on service accounts applies.
const ONLY: &str = "e2e-grants-read-alike";

/// The policies and the operator interpret the annotation in the same way.
pub(crate) async fn read_alike(world: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    control_plane.install_policies_for("config/grants", LABEL).await?;
    // Only the policy on service accounts: another policy refuses some of these annotations.
    control_plane.bind_policy("pod-identity-grants-service-accounts", ONLY, None).await?;
    let work: Vec<_> = ANNOTATIONS.iter().map(|annotation| compare(control_plane, annotation)).collect();
    let allowed: Vec<usize> = stream::iter(work).buffer_unordered(8).try_collect().await?;
    let (all, allowed) = (ANNOTATIONS.len() * ROLES.len(), allowed.iter().sum::<usize>());
    println!("grants: {all} pairs of annotation and role are judged alike, {allowed} granted");
    ensure!(allowed > 50 && allowed < all - 50, "too few of one kind to say something");
    Ok(())
}

/// Compares all roles under one annotation. Returns how many are granted.
async fn compare(control_plane: &ControlPlane, annotation: &str) -> Result<usize> {
    // One namespace for each annotation: the API server's view of a changed namespace lags.
    let namespace = control_plane.namespace("read-alike").await?;
    namespace.mark(&json!({"labels": {ONLY: "true"}, "annotations": {ALLOWED_ROLES_ANNOTATION: annotation}})).await?;
    let grants = Grants::parse(annotation);
    let stranger = "arn:other";
    // If everything is granted, nothing shows that the policy is in force; the other namespaces
    // show it.
    if !grants.allow(stranger) {
        refused(&namespace, &fixtures::annotated_service_account("app", stranger)?).await?;
    }
    let mut allowed = 0;
    for role in ROLES {
        let verdict = attempt(&namespace, &fixtures::annotated_service_account("app", role)?).await?;
        let by_operator = grants.allow(role);
        ensure!(
            verdict.is_ok() == by_operator,
            "{annotation:?} and {role:?}: the operator says {by_operator}, the policy {verdict:?}"
        );
        allowed += usize::from(by_operator);
    }
    Ok(allowed)
}

/// The operator alone, without the policies.
pub(crate) async fn required(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let before = running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::RoleNotAllowed).await?;
    let advice =
        format!("kubectl annotate --overwrite namespace {} {ALLOWED_ROLES_ANNOTATION}='{ROLE}'", namespace.name);
    ensure!(message.contains(&advice), "the message does not say what to do: {message}");
    expect::event(&namespace, Reason::RoleNotAllowed).await?;
    expect::annotated(&namespace, "app", None).await?;
    ensure!(writes(&world, &namespace, "serviceaccounts")?.is_empty(), "the service account was written");
    ensure!(writes(&world, &namespace, "deployments")?.is_empty(), "the Deployment was written");

    // Follows the message, and does nothing else.
    let command = format!("{ALLOWED_ROLES_ANNOTATION}={ROLE}");
    world.control_plane.kubectl(&["annotate", "--overwrite", "namespace", &namespace.name, &command]).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 1)?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)
}

/// A grant is withdrawn. The role in force stays, and the operator writes nothing until the grant
/// is back.
pub(crate) async fn withdrawn(world: Arc<World>, namespace: Namespace) -> Result<()> {
    grant(&namespace, Some("arn:aws:iam::111122223333:role/*")).await?;
    let before = bound(&namespace, &json!({})).await?;
    grant(&namespace, Some(OTHER_ROLE)).await?;
    let message = expect::stalled(&namespace, "app", Reason::RoleNotAllowed).await?;
    ensure!(message.contains(&format!("keeps {ROLE}")), "it is not said what stays: {message}");
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    let binding: PodIdentityBinding = namespace.api().get("app").await?;
    let in_force = binding.status.context("no status")?.role_arn;
    ensure!(in_force.as_deref() == Some(ROLE), "status.roleArn is {in_force:?}");

    let written = writes(&world, &namespace, "serviceaccounts")?.len();
    let removed = json!({"metadata": {"annotations": {role_annotation(): null}}});
    namespace.change::<ServiceAccount>("app", &removed).await?;
    wait::object(&namespace.api(), "app", "the removal was seen", |it: Option<&PodIdentityBinding>| {
        let role = it.and_then(|it| it.status.as_ref()?.role_arn.clone());
        if role.is_none() { Ok(()) } else { Err(format!("in force is {role:?}")) }
    })
    .await?;
    expect::annotated(&namespace, "app", None).await?;
    ensure!(writes(&world, &namespace, "serviceaccounts")?.len() == written, "the service account was written");

    change(&namespace, json!({"roleArn": OTHER_ROLE})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, OTHER_ROLE, 2)?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;
    grant(&namespace, None).await?;
    expect::stalled(&namespace, "app", Reason::RoleNotAllowed).await?;
    namespace.delete::<PodIdentityBinding>("app").await?;
    expect::annotated(&namespace, "app", None).await?;
    expect::gone::<PodIdentityBinding>(&namespace, "app").await
}
