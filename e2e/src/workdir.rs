//! The folder of one control plane: logs, certificates, etcd's data. Removed on success, kept on failure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::process::lock;

static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A temporary folder.
#[derive(Debug)]
pub(crate) struct Workdir {
    path: PathBuf,
    keep: AtomicBool,
}

impl Workdir {
    /// Creates the folder with its subfolders.
    pub(crate) fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("podidentity-e2e-").tempdir();
        let path = folder.context("cannot create a temporary folder")?.keep();
        lock(&LIVE).insert(path.clone());
        let workdir = Self { path, keep: AtomicBool::new(false) };
        for folder in [workdir.logs(), workdir.certs(), workdir.etcd()] {
            std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(workdir)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Logs of all processes, and the audit log.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Certificates and keys.
    pub(crate) fn certs(&self) -> PathBuf {
        self.path.join("certs")
    }

    /// Data of etcd.
    pub(crate) fn etcd(&self) -> PathBuf {
        self.path.join("etcd")
    }

    /// Keeps the logs when this is dropped.
    pub(crate) fn keep_logs(&self) {
        self.keep.store(true, Ordering::SeqCst);
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        lock(&LIVE).remove(&self.path);
        if self.keep.load(Ordering::SeqCst) || std::thread::panicking() {
            let _ = std::fs::remove_dir_all(self.etcd());
            let _ = std::fs::remove_dir_all(self.certs());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes every folder in use. For the signal handler, which cannot wait for `Drop`.
pub(crate) fn remove_all() {
    for folder in lock(&LIVE).iter() {
        let _ = std::fs::remove_dir_all(folder);
    }
}
