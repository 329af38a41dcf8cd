//! Characters that readers take for different things.
//!
//! JSON allows all but the first 32 characters in a text; YAML refuses some of these. For kubectl, a reader of YAML 1.1,
//! U+0085, U+2028 and U+2029 end a line, which for YAML 1.2 they do not.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::split::Piece;
use crate::yaml::{self, Kind, Node, ParseError, Position};

/// What ends a line for kubectl, besides a line feed.
const SEPARATORS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Reads a document as kubectl does.
pub(super) fn parse(piece: &Piece<'_>) -> Result<Option<Node>, ParseError> {
    if piece.json {
        return yaml::parse(&escaped(piece.text), piece.lines_before);
    }
    let root = yaml::parse(piece.text, piece.lines_before)?;
    if let Some((at, separator)) = separator(piece)
        && !yaml::parse(&piece.text.replace(SEPARATORS, "\n"), 0).is_ok_and(|other| same(root.as_ref(), other.as_ref()))
    {
        let code = u32::from(separator);
        let message = format!(
            "the character U+{code:04X} ends a line for kubectl, which then reads something else: write it as \\u{code:04x} in \
             double quotes"
        );
        return Err(ParseError { message, at });
    }
    Ok(root)
}

/// JSON with what YAML refuses as escapes, which may only be where a text is.
fn escaped(json: &str) -> Cow<'_, str> {
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if !json.contains(refused) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if refused(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The first of them, and where it is.
fn separator(piece: &Piece<'_>) -> Option<(Position, char)> {
    let (index, separator) = piece.text.char_indices().find(|(_, c)| SEPARATORS.contains(c))?;
    let before = &piece.text[..index];
    let line = piece.lines_before + before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((Position { line, column }, separator))
}

/// Whether both have the same keys and items; texts may differ.
fn same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one.map(|node| &node.kind), other.map(|node| &node.kind)) {
        (None, None) | (Some(Kind::Scalar { .. }), Some(Kind::Scalar { .. })) => true,
        (Some(Kind::Sequence(one)), Some(Kind::Sequence(other))) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(Some(one), Some(other)))
        }
        (Some(Kind::Mapping(one)), Some(Kind::Mapping(other))) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((key, one), (name, other))| key.text() == name.text() && same(Some(one), Some(other)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, json: bool) -> Result<String, String> {
        let piece = Piece { text, lines_before: 0, first_line: 1, has_content: true, json };
        let root = parse(&piece).map_err(|error| format!("{}:{} {}", error.at.line, error.at.column, error.message))?;
        Ok(root.map(|root| yaml::json(&root).map(|value| value.to_string()).unwrap_or_default()).unwrap_or_default())
    }

    /// What kubectl's reader (sigs.k8s.io/yaml 1.4.0) makes of the same texts.
    #[test]
    fn separators_end_lines_as_for_kubectl() {
        for text in [
            "a: |\n  one\u{2028}two\n  three\n",
            "a: |\n  one\u{85}two\n  three\n",
            "a: one\u{2028}two\n",
            "a:\u{2028}b\n",
        ] {
            let error = read(text, false).unwrap_err();
            assert!(error.contains("ends a line for kubectl"), "{text:?}: {error}");
        }
        for text in ["a: \"one\u{2028}two\"\n", "a: >\n  one\u{2029}  two\n", "a: |\n  x\u{2028}  y\n  z\n"] {
            assert!(read(text, false).is_ok(), "{text:?}");
        }
        let at = read("a: 1\nb: x\u{2028}y\n", false).unwrap_err();
        assert!(at.starts_with("2:5 "), "{at}");
    }

    #[test]
    fn json_may_have_what_yaml_refuses() {
        for c in ['\u{7f}', '\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{fffe}', '\u{feff}'] {
            let text = format!("{{\"a\": \"x{c}y\"}}");
            let expected = serde_json::from_str::<serde_json::Value>(&text).unwrap().to_string();
            assert_eq!(read(&text, true).unwrap(), expected);
        }
        assert!(read("a: \"b\u{7f}\"\n", false).is_err());
    }
}
