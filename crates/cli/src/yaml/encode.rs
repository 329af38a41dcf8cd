//! Our own documents as text: JSON and YAML that no reader takes for anything else.
//!
//! Characters that act on a terminal, or that end a line for some readers, are written as escapes.

use std::io;

use podidentity_core::foreign::is_active;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::{Kind, Node, Style, emit, parse_json};

/// The document as JSON, indented.
pub(crate) fn json(document: &impl Serialize) -> io::Result<String> {
    written(document, Escaping(PrettyFormatter::new()))
}

/// The document as YAML, in the order of its fields.
pub(crate) fn encode(document: &impl Serialize) -> io::Result<String> {
    let json = written(document, Escaping(CompactFormatter))?;
    let mut root = parse_json(&json, 0).map_err(io::Error::other)?.unwrap_or_else(|| Node::string(""));
    unquote(&mut root);
    Ok(emit(&root))
}

fn written<F: Formatter>(document: &impl Serialize, formatter: F) -> io::Result<String> {
    let mut bytes = Vec::new();
    document.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Takes the quotes of JSON from texts that need none in YAML.
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

/// Writes a character of JSON, as an escape if need be.
fn escaped(c: char, escape: bool, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    if !escape {
        return write!(out, "{c}");
    }
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// A formatter that writes active characters as escapes. JSON itself asks for those of controls below U+0020 only.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if !fragment.contains(is_active) {
            return self.0.write_string_fragment(out, fragment);
        }
        fragment.chars().try_for_each(|c| escaped(c, is_active(c), out))
    }

    /// Outside of its texts such a document has no active characters but line feeds.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        fragment.chars().try_for_each(|c| escaped(c, c != '\n' && is_active(c), out))
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
