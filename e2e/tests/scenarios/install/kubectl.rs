//! Install and uninstall with kubectl.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::{ControlPlane, Namespace, Operator, expect, operator, wait};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;

use super::user::User;
use crate::world::World;

/// Follows docs/install.md.
pub(crate) async fn whole_life(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    let folder = e2e::repository().join("config/default").display().to_string();
    control_plane.kubectl(&["apply", "--server-side", "-k", &folder]).await?;
    control_plane.install_injection().await?;

    // The operator's namespace admits only restricted pods, and has admitted this one.
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;
    let pods = expect::pod_uids(&user.namespace, "app").await?;
    rights_of_people(&control_plane).await?;

    control_plane.kubectl(&["delete", "podidentitybindings", "--all", "--all-namespaces"]).await?;
    operator.terminate().await?;
    control_plane.kubectl(&["delete", "-k", &folder]).await?;
    user.is_as_before().await?;
    ensure!(pods == expect::pod_uids(&user.namespace, "app").await?, "the removal has restarted pods");
    let kinds = "namespace,clusterrole,clusterrolebinding,crd";
    let left = control_plane.kubectl(&["get", kinds, "--output=name"]).await?;
    let ours = |line: &&str| line.contains("podidentity") || line.contains(operator::NAMESPACE);
    let left: Vec<&str> = left.lines().filter(ours).collect();
    ensure!(left.is_empty(), "this is left: {left:?}");
    Ok(())
}

/// With `config/people`, Kubernetes' own roles include bindings, but neither their statuses nor
/// grants.
async fn rights_of_people(control_plane: &ControlPlane) -> Result<()> {
    const READ: &[&str] = &["get", "list", "watch"];
    const CHANGE: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let folder = e2e::repository().join("config/people").display().to_string();
    control_plane.kubectl(&["apply", "--server-side", "-k", &folder]).await?;
    let api: Api<ClusterRole> = Api::all(control_plane.client());
    for (name, expected) in [("view", READ), ("edit", CHANGE), ("admin", CHANGE)] {
        let wanted: BTreeSet<_> = expected.iter().map(|verb| format!("{verb} podidentitybindings")).collect();
        wait::object(&api, name, "rights in bindings", |role| {
            let rules = role.and_then(|role| role.rules.as_deref()).unwrap_or_default();
            let rights: BTreeSet<_> = rules.iter().flat_map(rights_in_bindings).collect();
            if rights == wanted { Ok(()) } else { Err(format!("{rights:?}")) }
        })
        .await?;
    }
    control_plane.kubectl(&["delete", "-k", &folder]).await?;
    Ok(())
}

/// `VERB RESOURCE` for each right of the rule in our API group.
fn rights_in_bindings(rule: &PolicyRule) -> Vec<String> {
    let ours = rule.api_groups.iter().flatten().any(|group| group == "podidentity.dev" || group == "*");
    let resources = rule.resources.iter().flatten().filter(|_| ours);
    resources.flat_map(|resource| rule.verbs.iter().map(move |verb| format!("{verb} {resource}"))).collect()
}
