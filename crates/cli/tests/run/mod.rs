//! Runs the command.
#![allow(dead_code)] // each test uses a part of it

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the command in the folder with this standard input.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S], folder: &Path, stdin: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-podidentity"));
    command.args(args).current_dir(folder).env_remove("CLICOLOR_FORCE").env("COLUMNS", "100");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cannot start");
    let mut input = child.stdin.take().expect("no stdin");
    let text = stdin.to_owned();
    // The command may end without reading, for example on a wrong flag.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("cannot wait");
    writer.join().expect("writer");
    Outcome {
        status: output.status.code().expect("ended by a signal"),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}
