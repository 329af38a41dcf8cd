//! Asks AWS before a role is put in force, with tokens of the real API server and a double of AWS
//! (`e2e::sts`).

pub(crate) mod answers;
pub(crate) mod guard;
pub(crate) mod process;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::sts::{ACCOUNT, ISSUER, Sts, trust_policy};
use e2e::{ControlPlane, Namespace, Operator, expect, operator, statuses};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::PodIdentityBinding;
use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::json;

pub(crate) const APP: &str = "app";

/// A control plane with the guard, an operator, and the AWS that the operator asks.
pub(crate) struct Asking {
    pub(crate) control_plane: ControlPlane,
    pub(crate) operator: Operator,
    pub(crate) aws: Sts,
}

impl Asking {
    /// Starts all three. AWS knows the identity provider, but no role.
    pub(crate) async fn start(flags: &[&str]) -> Result<Self> {
        let control_plane = ControlPlane::start().await?;
        control_plane.install().await?;
        control_plane.apply_folder("config/preflight").await?;
        let aws = Sts::start(&control_plane.client()).await?;
        aws.change(|world| world.provider(ACCOUNT, ISSUER));
        let endpoint = format!("--sts-endpoint={}", aws.url());
        let flags: Vec<&str> = flags.iter().copied().chain([endpoint.as_str()]).collect();
        let operator = Operator::start_installed(&control_plane, &flags).await?;
        statuses::record(&control_plane)?;
        Ok(Self { control_plane, operator, aws })
    }

    /// Does the work; an error names the folder of the logs.
    pub(crate) fn work(&self, work: impl Future<Output = Result<()>>) -> impl Future<Output = Result<()>> {
        // Scenarios are large futures.
        let work = Box::pin(work);
        async move {
            let done = self.operator.while_alive(&self.control_plane, work).await;
            done.inspect_err(|_| self.control_plane.keep_logs())
                .with_context(|| format!("logs: {}", self.control_plane.logs().display()))
        }
    }

    /// Creates a namespace that permits preflights, with the rights for the operator.
    pub(crate) async fn namespace(&self, name: &str) -> Result<Namespace> {
        let namespace = self.control_plane.namespace(name).await?;
        self.control_plane.permit_preflight(&namespace).await?;
        Ok(namespace)
    }

    pub(crate) async fn may_have_tokens(&self, namespace: &Namespace, allowed: bool) -> Result<()> {
        operator::may(&self.control_plane.client(), &operator::tokens_of(&namespace.name), allowed).await
    }

    /// Makes both roles trust the service account.
    pub(crate) fn trust(&self, namespace: &Namespace) {
        for role in [ROLE, OTHER_ROLE] {
            self.aws.change(|world| world.role(role, &trust_policy(&namespace.name, APP)));
        }
    }

    /// Deploys the application and binds it, with a preflight.
    pub(crate) async fn bind(&self, namespace: &Namespace, preflight: &str) -> Result<Deployment> {
        namespace.create(fixtures::service_account(APP)?).await?;
        namespace.create(fixtures::deployment(APP, APP, 1)?).await?;
        let before = expect::rolled_out(namespace, APP).await?;
        let spec = json!({"preflight": preflight, "rollout": {"settleSeconds": 0}});
        namespace.create(fixtures::binding_with(APP, APP, ROLE, &spec)?).await?;
        Ok(before)
    }

    /// Checks that nothing was annotated and nothing was restarted.
    pub(crate) async fn untouched(&self, namespace: &Namespace, before: &Deployment, role: Option<&str>) -> Result<()> {
        let account: ServiceAccount = namespace.api().get(APP).await?;
        ensure!(expect::role_of(&account) == role, "annotated while it is refused: {:?}", account.metadata.annotations);
        expect::rolled(before, &namespace.api().get(APP).await?, 0)
    }

    /// How often AWS was asked about the service accounts of a namespace.
    pub(crate) fn asked(&self, namespace: &Namespace) -> usize {
        let subject = format!("system:serviceaccount:{}:", namespace.name);
        self.aws.seen().iter().filter(|seen| seen.subject.starts_with(&subject)).count()
    }

    /// Checks that no log, status, event or annotation contains a token or a credential.
    pub(crate) async fn keeps_secrets(&self) -> Result<()> {
        let secrets = self.aws.secrets();
        ensure!(!secrets.is_empty(), "the double has seen no token");
        let kinds = "pib,serviceaccounts,deployments,events.events.k8s.io";
        let objects = self.control_plane.kubectl(&["get", kinds, "-A", "-o", "yaml", "--show-managed-fields"]).await?;
        without("the objects of the cluster", &objects, &secrets)?;
        let log = self.operator.process().log().to_owned();
        without("the operator's log", &std::fs::read_to_string(log)?, &secrets)?;
        for entry in std::fs::read_dir(self.control_plane.logs())? {
            let path = entry?.path();
            without(&path.display().to_string(), &text_of(&path)?, &secrets)?;
        }
        Ok(())
    }
}

fn text_of(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

fn without(place: &str, text: &str, secrets: &[String]) -> Result<()> {
    let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
    ensure!(found.is_none(), "a secret is in {place}");
    Ok(())
}

/// The message of the condition `RoleAssumable`.
pub(crate) fn said(binding: &PodIdentityBinding) -> String {
    let found = expect::condition_of(binding, condition::ROLE_ASSUMABLE);
    found.map(|it| it.message.clone()).unwrap_or_default()
}

/// Waits until the status reports AWS's answer.
pub(crate) async fn told(namespace: &Namespace, status: &str, reason: Reason) -> Result<PodIdentityBinding> {
    expect::reason(namespace, APP, condition::ROLE_ASSUMABLE, status, reason.as_str()).await
}

/// Waits until the pods are verified, with a role that AWS has confirmed.
pub(crate) async fn acts(namespace: &Namespace, role: &str) -> Result<()> {
    let binding = expect::ready(namespace, APP).await?;
    let ready = expect::condition_of(&binding, condition::READY).map(|it| it.message.clone()).unwrap_or_default();
    ensure!(ready.contains("acts as") && ready.contains(role), "AWS was asked, and yet: {ready}");
    expect::status_names(&binding, role, 1)
}
