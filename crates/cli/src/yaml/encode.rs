//! Encodes our own documents as JSON and YAML that every reader understands in the same way.
//!
//! Characters that act on a terminal, or that end a line for some readers, are written as escapes.

use std::fmt::Write as _;
use std::io;

use podidentity_core::foreign::is_active;
use serde::Serialize;

use super::{Kind, Node, Style, emit, parse_json};

/// The document as JSON, indented.
pub(crate) fn json(document: &impl Serialize) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(document)?))
}

/// The document as YAML, in the order of its fields.
pub(crate) fn encode(document: &impl Serialize) -> io::Result<String> {
    let json = escaped(&serde_json::to_string(document)?);
    let mut root = parse_json(&json, 0).map_err(io::Error::other)?.unwrap_or_else(|| Node::string(""));
    unquote(&mut root);
    Ok(emit(&root))
}

/// Escapes the active characters in JSON. The format itself requires escapes only for control
/// characters below U+0020. Outside its strings, a document contains no active characters but line
/// feeds. Inside strings, line feeds are already escaped.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_active(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Removes the quotes of JSON from strings that need none in YAML.
pub(crate) fn unquote(node: &mut Node) {
    match &mut node.kind {
        Kind::Scalar { text, style: style @ Style::DoubleQuoted } => {
            if let Kind::Scalar { style: needed, .. } = Node::string(text).kind {
                *style = needed;
            }
        }
        Kind::Scalar { .. } => {}
        Kind::Sequence(items) => items.iter_mut().for_each(unquote),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                unquote(key);
                unquote(value);
            }
        }
    }
}
