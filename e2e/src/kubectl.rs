//! The kubectl that was built with the control plane.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{ControlPlane, binaries};

impl ControlPlane {
    /// Runs kubectl as administrator. Returns its stdout, or an error with its stderr.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let output = self.kubectl_output(args, None).await?;
        if !output.status.success() {
            bail!("kubectl {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs kubectl with this text on stdin, whatever its exit status.
    pub async fn kubectl_output(&self, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let mut command = Command::new(binaries::folder()?.join("kubectl"));
        command.args(args).env("KUBECONFIG", self.kubeconfig()).kill_on_drop(true);
        // Avoids the user's cache: its key is the address, and another control plane may have had
        // this port.
        command.env("KUBECACHEDIR", self.kubectl_cache());
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run kubectl")?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).await.context("kubectl does not read its stdin")?;
        }
        Ok(child.wait_with_output().await?)
    }

    /// Applies a folder with a kustomization, relative to the root of the repository.
    pub async fn apply_folder(&self, folder: &str) -> Result<()> {
        let path = crate::repository().join(folder);
        self.kubectl(&["apply", "--server-side", "-k", &path.display().to_string()]).await?;
        Ok(())
    }

    /// Applies YAML text.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<()> {
        let output = self.kubectl_output(&["apply", "--server-side", "-f", "-"], Some(yaml)).await?;
        if !output.status.success() {
            bail!("kubectl apply failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Makes kubectl discover new kinds: it trusts its cache for hours, and `explain` does not
    /// refresh it.
    pub(crate) fn forget_kinds(&self) {
        let _ = std::fs::remove_dir_all(self.kubectl_cache());
    }

    fn kubectl_cache(&self) -> PathBuf {
        self.folder().join("kubectl-cache")
    }
}
