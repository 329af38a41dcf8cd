//! Shell completion.
//!
//! ```text
//! kubectl-podidentity: the shell asks the program, by clap's engine (COMPLETE=bash|zsh|fish)
//! kubectl podidentity: kubectl asks kubectl_complete-podidentity, which asks `__complete`
//! ```

use std::ffi::OsString;
use std::io::Write;

use clap::{Args, Command};
use clap_complete::engine::complete;

use crate::cluster::Failure;
use crate::exit::Exit;

/// What kubectl asks: the words after `kubectl podidentity`, of which the last is being typed.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// Answers kubectl in cobra's format: the candidates, then a directive for the shell.
pub(crate) fn run(args: &CompleteArgs, cli: &mut Command, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut words = vec![OsString::from("kubectl-podidentity")];
    words.extend(args.words.iter().cloned());
    if args.words.is_empty() {
        words.push(OsString::new());
    }
    let last = words.len() - 1;
    let candidates = complete(cli, words, last, None)?;
    let mut open = false;
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        open |= value.ends_with('/');
        match candidate.get_help() {
            Some(help) => writeln!(out, "{value}\t{}", help.to_string().lines().next().unwrap_or_default())?,
            None => writeln!(out, "{value}")?,
        }
    }
    // Directive 4 disables file names. Directive 6 also suppresses the space after a kind, because
    // the object's name follows.
    writeln!(out, ":{}", if open { 6 } else { 4 })?;
    Ok(Exit::Ok)
}
