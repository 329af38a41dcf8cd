//! The operator for a few namespaces: it has rights only in these.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::{ControlPlane, Namespace, Operator, audit, wait};
use podidentity_api::PodIdentityBinding;

use super::user::User;
use crate::argo;
use crate::world::World;

/// `config/samples/namespaced`, for the namespaces team-a and team-b.
pub(crate) async fn two_of_three(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let a = User::in_namespace(&control_plane, "team-a").await?;
    let other = User::in_namespace(&control_plane, "team-c").await?;
    control_plane.kubectl(&["create", "namespace", "team-b"]).await?;
    let b = control_plane.existing_namespace("team-b");
    b.create(fixtures::service_account("app")?).await?;
    argo::install(&control_plane).await?;
    control_plane.apply_folder("config/samples/namespaced").await?;
    control_plane.install_injection().await?;
    other.namespace.create(fixtures::binding("app", "app", ROLE)?).await?;

    let operator = Operator::start_as_deployed(&control_plane).await?;
    a.bind(&control_plane, &operator).await?;
    argo::bound(&b).await?;
    argo::marked(&b, 2).await?;

    // Delete bindings first: a deleted namespace also removes the operator's Role, in no reliable
    // order.
    control_plane.kubectl(&["delete", "podidentitybindings", "--all", "--namespace", "team-b"]).await?;
    control_plane.kubectl(&["delete", "namespace", "team-b", "--timeout=120s"]).await?;
    other.is_as_before().await?;
    let unseen: PodIdentityBinding = other.namespace.api().get("app").await?;
    let observed = unseen.status.and_then(|status| status.observed_generation);
    ensure!(observed == Some(-1), "a binding elsewhere was observed: {observed:?}");
    never_refused(&control_plane)?;
    let roles = control_plane.kubectl(&["get", "clusterrole", "--output=name"]).await?;
    ensure!(!roles.contains("podidentity"), "there is a role for the whole cluster: {roles}");
    operator.while_alive(&control_plane, deleted_before_its_binding(&control_plane, &a)).await?;
    operator.terminate().await
}

/// A namespace that is deleted with its binding may remove the operator's Role first, and then
/// waits for the binding. A right in the whole cluster unblocks it, even if it is granted
/// afterwards.
async fn deleted_before_its_binding(control_plane: &ControlPlane, user: &User) -> Result<()> {
    let name = &user.namespace.name;
    control_plane.kubectl(&["delete", "namespace", name, "--wait=false"]).await?;
    let role_or_all = wait::until("the namespace's role is gone", || async {
        let left = control_plane.kubectl(&["get", "rolebinding,pib", "--namespace", name, "--output=name"]).await;
        let left = left.map_err(|error| error.to_string())?;
        if left.contains("rolebinding") { Err(left) } else { Ok(left) }
    });
    let left = role_or_all.await?;
    println!("namespaced: deleted before its binding, {name} was left with {left:?} when the operator's role was gone");
    control_plane.apply_folder("config/namespaced/finalizers").await?;
    // The operator retries a refused write after five seconds, then ten.
    control_plane.kubectl(&["wait", "--for=delete", "--timeout=120s", &format!("namespace/{name}")]).await?;
    Ok(())
}

fn never_refused(control_plane: &ControlPlane) -> Result<()> {
    let mut refused = control_plane.operator_requests()?;
    refused.retain(|request| request.response_status.as_ref().is_some_and(|status| status.code == 403));
    ensure!(refused.is_empty(), "the operator was refused:\n{}", audit::summary(&refused));
    Ok(())
}
