//! Text for people, line by line. All text for a terminal passes through this module.
//!
//! ```text
//! own and foreign text ──► Sheet::line (escapes what acts on a terminal) ──► colours ──► terminal
//! ```
//!
//! A line stays one line whatever it contains, and nothing in it moves the cursor, sets a title or
//! writes to the clipboard. So foreign text is safe anywhere in a line, and callers need not think
//! of it. The test `tests/outputs.rs` checks that no other module of the commands writes to the
//! output.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use podidentity_core::foreign::is_active;

use crate::paint::{Marker, Paint};

/// The maximum number of characters in a line. Nobody reads more.
const LONGEST: usize = 20_000;

/// Lines of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// Each line ends with a line feed. Colours are markers.
    text: String,
    /// Whether there are colours. If not, a marker is escaped like every other active character.
    colour: bool,
}

impl Sheet {
    /// A sheet without colours.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A sheet with colours, if the paint has any.
    pub(crate) fn of(paint: Paint) -> Self {
        Self { colour: paint.colour, ..Self::default() }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        self.text.push_str(&inert(&line.to_string(), self.colour));
        self.text.push('\n');
    }

    /// Adds an empty line.
    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds the text, wrapped to the width of the paint, with each line behind an indent.
    pub(crate) fn paragraph(&mut self, paint: Paint, indent: &str, text: &str) {
        for line in paint.wrap(&inert(text, false), indent.chars().count()) {
            self.line(format_args!("{indent}{line}"));
        }
    }

    /// Adds the lines of one of our own documents as they are, so that users can copy them.
    pub(crate) fn document(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// Adds the lines of another sheet.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text with colours as terminal codes.
    pub(crate) fn finished(&self) -> String {
        self.text.split_inclusive('\n').map(coloured).collect()
    }

    /// Writes the text.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.finished().as_bytes())
    }
}

/// Escapes the text to one line without colours, for output that is not a sheet.
pub(crate) fn one_line(line: impl Display) -> String {
    inert(&line.to_string(), false)
}

/// Escapes the active characters of a line. Keeps markers if there are colours.
fn inert(line: &str, colour: bool) -> String {
    let mut out = String::with_capacity(line.len());
    for (count, c) in line.chars().enumerate() {
        if count == LONGEST {
            out.push('\u{2026}');
            break;
        }
        let is_marker = colour && Marker::of(c).is_some();
        if is_active(c) && !is_marker { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Replaces the markers of a line with terminal codes. A colour ends no later than its line.
fn coloured(line: &str) -> String {
    if !line.contains(|c| Marker::of(c).is_some()) {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len() + 16);
    let mut open: Option<Marker> = None;
    for c in line.chars() {
        let begins = Marker::of(c);
        if (begins.is_some() || c == '\n')
            && let Some(open) = open.take()
        {
            let _ = write!(out, "{:#}", open.style());
        }
        match begins {
            Some(marker) if marker != Marker::End => {
                let _ = write!(out, "{}", marker.style());
                open = Some(marker);
            }
            Some(_) => {}
            None => out.push(c),
        }
    }
    if let Some(open) = open {
        let _ = write!(out, "{:#}", open.style());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::paint::{Mark, Paint};

    #[test]
    fn what_acts_on_a_terminal_is_an_escape() {
        let mut sheet = Sheet::new();
        sheet.line("a\u{1b}]52;c;eA==\u{7}\nFAKE\r\u{9b}2J\u{202e}");
        assert_eq!(sheet.finished(), "a\\u{1b}]52;c;eA==\\u{7}\\nFAKE\\r\\u{9b}2J\\u{202e}\n");
    }

    #[test]
    fn colours_of_ours_are_shown_and_end_with_their_line() {
        let paint = Paint { colour: true, width: 80 };
        let mut sheet = Sheet::of(paint);
        sheet.line(format_args!("{} {}", paint.mark(Mark::Right), paint.bold("x\u{1b}[31m")));
        assert_eq!(sheet.finished(), "\u{1b}[32m\u{2714}\u{1b}[0m \u{1b}[1mx\\u{1b}[31m\u{1b}[0m\n");
    }

    proptest! {
        /// Foreign text with markers can do no more than colour the rest of its line.
        #[test]
        fn nothing_but_colours_gets_through(text in any::<String>(), marker in "[\\u{fdd0}-\\u{fddf}]{0,4}") {
            let mut plain = Sheet::new();
            plain.line(format_args!("{marker}{text}{marker}"));
            prop_assert!(!plain.finished().trim_end_matches('\n').contains(is_active));
            let mut sheet = Sheet::of(Paint { colour: true, width: 80 });
            sheet.line(format_args!("{marker}{text}{marker}"));
            let finished = sheet.finished();
            let plain = anstream::adapter::strip_str(&finished).to_string();
            prop_assert!(!plain.trim_end_matches('\n').contains(is_active), "{finished:?}");
            prop_assert_eq!(finished.matches('\n').count(), 1);
            prop_assert!(finished.ends_with('\n'));
        }
    }
}
