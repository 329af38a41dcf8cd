//! `kubectl podidentity`: judges pod identities as the operator does, without the operator.
//!
//! ```text
//! offline: flags ──► read (files, documents) ──► manifest (objects) ──► accounts ──► inject: manifests
//!                                                                              └──► lint: findings ──► output
//!
//! on a cluster: flags ──► cluster (connect, read) ──► Snapshot ──► view ──► status
//! ```
//!
//! `podidentity-core` makes all decisions.

mod command;
mod exit;
mod flags;

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
mod operators;

mod age;
mod paint;
mod table;
mod terminal_text;
mod view;

mod adopt;
mod check;
mod explain;
mod plan;
mod probe;
mod report;
mod status;
mod trust;
mod verify;
mod version;
mod write;

mod messages;
mod output;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile_text;
#[cfg(test)]
mod man;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;

use cluster::Failure;
use command::Cli;
use exit::Exit;
use flags::order;

fn main() -> ExitCode {
    // If a shell asks for completions, answers it and exits. Registers the plugin's own name only,
    // because the completion of kubectl belongs to kubectl.
    CompleteEnv::with_factory(Cli::command).bin(env!("CARGO_PKG_NAME")).complete();
    let cli = Cli::parse_from(order::command_first(&Cli::command(), std::env::args_os().collect()));
    let stdout = io::stdout();
    let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    // Does not write through anstream, because manifests must be printed unchanged.
    let mut out = io::BufWriter::new(stdout.lock());
    let result = cli.run(&mut out, colour);
    match result.and_then(|exit| Ok(out.flush().map(|()| exit)?)) {
        Ok(exit) => exit.into(),
        // The reader has closed the output, which is not an error.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(failure) => {
            messages::Messages::new().failure(&failure.to_string());
            Exit::Unreadable.into()
        }
    }
}
