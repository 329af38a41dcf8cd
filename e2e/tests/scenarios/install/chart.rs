//! Install, upgrade, uninstall and reinstall with Helm.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::injection::Injector;
use e2e::{ControlPlane, Namespace, Operator, expect};

use super::helm::{RELEASE, chart, helm};
use super::user::User;
use crate::world::World;

pub(crate) async fn whole_life(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    let install = Install { control_plane: &control_plane, chart: chart() };

    if control_plane.injector().await? == Injector::Webhook {
        control_plane.install_injection().await?;
    }
    let notes = install.upgrade(&[]).await?;
    ensure!(notes.contains("names no registry"), "the notes do not warn of the image: {notes}");
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;
    let pods = expect::pod_uids(&user.namespace, "app").await?;

    // Another flag replaces the operator's pod, and changes nothing for users.
    operator.terminate().await?;
    install.upgrade(&["settings.concurrency=3"]).await?;
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.is_looked_after(&control_plane, &operator).await?;

    // After the uninstall, the bindings stay and the pods keep their roles. A reinstall restarts no
    // workload.
    operator.terminate().await?;
    install.uninstall().await?;
    let left = control_plane.kubectl(&["get", "deployment,clusterrole", "--all-namespaces", "--output=name"]).await?;
    ensure!(!left.contains(RELEASE), "objects of the chart are left: {left}");
    install.upgrade(&[]).await?;
    let operator = Operator::start_as_deployed(&control_plane).await?;
    user.is_looked_after(&control_plane, &operator).await?;
    ensure!(pods == expect::pod_uids(&user.namespace, "app").await?, "pods were restarted");

    // For good: without `crds.keep`, Helm removes the CRD with the release.
    control_plane.kubectl(&["delete", "podidentitybindings", "--all", "--all-namespaces"]).await?;
    operator.terminate().await?;
    install.upgrade(&["crds.keep=false"]).await?;
    install.uninstall().await?;
    let left = control_plane.kubectl(&["get", "crd", "--output=name"]).await?;
    ensure!(!left.contains("podidentity"), "the definition is left: {left}");
    user.is_as_before().await?;
    ensure!(pods == expect::pod_uids(&user.namespace, "app").await?, "the removal has restarted pods");
    Ok(())
}

struct Install<'a> {
    control_plane: &'a ControlPlane,
    chart: String,
}

impl Install<'_> {
    async fn upgrade(&self, values: &[&str]) -> Result<String> {
        let mut args = vec!["upgrade", "--install", "--create-namespace", RELEASE, &self.chart];
        let policy: &[&str] = match self.control_plane.injector().await? {
            Injector::Policy => &["injection.enabled=true"],
            Injector::Webhook => &[],
        };
        for value in policy.iter().chain(values) {
            args.extend(["--set-json", value]);
        }
        let notes = helm(Some(self.control_plane), &args).await?;
        self.control_plane.recognised().await?;
        self.control_plane.injects().await?;
        Ok(notes)
    }

    async fn uninstall(&self) -> Result<()> {
        helm(Some(self.control_plane), &["uninstall", RELEASE, "--wait"]).await?;
        Ok(())
    }
}
