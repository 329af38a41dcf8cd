//! Draws one picture after the other on a terminal, or appends them to a file.

use std::io::{IsTerminal as _, Write};

/// `ENTER` switches to the alternate screen, on which nothing scrolls away. It also hides the
/// cursor, turns line wrapping off and clears the screen. `LEAVE` switches back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// The number of rows of a terminal that does not report it.
const ROWS: usize = 24;

/// Where pictures are drawn. Dropping the screen restores the terminal, and leaves the last picture
/// on it.
pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    terminal: bool,
    open: bool,
    last: String,
}

impl<'a> Screen<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, terminal: std::io::stdout().is_terminal(), open: false, last: String::new() }
    }

    /// Draws a text, and on a terminal a footer below it. Elsewhere, writes the text only if it has
    /// changed.
    pub(super) fn draw(&mut self, text: &str, footer: &str) -> std::io::Result<()> {
        if self.terminal {
            let enter = if self.open { "" } else { ENTER };
            let rows = terminal_size::terminal_size().map_or(ROWS, |(_, rows)| usize::from(rows.0));
            let picture = picture(text, footer, rows);
            write!(self.out, "{enter}{picture}")?;
            self.open = true;
        } else if self.last != text {
            let gap = if self.last.is_empty() { "" } else { "\n" };
            write!(self.out, "{gap}{text}")?;
        }
        text.clone_into(&mut self.last);
        self.out.flush()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.open {
            // If the terminal is gone, nobody can read an error.
            let _ = write!(self.out, "{LEAVE}{}", self.last);
            let _ = self.out.flush();
        }
    }
}

/// The codes that overwrite the screen: move the cursor home, write each line and clear the rest of
/// its row, then clear all rows below.
fn picture(text: &str, footer: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // The last row holds the footer. The row before it says how many lines do not fit.
    let room = rows.saturating_sub(1).max(2);
    let more = if lines.len() > room { lines.len() - (room - 1) } else { 0 };
    let mut picture = String::from("\x1b[H");
    for line in &lines[..lines.len() - more] {
        picture.extend([line, "\x1b[K\r\n"]);
    }
    if more > 0 {
        picture.extend(["\u{2026} ", &more.to_string(), " more lines\x1b[K\r\n"]);
    }
    picture + footer + "\x1b[K\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fills_the_screen_and_no_more() {
        let rows = |picture: &str| picture.matches("\r\n").count() + 1;
        let text = "a\nb\nc\nd\n";
        let fits = picture(text, "now", 5);
        assert_eq!((rows(&fits), fits.contains("more lines")), (5, false));
        let cut = picture(text, "now", 4);
        assert_eq!(rows(&cut), 4);
        assert!(cut.contains("b\x1b[K\r\n\u{2026} 2 more lines\x1b[K\r\nnow"), "{cut:?}");
    }
}
