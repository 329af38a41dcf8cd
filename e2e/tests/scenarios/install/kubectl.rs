//! Installed and removed with kubectl.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::{ControlPlane, Namespace, Operator, expect, operator};

use super::user::User;
use crate::world::World;

/// As docs/install.md says.
pub(crate) async fn whole_life(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    let folder = e2e::repository().join("config/default").display().to_string();
    control_plane.kubectl(&["apply", "--server-side", "-k", &folder]).await?;
    control_plane.install_injection().await?;

    // Its namespace admits only what is restricted, and has admitted it.
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;
    let pods = expect::pod_uids(&user.namespace, "app").await?;

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
