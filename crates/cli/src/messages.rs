//! Messages on standard error. Colours only if it is a terminal.

use std::borrow::Cow;
use std::io::Write;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use crate::read::Problem;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Where messages go. A standard error that cannot be written to is no reason to fail.
pub(crate) struct Messages {
    stream: AutoStream<std::io::Stderr>,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self { stream: anstream::stderr() }
    }

    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.stream, "{NOTE}note{NOTE:#}: {text}");
    }

    pub(crate) fn failure(&mut self, text: &str) {
        let _ = writeln!(self.stream, "{ERROR}error{ERROR:#}: {text}");
    }

    pub(crate) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.note(note);
        }
    }

    pub(crate) fn warnings(&mut self, warnings: &[Problem]) {
        for warning in warnings {
            let _ =
                writeln!(self.stream, "{}: {WARNING}warning{WARNING:#}: {}", warning.place, one_line(&warning.message));
        }
    }

    pub(crate) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            let _ =
                writeln!(self.stream, "{}: {ERROR}error{ERROR:#}: {}", problem.place, one_line(&problem.in_document()));
        }
    }
}

/// The text without what could end the line or command a terminal: names come from files.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    Cow::Owned(text.chars().map(escaped).collect())
}
