//! Parses text into nodes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use thiserror::Error;

use super::dialect::{Dialects, Difference};
use super::emit::is_printable;
use super::separators;
use super::{Kind, Node, Position, Style};

/// The maximum number of nodes. Aliases may multiply what they refer to, so a larger document is
/// refused.
const MAX_NODES: usize = 1_000_000;
/// The maximum number of bytes that anchors and aliases may copy.
const MAX_COPIED: usize = 16 * 1024 * 1024;
/// The parser's own limit of nesting, which aliases could otherwise bypass.
const MAX_DEPTH: usize = 255;

const TOO_LARGE: &str = "aliases make this document too large";

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct ParseError {
    pub(crate) message: String,
    pub(crate) at: Position,
    /// Whether the document is valid, but another one to kubectl.
    pub(crate) ambiguous: bool,
}

impl ParseError {
    fn new(message: impl Into<String>, at: Position) -> Self {
        Self { message: message.into(), at, ambiguous: false }
    }
}

/// Parses one YAML document. `lines_before` is the number of lines in the file before it. Returns
/// `None` if the document is empty. Refuses a document that kubectl reads differently.
pub(crate) fn parse(text: &str, lines_before: usize) -> Result<Option<Node>, ParseError> {
    let root = read(text, lines_before, Some(Dialects::of(text)))?;
    let with_line_feeds = |text: &str| read(text, 0, Some(Dialects::of(text)));
    match separators::difference(text, root.as_ref(), with_line_feeds) {
        Some(difference) => Err(refused(difference, text, lines_before)),
        None => Ok(root),
    }
}

fn refused(difference: Difference, text: &str, lines_before: usize) -> ParseError {
    let before = text.get(..difference.offset).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let line_number = lines_before + before.matches('\n').count() + 1;
    let at = Position { line: line_number, column: line.chars().count() + 1 };
    ParseError { message: difference.message, at, ambiguous: true }
}

/// Parses one JSON document, which kubectl does not read as YAML.
pub(crate) fn parse_json(text: &str, lines_before: usize) -> Result<Option<Node>, ParseError> {
    read(&with_escapes(text), lines_before, None)
}

/// Escapes characters that JSON allows in its strings but that YAML allows only as escapes.
fn with_escapes(text: &str) -> Cow<'_, str> {
    let is_special = |c: char| c >= '\u{7f}' && !is_printable(c);
    if !text.contains(is_special) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_special(c) {
            // Writing to a String cannot fail. Four digits suffice, because none of these is beyond
            // the basic plane.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    });
    Cow::Owned(escaped)
}

fn read(text: &str, lines_before: usize, mut dialects: Option<Dialects<'_>>) -> Result<Option<Node>, ParseError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = dialects.is_some();
    // As in kubectl, a block scalar that ends with the file ends without a line feed.
    options.block_scalar_eof_without_line_feed = true;
    let mut builder = Builder { lines_before, ..Builder::default() };
    let refuse = |difference| refused(difference, text, lines_before);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                dialects.map_or(Ok(()), |dialects| dialects.finish(at)).map_err(refuse)?;
                return Err(builder.scan_error(&error));
            }
        };
        if let Some(dialects) = &mut dialects {
            dialects.take(&event, span).map_err(refuse)?;
        }
        builder.take(event, span)?;
    }
    dialects.map_or(Ok(()), |dialects| dialects.finish(text.len())).map_err(refuse)?;
    Ok(builder.root)
}

/// A collection that is not complete yet.
enum Open {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node> },
}

struct Frame {
    open: Open,
    anchor: usize,
    tag: Option<String>,
    at: Position,
    /// The depth of the deepest child, for the limit.
    depth: usize,
    /// The number of nodes in the collection, for the limit.
    size: usize,
    /// The number of bytes of text in the collection, for the limit.
    bytes: usize,
}

/// A complete node with the measures that the limits need.
#[derive(Clone)]
struct Measured {
    node: Node,
    depth: usize,
    size: usize,
    bytes: usize,
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Measured>,
    nodes: usize,
    copied: usize,
    lines_before: usize,
}

impl Builder {
    fn position(&self, mark: &Marker) -> Position {
        Position { line: self.lines_before + mark.line(), column: mark.col() + 1 }
    }

