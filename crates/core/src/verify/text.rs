//! Texts of others in our messages: bounded, and without characters that a terminal or a log would act on.

use std::fmt::Write as _;

/// The most characters that a foreign text contributes to a message.
const LIMIT: usize = 200;
/// The most parts that a list contributes to a message.
const LIST_LIMIT: usize = 5;

/// The text, shortened and with control characters escaped.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LIMIT));
    for (count, c) in text.chars().enumerate() {
        if count == LIMIT {
            out.push('\u{2026}');
            break;
        }
        if c.is_control() || is_direction(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The parts, with commas.
pub(super) fn list(parts: &[String]) -> String {
    let mut text = parts.iter().take(LIST_LIMIT).map(|part| shown(part)).collect::<Vec<_>>().join(", ");
    if parts.len() > LIST_LIMIT {
        let _ = write!(text, " and {} more", parts.len() - LIST_LIMIT);
    }
    text
}

/// Characters that turn the direction of writing around: with them a text can look like another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_texts_are_bounded_and_harmless() {
        assert_eq!(shown("plain \u{e9}"), "plain \u{e9}");
        assert_eq!(shown("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LIMIT + 1);
        let parts: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(list(&parts), "0, 1, 2, 3, 4 and 4 more");
    }
}
