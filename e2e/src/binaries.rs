//! Locates the binaries that are built from Go modules or unpacked from a package.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The folder of the control plane's binaries. Builds them first if they are missing (about 13
/// minutes, once; stderr shows the progress).
pub fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    built(&FOLDER, "e2e/controlplane/build.sh", &[])
}

/// The folder of helm. Builds it first if it is missing (about 3 minutes, once).
pub fn tools() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    built(&FOLDER, "e2e/tools/build.sh", &[])
}

/// The folder of kube-state-metrics. Builds it first if it is missing (about 3 minutes, once).
pub fn kube_state_metrics() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    built(&FOLDER, "e2e/tools/build.sh", &["kube-state-metrics"])
}

/// The folder of Debian's prometheus and promtool. Unpacks them first if they are missing.
pub fn prometheus() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    built(&FOLDER, "config/prometheus/tests/tools.sh", &[])
}

fn built(folder: &'static OnceLock<PathBuf>, script: &str, args: &[&str]) -> Result<&'static Path> {
    if let Some(folder) = folder.get() {
        return Ok(folder);
    }
    let script = crate::repository().join(script);
    let output = Command::new(&script).args(args).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!("{} failed ({}), see above", script.display(), output.status);
    }
    let found = String::from_utf8(output.stdout)?;
    Ok(folder.get_or_init(|| PathBuf::from(found.trim())))
}
