//! The helm that was built with the other tools, and the chart.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, bail};
use e2e::{ControlPlane, binaries};
use tokio::process::Command;

/// Name of the release, the same as the operator's.
pub(super) const RELEASE: &str = "podidentity-operator";

/// The folder of the chart.
pub(super) fn chart() -> String {
    e2e::repository().join("charts/podidentity-operator").display().to_string()
}

/// The folder of the chart that has only the CRD.
pub(super) fn crds_chart() -> String {
    e2e::repository().join("charts/podidentity-crds").display().to_string()
}

/// Runs helm, as administrator of a control plane if there is one. Returns its stdout, or an error
/// with its stderr.
pub(super) async fn helm(control_plane: Option<&ControlPlane>, args: &[&str]) -> Result<String> {
    let output = run(control_plane, args).await?;
    if !output.status.success() {
        bail!("helm {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs helm, whatever its exit status.
pub(super) async fn run(control_plane: Option<&ControlPlane>, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(binaries::tools()?.join("helm"));
    // Uses no files of the user: neither plugins nor repositories nor a cluster.
    let folder = tempfile::tempdir()?;
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, folder.path());
    }
    command.env("KUBECONFIG", control_plane.map_or(Path::new("/dev/null"), ControlPlane::kubeconfig));
    // The last namespace flag wins.
    command.args(&args[..1]).args(["--namespace", e2e::operator::NAMESPACE]).args(&args[1..]).kill_on_drop(true);
    command.output().await.context("cannot run helm")
}

/// The chart rendered with these values, each as `key=JSON`.
pub(super) async fn template(values: &[&str]) -> Result<String> {
    template_as(RELEASE, e2e::operator::NAMESPACE, values).await
}

/// The same for another release.
pub(crate) async fn template_as(release: &str, namespace: &str, values: &[&str]) -> Result<String> {
    let chart = chart();
    let mut args = vec!["template", release, &chart, "--namespace", namespace];
    for value in values {
        args.extend(["--set-json", value]);
    }
    helm(None, &args).await
}
