//! One command, from its start to its end.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::ControlPlane;
use crate::bench::process::{Usage, usage};

/// The kernel records the peak memory, so little is lost between two samples.
const LOOK: Duration = Duration::from_millis(5);

/// The cost of one command.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The words of the command.
    pub command: Vec<String>,
    /// From its start to its end.
    pub seconds: f64,
    /// CPU seconds of the command, without those of the API server.
    pub cpu: f64,
    /// Peak resident memory, in KiB.
    pub peak_kib: u64,
    /// Its exit status.
    pub status: i32,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
}

/// Runs the plugin against the cluster, with its output in a file.
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
            // A process that has ended but was not waited for has no memory any more.
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
