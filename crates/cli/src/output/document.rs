//! Documents for machines.

use std::io::{self, Write};

use serde::Serialize;

/// JSON, indented.
pub(crate) fn json(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

/// YAML.
pub(crate) fn yaml(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(document).map_err(io::Error::other)?;
    writeln!(out, "{}", text.trim_end())
}
