//! One command, from its start to its end.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::ControlPlane;
use crate::bench::process::{Usage, usage};

/// The kernel keeps the peak of memory, so little is lost between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// What one command took.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its words.
    pub command: Vec<String>,
    /// From its start to its end.
    pub seconds: f64,
    /// CPU seconds of it, without those of the API server.
    pub cpu: f64,
    /// The most resident memory that it had, in KiB.
    pub peak_kib: u64,
    /// Its exit status.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs the plugin in front of the cluster, its output going to a file.
pub(super) async fn measure(program: &Path, args: &[&str], control_plane: &ControlPlane) -> Result<Cost> {
    let (out, err) = (control_plane.folder().join("stdout"), control_plane.folder().join("stderr"));
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .env("KUBECONFIG", control_plane.kubeconfig())
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut used = Usage::default();
    let status = loop {
        if let Some(Ok(now)) = child.id().map(usage) {
            // What has ended but was not waited for has no memory any more.
            used = Usage { peak: now.peak.max(used.peak), ..now };
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tokio::time::sleep(LOOK).await;
    };
    Ok(Cost {
        command: args.iter().map(|&word| word.to_owned()).collect(),
        seconds: began.elapsed().as_secs_f64(),
        cpu: used.cpu,
        peak_kib: used.peak,
        status: status.code().unwrap_or(-1),
        stdout: std::fs::read_to_string(out)?,
        stderr: std::fs::read_to_string(err)?,
    })
}
