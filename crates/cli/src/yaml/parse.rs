//! From text to nodes.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use thiserror::Error;

use super::{Kind, Node, Position, Style};

/// Aliases may multiply what they refer to; a document that grows beyond this is refused.
const MAX_NODES: usize = 1_000_000;
/// The parser's own limit of nesting, which aliases could otherwise get around.
const MAX_DEPTH: usize = 255;

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct ParseError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// Reads one document, before which the file has so many lines; `None` if there is nothing in it.
pub(crate) fn parse(text: &str, lines_before: usize) -> Result<Option<Node>, ParseError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // As kubectl reads it: a block scalar that ends with the file ends without a line feed.
    options.block_scalar_eof_without_line_feed = true;
    let mut builder = Builder { lines_before, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.scan_error(&error))?;
        builder.take(event, span)?;
    }
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
    /// Depth of the deepest child, for the limit.
    depth: usize,
    /// Nodes in it, for the limit.
    size: usize,
}

/// A complete node with the measures that the limits need.
#[derive(Clone)]
struct Measured {
    node: Node,
    depth: usize,
    size: usize,
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Measured>,
    nodes: usize,
    lines_before: usize,
}

impl Builder {
    fn position(&self, mark: &Marker) -> Position {
        Position { line: self.lines_before + mark.line(), column: mark.col() + 1 }
    }

    fn scan_error(&self, error: &ScanError) -> ParseError {
        ParseError { message: error.info(), at: self.position(error.marker()) }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ParseError> {
        let at = self.position(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // The parser gives ~ for nothing at all; kubectl prints null.
                let absent = style == ScalarStyle::Plain && span.is_empty();
                let nothing = if tag.is_some() { "" } else { "null" };
                let text = if absent { nothing.to_owned() } else { text.into_owned() };
                let kind = Kind::Scalar { text, style: style_of(style) };
                let node = Node { kind, tag: tag.map(|tag| written(&tag)), at };
                self.complete(Measured { node, depth: 1, size: 1 }, anchor)
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
                let Some(measured) = self.anchors.get(&anchor).cloned() else {
                    return Err(ParseError { message: "an anchor that contains itself".to_owned(), at });
                };
                if self.frames.len() + measured.depth > MAX_DEPTH || self.nodes + measured.size > MAX_NODES {
                    return Err(ParseError { message: "aliases make this document too large".to_owned(), at });
                }
                self.complete(measured, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, anchor: usize, tag: Option<&Tag>, at: Position) {
        self.frames.push(Frame { open, anchor, tag: tag.map(written), at, depth: 0, size: 1 });
    }

    fn close(&mut self) -> Result<(), ParseError> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let kind = match frame.open {
            Open::Sequence(items) => Kind::Sequence(items),
            Open::Mapping { entries, .. } => Kind::Mapping(merged(entries)?),
        };
        let node = Node { kind, tag: frame.tag, at: frame.at };
        self.complete(Measured { node, depth: frame.depth + 1, size: frame.size }, frame.anchor)
    }

    fn complete(&mut self, measured: Measured, anchor: usize) -> Result<(), ParseError> {
        self.nodes += measured.size;
        if anchor != 0 {
            self.anchors.insert(anchor, measured.clone());
        }
        let Measured { node, depth, size } = measured;
        let Some(frame) = self.frames.last_mut() else {
            if self.root.is_some() {
                let message = "a second document where one was expected: put --- between them".to_owned();
                return Err(ParseError { message, at: node.at });
            }
            self.root = Some(node);
            return Ok(());
        };
        frame.depth = frame.depth.max(depth);
        frame.size += size;
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

/// The tag such that it means the same without the document's directives.
fn written(tag: &Tag) -> String {
    match tag.core_suffix() {
        Some(suffix) => format!("!!{suffix}"),
        None if matches!(tag.original_handle(), "!" | "!!") || tag.handle().is_empty() => tag.original(),
        None => format!("!<{}{}>", tag.handle(), tag.suffix()),
    }
}

fn is_merge(key: &Node) -> bool {
    key.tag.as_deref().is_none_or(|tag| tag == "!!merge")
        && matches!(&key.kind, Kind::Scalar { text, style: Style::Plain } if text == "<<")
}

/// The entries with merge keys replaced by what they merge: explicit keys win, then the earlier of several sources.
fn merged(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, ParseError> {
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let mut taken: Vec<Node> = entries.iter().filter(|(key, _)| !is_merge(key)).map(|(key, _)| key.clone()).collect();
    let mut result = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if !is_merge(&key) {
            result.push((key, value));
            continue;
        }
        for (key, value) in merge_sources(value)? {
            if !taken.contains(&key) {
                taken.push(key.clone());
                result.push((key, value));
            }
        }
    }
    Ok(result)
}

fn merge_sources(value: Node) -> Result<Vec<(Node, Node)>, ParseError> {
    let at = value.at;
    let refused = || ParseError { message: "a merge key (<<) takes a mapping or a list of mappings".to_owned(), at };
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
