//! Runs the operator as its Deployment specifies. The harness runs no containers, so it starts the
//! binary with the environment of one of the admitted pods.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::api::ListParams;

use crate::{ControlPlane, Namespace, Operator, expect, operator};

impl Operator {
    /// Waits until the Deployment's rollout is complete and starts the binary in place of one of
    /// its pods.
    pub async fn start_as_deployed(control_plane: &ControlPlane) -> Result<Self> {
        let (args, env) = args_and_env(control_plane).await?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Self::start_with(operator::SERVICE_ACCOUNT, control_plane, control_plane.server(), &args, env).await
    }
}

/// Arguments and environment of one of the operator's pods.
pub(crate) async fn args_and_env(control_plane: &ControlPlane) -> Result<(Vec<String>, Vec<(String, String)>)> {
    let namespace = control_plane.existing_namespace(operator::NAMESPACE);
    expect::rolled_out(&namespace, operator::SERVICE_ACCOUNT).await?;
    let container = one_of(&namespace).await?;
    ensure!(container.command.is_none(), "the image says what to run");
    let mut env = container.env.iter().flatten().map(value).collect::<Result<Vec<_>>>()?;
    // What a pod detects by itself: that it runs in a cluster, and its namespace.
    for (name, value) in [("LEADER_ELECT", "true"), ("LEASE_NAMESPACE", operator::NAMESPACE)] {
        env.push((format!("PODIDENTITY_{name}"), value.to_owned()));
    }
    Ok((container.args.unwrap_or_default(), env))
}

async fn one_of(namespace: &Namespace) -> Result<Container> {
    let deployment: Deployment = namespace.api().get(operator::SERVICE_ACCOUNT).await?;
    let labels = deployment.spec.selector.match_labels.unwrap_or_default();
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = namespace.api::<Pod>().list(&ListParams::default().labels(&labels.join(","))).await?;
    let pod = pods.items.into_iter().next().context("the operator's Deployment has no pod")?;
    let containers = pod.spec.map(|spec| spec.containers).unwrap_or_default();
    containers.into_iter().next().context("the operator's pod has no container")
}

fn value(variable: &EnvVar) -> Result<(String, String)> {
    ensure!(variable.value_from.is_none(), "{} is from elsewhere, which is not known here", variable.name);
    Ok((variable.name.clone(), variable.value.clone().unwrap_or_default()))
}
