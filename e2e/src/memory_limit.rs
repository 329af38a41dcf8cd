//! The operator under the memory limit of its manifest: in its own control group, as under a
//! kubelet.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Operator;

/// The manifest that sets the limit.
const MANIFEST: &str = "config/manager/deployment.yaml";

/// A control group with a memory limit. It is removed when this is dropped.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
    version: &'static Version,
    bytes: u64,
}

/// Peak memory usage in bytes, including the page cache.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// The peak.
    pub bytes: u64,
    /// The limit.
    pub limit: u64,
}

/// The files of each version of control groups.
#[derive(Debug)]
struct Version {
    root: &'static str,
    /// A file that exists where memory accounting is available.
    sign: &'static str,
    limit: &'static str,
    peak: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version {
        root: "/sys/fs/cgroup/memory",
        sign: "memory.limit_in_bytes",
        limit: "memory.limit_in_bytes",
        peak: "memory.max_usage_in_bytes",
    },
    Version { root: "/sys/fs/cgroup", sign: "memory.stat", limit: "memory.max", peak: "memory.peak" },
];

impl MemoryLimit {
    /// Puts the operator under the limit of its manifest; `None` if this machine does not allow
    /// control groups.
    pub fn of_the_operator(operator: &Operator) -> Result<Option<Self>> {
        let process = operator.id().context("the operator does not run")?;
        let bytes = in_manifest()?;
        Ok(VERSIONS.iter().find_map(|version| Self::make(version, process, bytes).ok()))
    }

    fn make(version: &'static Version, process: u32, bytes: u64) -> Result<Self> {
        let root = Path::new(version.root);
        fs::metadata(root.join(version.sign))?;
        let folder = root.join(format!("podidentity-e2e-{process}"));
        fs::create_dir(&folder)?;
        let limit = Self { folder, version, bytes };
        fs::write(limit.folder.join(version.limit), bytes.to_string())?;
        fs::write(limit.folder.join("cgroup.procs"), process.to_string())?;
        limit.peak()?;
        Ok(limit)
    }

    /// The peak memory usage so far.
    pub fn peak(&self) -> Result<Peak> {
        let text = fs::read_to_string(self.folder.join(self.version.peak))?;
        Ok(Peak { bytes: text.trim().parse()?, limit: self.bytes })
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // A control group with a process cannot be removed, so the process moves back to the root
        // group.
        if let Ok(processes) = fs::read_to_string(self.folder.join("cgroup.procs")) {
            for process in processes.lines() {
                let _ = fs::write(Path::new(self.version.root).join("cgroup.procs"), process);
            }
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes / (1 << 20);
        write!(f, "{} MiB of {} MiB", mebibytes(self.bytes), mebibytes(self.limit))
    }
}

/// The limit in bytes.
fn in_manifest() -> Result<u64> {
    let text = fs::read_to_string(crate::repository().join(MANIFEST))?;
    let manifest: Value = serde_saphyr::from_str(&text)?;
    let limit = manifest.pointer("/spec/template/spec/containers/0/resources/limits/memory").and_then(Value::as_str);
    let mebibytes = limit.and_then(|limit| limit.strip_suffix("Mi"));
    let mebibytes: u64 = mebibytes.with_context(|| format!("{MANIFEST} sets no limit in Mi"))?.parse()?;
    Ok(mebibytes << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_a_limit() {
        assert_eq!(in_manifest().unwrap(), 256 << 20);
    }
}
