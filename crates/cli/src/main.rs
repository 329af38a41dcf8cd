//! `kubectl podidentity`: the operator's judgement without the operator.
//!
//! ```text
//! offline: args ──► read (files, documents) ──► manifest (objects) ──► accounts ──► inject: manifests
//!                                                                              └──► lint: findings ──► output
//!
//! on a cluster: args ──► cluster (connect, read) ──► Snapshot ──► view ──► status
//! ```
//!
//! All decisions are those of `podidentity-core`.

mod args;
mod exit;

mod read;
mod yaml;

mod manifest;
mod schema;

mod accounts;

mod findings;
mod predict;

mod inject;
mod lint;

mod cluster;
mod complete;

mod age;
mod paint;
mod view;

mod explain;
mod status;

mod messages;
mod output;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use cluster::Failure;
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let stdout = io::stdout();
    let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    // Not anstream's: manifests have to come out as they are.
    let mut out = io::BufWriter::new(stdout.lock());
    let result = match &cli.command {
        Command::Inject(args) => inject::run(args, &mut out).map_err(Failure::from),
        Command::Lint(args) => lint::run(args, &mut out, colour).map_err(Failure::from),
        Command::Status(args) => status::run(args, &mut out),
        Command::Explain(args) => explain::run(args, &mut out),
    };
    match result.and_then(|exit| Ok(out.flush().map(|()| exit)?)) {
        Ok(exit) => exit.into(),
        // Whoever reads the output has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(failure) => {
            messages::Messages::new().failure(&failure.to_string());
            Exit::Unreadable.into()
        }
    }
}