    fn scan_error(&self, error: &ScanError) -> ParseError {
        ParseError::new(error.info(), self.position(error.marker()))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ParseError> {
        let at = self.position(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // The parser returns ~ for an absent value, but kubectl prints null.
                let absent = style == ScalarStyle::Plain && span.is_empty();
                let nothing = if tag.is_some() { "" } else { "null" };
                let text = if absent { nothing.to_owned() } else { text.into_owned() };
                let bytes = text.len();
                let kind = Kind::Scalar { text, style: style_of(style) };
                let node = Node { kind, tag: tag.map(|tag| written(&tag)), at };
                self.complete(Measured { node, depth: 1, size: 1, bytes }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Open::Sequence(Vec::new()), anchor, tag.as_deref(), at);
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(Open::Mapping { entries: Vec::new(), key: None }, anchor, tag.as_deref(), at);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(measured) = self.anchors.get(&anchor) else {
                    return Err(ParseError::new("an anchor that contains itself", at));
                };
                if self.frames.len() + measured.depth > MAX_DEPTH || self.nodes + measured.size > MAX_NODES {
                    return Err(ParseError::new(TOO_LARGE, at));
                }
                let (size, bytes) = (measured.size, measured.bytes);
                self.copies(size, bytes, at)?;
                let Some(measured) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
                self.complete(measured, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, anchor: usize, tag: Option<&Tag>, at: Position) {
        self.frames.push(Frame { open, anchor, tag: tag.map(written), at, depth: 0, size: 1, bytes: 0 });
    }

    fn close(&mut self) -> Result<(), ParseError> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let kind = match frame.open {
            Open::Sequence(items) => Kind::Sequence(items),
            Open::Mapping { entries, .. } => Kind::Mapping(merged(entries)?),
        };
        let node = Node { kind, tag: frame.tag, at: frame.at };
        let measured = Measured { node, depth: frame.depth + 1, size: frame.size, bytes: frame.bytes };
        self.complete(measured, frame.anchor)
    }

    /// Counts the bytes that are about to be copied. Fails beyond the limit.
    fn copies(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), ParseError> {
        self.copied += nodes * size_of::<Node>() + bytes;
        if self.copied > MAX_COPIED { Err(ParseError::new(TOO_LARGE, at)) } else { Ok(()) }
    }

    fn complete(&mut self, measured: Measured, anchor: usize) -> Result<(), ParseError> {
        self.nodes += measured.size;
        if anchor != 0 {
            self.copies(measured.size, measured.bytes, measured.node.at)?;
            self.anchors.insert(anchor, measured.clone());
        }
        let Measured { node, depth, size, bytes } = measured;
        let Some(frame) = self.frames.last_mut() else {
            if self.root.is_some() {
                let message = "a second document where one was expected: put --- between them";
                return Err(ParseError::new(message, node.at));
            }
            self.root = Some(node);
            return Ok(());
        };
        frame.depth = frame.depth.max(depth);
        frame.size += size;
        frame.bytes += bytes;
        match &mut frame.open {
            Open::Sequence(items) => items.push(node),
            Open::Mapping { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

/// The tag in a form that does not depend on the document's directives.
fn written(tag: &Tag) -> String {
    let written = match tag.core_suffix() {
        Some(suffix) => format!("!!{suffix}"),
        None if matches!(tag.original_handle(), "!" | "!!") || tag.handle().is_empty() => tag.original(),
        None => format!("!<{}{}>", tag.handle(), tag.suffix()),
    };
    // The parser has decoded percent-encoded characters. A line feed among them would end the tag.
    written.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

fn is_merge(key: &Node) -> bool {
    key.tag.as_deref().is_none_or(|tag| tag == "!!merge")
        && matches!(&key.kind, Kind::Scalar { text, style: Style::Plain } if text == "<<")
}

/// The entries, with merge keys replaced by what they merge. Explicit keys win over merged keys,
/// and earlier sources win over later ones.
fn merged(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, ParseError> {
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let explicit = entries.iter().filter(|(key, _)| !is_merge(key));
    let mut taken: HashSet<String> = explicit.map(|(key, _)| identity(key)).collect();
    let mut result = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if !is_merge(&key) {
            result.push((key, value));
            continue;
        }
        for (key, value) in merge_sources(value)? {
            if taken.insert(identity(&key)) {
                result.push((key, value));
            }
        }
    }
    Ok(result)
}

/// A text that is the same for two keys if, and only if, the keys are equal.
fn identity(key: &Node) -> String {
    match &key.kind {
        Kind::Scalar { text, style } => format!("{:?} {} {text:?}", key.tag, *style == Style::Plain),
        Kind::Sequence(items) => {
            format!("{:?} [{}]", key.tag, items.iter().map(identity).collect::<Vec<_>>().join(" "))
        }
        Kind::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{} {}", identity(key), identity(value)));
            format!("{:?} {{{}}}", key.tag, entries.collect::<Vec<_>>().join(" "))
        }
    }
}

fn merge_sources(value: Node) -> Result<Vec<(Node, Node)>, ParseError> {
    let at = value.at;
    let refused = || ParseError::new("a merge key (<<) takes a mapping or a list of mappings", at);
    match value.kind {
        Kind::Mapping(entries) => Ok(entries),
        Kind::Sequence(items) => {
            let mut all = Vec::new();
            for item in items {
                let Kind::Mapping(entries) = item.kind else { return Err(refused()) };
                all.extend(entries);
            }
            Ok(all)
        }
        Kind::Scalar { .. } => Err(refused()),
    }
}
