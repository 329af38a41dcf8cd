//! `kubectl podidentity`: the operator's judgement without the operator.
//!
//! ```text
//! args ──► read (files, documents) ──► manifest (objects) ──► accounts ──► inject: manifests
//!                                                                     └──► lint: findings ──► output
//! ```
//!
//! All decisions are those of `podidentity-core`. These commands work offline, on manifests.

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

mod messages;
mod output;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let stdout = io::stdout();
    let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    // Not anstream's: manifests have to come out as they are.
    let mut out = io::BufWriter::new(stdout.lock());
    let result = match &cli.command {
        Command::Inject(args) => inject::run(args, &mut out),
        Command::Lint(args) => lint::run(args, &mut out, colour),
    };
    match result.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(error) => {
            messages::Messages::new().failure(&format!("cannot write the output: {error}"));
            Exit::Unreadable.into()
        }
    }
}
