//! Characters that end a line in a text for some readers only. For kubectl, which reads YAML 1.1,
//! U+0085, U+2028 and U+2029 end a line. For YAML 1.2, they do not.

use super::dialect::Difference;
use super::{Kind, Node, ParseError};

/// The characters that end a line for kubectl, besides a line feed.
const SEPARATORS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The first separator in `text`, if a reader for which separators end lines reads something other
/// than `root`. `read` parses a document.
pub(super) fn difference(
    text: &str,
    root: Option<&Node>,
    read: impl Fn(&str) -> Result<Option<Node>, ParseError>,
) -> Option<Difference> {
    let (offset, separator) = text.char_indices().find(|(_, c)| SEPARATORS.contains(c))?;
    let other = read(&text.replace(SEPARATORS, "\n"));
    if other.is_ok_and(|other| same(root, other.as_ref())) {
        return None;
    }
    let code = u32::from(separator);
    let message = format!(
        "the character U+{code:04X} ends a line for kubectl, which then reads something else: write it as \\u{code:04x} in \
         double quotes"
    );
    Some(Difference { message, offset })
}

/// Whether both nodes have the same keys and items. Texts may differ.
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
    use crate::yaml::{parse, parse_json};

    fn read(text: &str, json: bool) -> Result<String, String> {
        let root = if json { parse_json(text, 0) } else { parse(text, 0) };
        let root = root.map_err(|error| format!("{}:{} {}", error.at.line, error.at.column, error.message))?;
        Ok(root
            .map(|root| crate::yaml::json(&root).map(|value| value.to_string()).unwrap_or_default())
            .unwrap_or_default())
    }

    /// The expectations are what kubectl's reader (sigs.k8s.io/yaml 1.4.0) makes of the same texts.
    #[test]
    fn separators_end_lines_as_for_kubectl() {
        for text in [
            "a: |\n  one\u{2028}two\n  three\n",
            "a: |\n  one\u{85}two\n  three\n",
            "a: one\u{2028}two\n",
            "a:\u{2028}b\n",
        ] {
            let error = read(text, false).unwrap_err();
            assert!(error.contains("ends a line"), "{text:?}: {error}");
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
