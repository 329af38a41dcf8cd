//! The admission policy of `config/injection/`, which plays the EKS pod identity webhook.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{Api, PostParams};

use crate::policies::plain;
use crate::{ControlPlane, Namespace, fixtures, wait};

/// Between two tries of something that cannot be watched: the state of the API server's own caches.
const INTERVAL: Duration = Duration::from_millis(50);

impl ControlPlane {
    /// Installs the policy and waits until it is in force.
    pub async fn install_injection(&self) -> Result<()> {
        self.apply_folder("config/injection").await?;
        let namespace = self.namespace("injection-probe").await?;
        namespace.create(fixtures::annotated_service_account("probe", fixtures::ROLE)?).await?;
        in_force(&namespace, "probe", fixtures::ROLE).await
    }

    /// Removes the policy and waits until it is out of force: a cluster without injection.
    pub async fn remove_injection(&self) -> Result<()> {
        let namespace = self.namespace("injection-probe").await?;
        namespace.create(fixtures::annotated_service_account("probe", fixtures::ROLE)?).await?;
        // Before the removal, or a service account that is not known yet would look like a policy that is gone.
        in_force(&namespace, "probe", fixtures::ROLE).await?;
        let folder = crate::repository().join("config/injection");
        self.kubectl(&["delete", "-k", &folder.display().to_string()]).await?;
        eventually(&namespace, "probe", None).await
    }
}

/// Waits until a pod that is created now would get the role: the API server sees a changed service account a moment
/// later than its clients do.
pub async fn in_force(namespace: &Namespace, service_account: &str, role: &str) -> Result<()> {
    eventually(namespace, service_account, Some(role)).await
}

/// Waits until a pod that is created now would get no role.
pub async fn released(namespace: &Namespace, service_account: &str) -> Result<()> {
    eventually(namespace, service_account, None).await
}

async fn eventually(namespace: &Namespace, service_account: &str, role: Option<&str>) -> Result<()> {
    let api: Api<Pod> = namespace.api();
    let pod = plain(service_account)?;
    let dry_run = PostParams { dry_run: true, field_manager: None };
    let began = Instant::now();
    loop {
        let answer = api.create(&dry_run, &pod).await.context("cannot try what is injected into a pod")?;
        let roles = roles(&answer);
        if roles.iter().all(|(_, found)| found.as_deref() == role) {
            return Ok(());
        }
        if began.elapsed() > wait::DEADLINE {
            bail!("new pods of {}/{service_account} do not get {role:?} but {roles:?}", namespace.name);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The value of `AWS_ROLE_ARN` of every container.
pub fn roles(pod: &Pod) -> Vec<(String, Option<String>)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.map(|container| (container.name.clone(), role(container))).collect()
}

fn role(container: &Container) -> Option<String> {
    let variable = container.env.iter().flatten().find(|variable| variable.name == "AWS_ROLE_ARN")?;
    variable.value.clone()
}
