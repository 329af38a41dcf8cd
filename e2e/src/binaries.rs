//! Where the control plane's binaries are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The folder that holds the binaries, which are built first if they are missing (about 13 minutes, once; the build
/// shows its progress on stderr).
pub fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let script = crate::repository().join("e2e/controlplane/build.sh");
    let output = Command::new(&script).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!("building the control plane failed ({}), see above", output.status);
    }
    let folder = String::from_utf8(output.stdout)?;
    Ok(FOLDER.get_or_init(|| PathBuf::from(folder.trim())))
}
