//! Documents for programs, and the choice between documents and text.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::yaml;

/// How an answer is printed that people read, and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// To read
    Text,
    /// All that is known
    Json,
    /// The same as YAML
    Yaml,
}

/// Prints indented JSON.
pub(crate) fn json(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", yaml::encode_json(document)?)
}

/// Prints a template that was filled in.
pub(crate) fn template(text: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{text}")
}

/// Prints YAML.
pub(crate) fn yaml(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", yaml::encode(document)?)
}
