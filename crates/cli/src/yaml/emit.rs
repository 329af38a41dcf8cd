//! Prints nodes as text in block style, as kubectl does.

use std::fmt::Write as _;

use podidentity_core::foreign::is_active;

use super::{Kind, Node, Style};

/// The document as text, ending with a line feed.
pub(crate) fn emit(node: &Node) -> String {
    let mut emitter = Emitter { out: String::new() };
    emitter.root(node);
    emitter.out
}

struct Emitter {
    out: String,
}

impl Emitter {
    fn root(&mut self, node: &Node) {
        if is_block_collection(node) {
            if let Some(tag) = &node.tag {
                self.out.push_str(tag);
                self.out.push('\n');
            }
            self.collection(node, 0, false);
        } else {
            self.inline(node, 0);
        }
    }

    /// Prints the entries of a collection that is not empty. If `continued`, the first entry
    /// continues the current line.
    fn collection(&mut self, node: &Node, indent: usize, mut continued: bool) {
        match &node.kind {
            Kind::Sequence(items) => {
                for item in items {
                    self.begin_line(indent, &mut continued);
                    self.out.push('-');
                    self.item(item, indent);
                }
            }
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    self.begin_line(indent, &mut continued);
                    self.key(key, indent);
                    self.entry_value(value, indent);
                }
            }
            Kind::Scalar { .. } => {}
        }
    }

    fn begin_line(&mut self, indent: usize, continued: &mut bool) {
        if !std::mem::take(continued) {
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn item(&mut self, item: &Node, indent: usize) {
        if is_block_collection(item) && item.tag.is_none() {
            self.out.push(' ');
            self.collection(item, indent + 2, true);
        } else if is_block_collection(item) {
            self.tag_line(item);
            self.collection(item, indent + 2, false);
        } else {
            self.out.push(' ');
            self.inline(item, indent);
        }
    }

    fn entry_value(&mut self, value: &Node, indent: usize) {
        if is_block_collection(value) {
            self.tag_line(value);
            // A list is not indented below its key, as in kubectl's output.
            let deeper = if matches!(value.kind, Kind::Sequence(_)) { indent } else { indent + 2 };
            self.collection(value, deeper, false);
        } else {
            self.out.push(' ');
            self.inline(value, indent);
        }
    }

    fn tag_line(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            self.out.push(' ');
            self.out.push_str(tag);
        }
        self.out.push('\n');
    }

    /// Prints a key. A key that is not a scalar, or that is too long for YAML's short form, is
    /// written with `?`.
    fn key(&mut self, key: &Node, indent: usize) {
        let short = key.text().is_some_and(|text| text.len() < 200);
        if !short {
            self.out.push('?');
            self.item(key, indent);
            self.out.extend(std::iter::repeat_n(' ', indent));
        } else if let Kind::Scalar { text, style } = &key.kind {
            self.tag(key);
            let style = if *style == Style::Block { Style::DoubleQuoted } else { *style };
            self.out.push_str(&flow_scalar(text, style, key.tag.is_some()));
        }
        self.out.push(':');
    }

    /// Prints a scalar or an empty collection, up to the end of the line.
    fn inline(&mut self, node: &Node, indent: usize) {
        self.tag(node);
        match &node.kind {
            Kind::Sequence(_) => self.out.push_str("[]"),
            Kind::Mapping(_) => self.out.push_str("{}"),
            Kind::Scalar { text, style: Style::Block } if is_block_text(text) => {
                self.block_scalar(text, indent);
                return;
            }
            // A plain scalar that ends with a colon would be read as a key.
            Kind::Scalar { text, style: Style::Plain } if text.ends_with(':') => {
                self.out.push_str(&double_quoted(text));
            }
            Kind::Scalar { text, style } => self.out.push_str(&flow_scalar(text, *style, node.tag.is_some())),
        }
        self.out.push('\n');
    }

    fn tag(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            self.out.push_str(tag);
            self.out.push(' ');
        }
    }

    fn block_scalar(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        // A reader takes the indentation from the first line that is not empty, unless the header
        // states it.
        if text.trim_start_matches('\n').starts_with(' ') {
            self.out.push('2');
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text.ends_with("\n\n") {
            self.out.push('+');
        }
        self.out.push('\n');
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent + 2));
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
    }
}

/// Whether the node needs lines of its own.
fn is_block_collection(node: &Node) -> bool {
    match &node.kind {
        Kind::Sequence(items) => !items.is_empty(),
        Kind::Mapping(entries) => !entries.is_empty(),
        Kind::Scalar { .. } => false,
    }
}

/// Whether the text can be written as a block scalar: it has more than blank lines, and no
/// character needs an escape.
fn is_block_text(text: &str) -> bool {
    let mut lines = text.split('\n');
    lines.any(|line| !line.trim_matches([' ', '\t']).is_empty())
        && !text.trim_start_matches('\n').starts_with('\t')
        && text.chars().all(|c| matches!(c, '\n' | '\t') || is_printable(c))
        // Lines of spaces before the first text would determine the indentation.
        && text.split('\n').take_while(|line| line.trim_matches([' ', '\t']).is_empty()).all(str::is_empty)
}

fn flow_scalar(text: &str, style: Style, tagged: bool) -> String {
    let single_line = text.chars().all(|c| is_printable(c) || c == '\t');
    match style {
        // An empty plain scalar is null. With a tag, it is what the tag makes of an empty text.
        Style::Plain if text.is_empty() => if tagged { "\"\"" } else { "null" }.to_owned(),
        // At the beginning of a line these would end the document.
        Style::Plain if text.starts_with("---") || text.starts_with("...") => double_quoted(text),
        Style::Plain if single_line && !text.contains('\t') => text.to_owned(),
        Style::SingleQuoted if single_line => format!("'{}'", text.replace('\'', "''")),
        _ => double_quoted(text),
    }
}

/// Whether YAML 1.1 and 1.2 allow the character everywhere without an escape, on one line.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) && !is_active(c) => quoted.push(c),
            c if u32::from(c) <= 0xff => escape(&mut quoted, "\\x", 2, c),
            c if u32::from(c) <= 0xffff => escape(&mut quoted, "\\u", 4, c),
            c => escape(&mut quoted, "\\U", 8, c),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(quoted: &mut String, prefix: &str, width: usize, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(quoted, "{prefix}{:0width$x}", u32::from(c));
}
