//! Runs a command against its own control plane with a running operator. `KUBECONFIG` and `PATH`
//! are set so that `kubectl` reaches it:
//!
//! ```text
//! cargo run -p e2e --bin with-cluster -- bash
//! cargo run -p e2e --bin with-cluster -- --bare bash     without the operator, its rights and its custom resource
//! cargo run -p e2e --bin with-cluster -- --operator=--aws-account=111122223333 bash     with a flag for the operator
//! ```
//!
//! Ends with the command's exit status.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use e2e::{ControlPlane, Operator, binaries};
use tokio::process::Command;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1).peekable();
    let bare = words.next_if(|word| word == "--bare").is_some();
    let flag = |word: &OsString| Some(word.to_str()?.strip_prefix("--operator=")?.to_owned());
    let mut flags = Vec::new();
    while let Some(found) = words.peek().and_then(flag) {
        flags.push(found);
        words.next();
    }
    let Some(program) = words.next() else {
        bail!("say which command to run: with-cluster [--bare | --operator=FLAG...] COMMAND [ARGUMENT...]")
    };
    let mut command = Command::new(&program);
    command.args(words).env("PATH", path(binaries::folder()?)?);

    let control_plane = ControlPlane::start().await?;
    command.env("KUBECONFIG", control_plane.kubeconfig()).env("KUBECACHEDIR", control_plane.folder().join("cache"));
    let work = async { command.status().await.with_context(|| format!("cannot run {}", program.display())) };
    let status = if bare {
        work.await
    } else {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let operator = Operator::start(&control_plane, &flags).await?;
        operator.while_alive(&control_plane, work).await
    };
    if !matches!(&status, Ok(status) if status.success()) {
        control_plane.keep_logs();
        eprintln!("logs: {}", control_plane.logs().display());
    }
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Puts the control plane's own `kubectl` first.
fn path(binaries: &Path) -> Result<OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binaries.to_path_buf()).chain(std::env::split_paths(&old));
    Ok(std::env::join_paths(folders)?)
}
