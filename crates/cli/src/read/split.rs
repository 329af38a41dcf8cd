//! Splits a file into documents before parsing, as kubectl does, so that a broken document cannot
//! swallow the next one.

use serde::de::IgnoredAny;

/// A document's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// The number of lines in the file before the text.
    pub(super) lines_before: usize,
    /// The line number of the first content in the file, from 1.
    pub(super) first_line: usize,
    /// Whether the text contains anything but comments.
    pub(super) has_content: bool,
    pub(super) json: bool,
}

/// Splits the text. Leaves out empty pieces.
pub(super) fn split(text: &str) -> Vec<Piece<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    json(text).unwrap_or_else(|| yaml(text))
}

/// The values of a stream of JSON, or `None` if it is not one.
fn json(text: &str) -> Option<Vec<Piece<'_>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut cutter = Cutter::new(text, true);
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    while let Some(value) = values.next() {
        value.ok()?;
        let end = values.byte_offset();
        cutter.cut(end, end);
    }
    Some(cutter.pieces)
}

fn yaml(text: &str) -> Vec<Piece<'_>> {
    let mut cutter = Cutter::new(text, false);
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(marker) = marker(line) {
            // Directives belong to the document after the marker.
            if marker.ends || !is_directives(&text[cutter.start..offset]) {
                cutter.cut(offset, offset + marker.length);
            }
        }
        offset += line.len();
    }
    cutter.cut(text.len(), text.len());
    cutter.pieces
}

struct Marker {
    /// Whether the marker is `...`, which ends a document but does not begin another one.
    ends: bool,
    /// The length of the marker, in bytes: the whole line unless content follows.
    length: usize,
}

fn marker(line: &str) -> Option<Marker> {
    let ends = line.starts_with("...");
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."))?;
    // kubectl accepts every kind of white space here.
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let content = rest.trim_start();
    let has_content = !content.is_empty() && !content.starts_with('#');
    Some(Marker { ends, length: if has_content { 3 } else { line.len() } })
}

fn is_directives(text: &str) -> bool {
    let mut lines = content_lines(text).peekable();
    lines.peek().is_some() && lines.all(|(_, line)| line.starts_with('%'))
}

fn content_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with('#')
    })
}

/// Goes through the text once, counting lines.
struct Cutter<'a> {
    text: &'a str,
    json: bool,
    pieces: Vec<Piece<'a>>,
    /// The byte offset at which the current piece begins.
    start: usize,
    /// The number of lines before the current piece.
    lines: usize,
}

impl<'a> Cutter<'a> {
    fn new(text: &'a str, json: bool) -> Self {
        Self { text, json, pieces: Vec::new(), start: 0, lines: 0 }
    }

    /// Ends the current piece at `end`. The next one begins at `next`. Leaves out an empty piece.
    fn cut(&mut self, end: usize, next: usize) {
        let text = &self.text[self.start..end];
        if !text.trim().is_empty() {
            let content = content_lines(text).next();
            self.pieces.push(Piece {
                text,
                lines_before: self.lines,
                first_line: self.lines + 1 + content.map_or(0, |(index, _)| index),
                has_content: content.is_some(),
                json: self.json,
            });
        }
        self.lines += self.text[self.start..next].matches('\n').count();
        self.start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, usize)> {
        split(text).iter().map(|piece| (piece.text, piece.first_line)).collect()
    }

    #[test]
    fn documents_are_cut_at_their_markers() {
        assert_eq!(texts("a: 1\n---\nb: 2\n"), [("a: 1\n", 1), ("b: 2\n", 3)]);
        assert_eq!(texts("---\n\n# c\na: 1\n--- # next\nb: 2"), [("\n# c\na: 1\n", 4), ("b: 2", 6)]);
        assert_eq!(texts("--- {a: 1}\n...\n---\nb: 2\n"), [(" {a: 1}\n", 1), ("b: 2\n", 4)]);
        assert_eq!(texts("a: |\n  ---\n  x\n"), [("a: |\n  ---\n  x\n", 1)]);
        assert_eq!(texts("a: 1\r\n---\r\nb: 2\r\n"), [("a: 1\r\n", 1), ("b: 2\r\n", 3)]);
        assert_eq!(texts("---a: 1\n"), [("---a: 1\n", 1)]);
        assert_eq!(texts("\u{feff}a: 1\n---\n---\n"), [("a: 1\n", 1)]);
    }

    #[test]
    fn directives_stay_with_their_document() {
        assert_eq!(texts("%YAML 1.2\n---\na: 1\n"), [("%YAML 1.2\n---\na: 1\n", 1)]);
    }

    #[test]
    fn comments_are_no_document() {
        let pieces = split("# licence\n---\na: 1\n");
        assert_eq!(pieces.iter().map(|piece| piece.has_content).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn json_values_in_a_row_are_documents() {
        assert_eq!(texts("{\"a\": 1}\n{\"b\": 2}"), [("{\"a\": 1}", 1), ("\n{\"b\": 2}", 2)]);
        // Flow YAML is not JSON.
        assert_eq!(texts("{a: 1}\n---\n{b: 2}\n"), [("{a: 1}\n", 1), ("{b: 2}\n", 3)]);
    }
}
