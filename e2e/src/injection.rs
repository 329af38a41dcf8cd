//! Injects roles into pods: the admission policy of `config/injection/` if the API server supports
//! such policies, otherwise a webhook of the harness.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{Api, PostParams};
use podidentity_core::kubernetes::MUTATING_POLICIES;

use crate::policies::plain;
use crate::{ControlPlane, Namespace, fixtures, wait, webhook};

/// Interval of polling what cannot be watched: the API server's own caches.
const INTERVAL: Duration = Duration::from_millis(50);

/// The environment variable that selects the injector: `webhook` or `policy`.
const CHOICE: &str = "E2E_INJECTION";

/// What injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injector {
    /// The policy of `config/injection/`.
    Policy,
    /// The harness's own webhook.
    Webhook,
}

impl ControlPlane {
    /// What injects in this control plane.
    pub async fn injector(&self) -> Result<Injector> {
        match std::env::var(CHOICE).as_deref() {
            Ok("webhook") => Ok(Injector::Webhook),
            Ok("policy") => Ok(Injector::Policy),
            Ok(other) => bail!("{CHOICE} is {other:?}; it can be webhook or policy"),
            Err(_) if self.minor().await? >= MUTATING_POLICIES => Ok(Injector::Policy),
            Err(_) => Ok(Injector::Webhook),
        }
    }

    /// Installs the injection and waits until it is in force.
    pub async fn install_injection(&self) -> Result<()> {
        match self.injector().await? {
            Injector::Policy => self.apply_folder("config/injection").await?,
            Injector::Webhook => {
                let configuration = self.start_webhook().await?;
                self.apply_yaml(&configuration.to_string()).await?;
            }
        }
        self.injects().await
    }

    /// Makes the webhook inject, which supports EKS Pod Identity associations, and waits until it
    /// is in force.
    pub async fn inject_by_webhook(&self) -> Result<()> {
        if self.injector().await? == Injector::Policy {
            self.remove_injection().await?;
        }
        let configuration = self.start_webhook().await?;
        self.apply_yaml(&configuration.to_string()).await?;
        self.injects().await
    }

    /// Waits until new pods get roles: the API server obeys a new policy or webhook a moment after
    /// it has stored it.
    pub async fn injects(&self) -> Result<()> {
        self.probe().await.map(drop)
    }

    /// A namespace in which new pods of the service account `probe` get the role.
    async fn probe(&self) -> Result<Namespace> {
        let namespace = self.namespace("injection-probe").await?;
        namespace.create(fixtures::annotated_service_account("probe", fixtures::ROLE)?).await?;
        in_force(&namespace, "probe", fixtures::ROLE).await?;
        Ok(namespace)
    }

    /// Removes the injection and waits until it is no longer in force.
    pub async fn remove_injection(&self) -> Result<()> {
        // Check before the removal: otherwise a service account that is not known yet would look
        // like a removed injection.
        let namespace = self.probe().await?;
        match self.injector().await? {
            Injector::Policy => {
                let folder = crate::repository().join("config/injection");
                self.kubectl(&["delete", "-k", &folder.display().to_string()]).await?;
            }
            Injector::Webhook => {
                self.kubectl(&["delete", "mutatingwebhookconfiguration", webhook::NAME]).await?;
            }
        }
        eventually(&namespace, "probe", None).await
    }
}

/// Waits until a new pod would get the role: the API server's cache sees a changed service account
/// a moment later than its clients do.
pub async fn in_force(namespace: &Namespace, service_account: &str, role: &str) -> Result<()> {
    eventually(namespace, service_account, Some(role)).await
}

/// Waits until a new pod would get no role.
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
