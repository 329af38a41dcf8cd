//! Texts that others write: names, annotations, variables, messages of servers, files.
//!
//! Anyone who may write an object chooses its texts. An administrator reads them in a terminal, a
//! browser, a log or a file. A [`Foreign`] cannot be formatted directly. Each target has its own
//! rendering, which is bounded and cannot be mistaken for the text around it.

use std::fmt::{self, Display, Formatter, Write as _};

/// Maximum number of characters that are shown of a foreign text.
pub const LIMIT: usize = 200;
/// Maximum number of list entries that are shown.
const LIST_LIMIT: usize = 5;

/// A text that someone else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign<'a> {
    text: &'a str,
    limit: usize,
}

impl<'a> Foreign<'a> {
    /// Wraps the text. A rendering shows at most [`LIMIT`] characters of it.
    pub fn new(text: &'a str) -> Self {
        Self { text, limit: LIMIT }
    }

    /// The same text, but a rendering shows at most `limit` characters.
    #[must_use]
    pub fn up_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// For a line that people read, in a terminal, a log, a status or an event. The text stays on
    /// its line, and every character that is active ([`is_active`]) is escaped.
    pub fn line(self) -> impl Display + use<'a> {
        Rendered { foreign: self, escape: inert }
    }

    /// For the text or a quoted attribute of an HTML or XML page.
    pub fn html(self) -> impl Display + use<'a> {
        Rendered { foreign: self, escape: html }
    }

    /// For the text of a Markdown page, including its tables.
    pub fn markdown(self) -> impl Display + use<'a> {
        Rendered { foreign: self, escape: markdown }
    }

    /// For the message of a GitHub Actions workflow command.
    pub fn github_message(self) -> impl Display + use<'a> {
        Rendered { foreign: self, escape: github_message }
    }

    /// For a property of a GitHub Actions workflow command, such as `title`.
    pub fn github_property(self) -> impl Display + use<'a> {
        Rendered { foreign: self, escape: github_property }
    }
}

/// Writes one character, escaped for the target.
type Escape = fn(char, &mut Formatter<'_>) -> fmt::Result;

struct Rendered<'a> {
    foreign: Foreign<'a>,
    escape: Escape,
}

impl Display for Rendered<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Foreign { text, limit } = self.foreign;
        for (count, c) in text.chars().enumerate() {
            if count == limit {
                return f.write_char('\u{2026}');
            }
            (self.escape)(c, f)?;
        }
        Ok(())
    }
}

/// Whether a character does more than show up in its line: it controls a terminal, ends a line for
/// some reader, reverses the writing direction, or is invisible.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e0fff}')
}

fn inert(c: char, f: &mut Formatter<'_>) -> fmt::Result {
    if is_active(c) { c.escape_default().try_for_each(|c| f.write_char(c)) } else { f.write_char(c) }
}

fn html(c: char, f: &mut Formatter<'_>) -> fmt::Result {
    match c {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        _ => inert(c, f),
    }
}

fn markdown(c: char, f: &mut Formatter<'_>) -> fmt::Result {
    match c {
        '&' | '<' | '>' => html(c, f),
        '\\' | '`' | '*' | '_' | '~' | '|' | '#' | '!' | '[' | ']' | '(' | ')' | '{' | '}' => {
            f.write_char('\\')?;
            f.write_char(c)
        }
        _ => inert(c, f),
    }
}

fn github_message(c: char, f: &mut Formatter<'_>) -> fmt::Result {
    if c == '%' { f.write_str("%25") } else { inert(c, f) }
}

fn github_property(c: char, f: &mut Formatter<'_>) -> fmt::Result {
    match c {
        ':' => f.write_str("%3A"),
        ',' => f.write_str("%2C"),
        _ => github_message(c, f),
    }
}

/// The text as rendered for a line that people read; see [`Foreign::line`].
pub fn shown(text: &str) -> String {
    Foreign::new(text).line().to_string()
}

/// The first entries, separated by commas, and the number of the others.
pub fn list(parts: &[String]) -> String {
    let mut text = parts.iter().take(LIST_LIMIT).map(|part| shown(part)).collect::<Vec<_>>().join(", ");
    if parts.len() > LIST_LIMIT {
        let _ = write!(text, " and {} more", parts.len() - LIST_LIMIT);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_stays_a_line_and_moves_nothing() {
        assert_eq!(shown("plain \u{e9} \u{1f600}"), "plain \u{e9} \u{1f600}");
        assert_eq!(shown("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(shown("a\u{85}b\u{2028}c\u{9b}d"), "a\\u{85}b\\u{2028}c\\u{9b}d");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LIMIT + 1);
    }

    #[test]
    fn lists_are_bounded() {
        let parts: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(list(&parts), "0, 1, 2, 3, 4 and 4 more");
        assert_eq!(list(&parts[..2]), "0, 1");
    }

    #[test]
    fn each_target_has_its_own_rendering() {
        let text = Foreign::new("<b title=\"x\">|a|*%::error::\r\n");
        assert_eq!(text.html().to_string(), "&lt;b title=&quot;x&quot;&gt;|a|*%::error::\\r\\n");
        assert_eq!(text.markdown().to_string(), "&lt;b title=\"x\"&gt;\\|a\\|\\*%::error::\\r\\n");
        assert_eq!(text.github_message().to_string(), "<b title=\"x\">|a|*%25::error::\\r\\n");
        assert_eq!(text.github_property().to_string(), "<b title=\"x\">|a|*%25%3A%3Aerror%3A%3A\\r\\n");
    }

    proptest! {
        #[test]
        fn no_rendering_has_an_active_character_or_is_long(text in any::<String>(), limit in 0..40usize) {
            let text = Foreign::new(&text).up_to(limit);
            let all = [
                text.line().to_string(), text.html().to_string(), text.markdown().to_string(),
                text.github_message().to_string(), text.github_property().to_string(),
            ];
            for rendered in all {
                prop_assert!(!rendered.contains(is_active), "{rendered:?}");
                // A character beyond the basic plane has the longest escape.
                prop_assert!(rendered.chars().count() <= limit * 10 + 1, "{rendered:?}");
            }
        }
    }
}
