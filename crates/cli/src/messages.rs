//! Messages on standard error, coloured only on a terminal.

use std::io::Write;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use crate::read::Problem;
use crate::terminal_text::one_line;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Writes messages to standard error. A failed write is not an error of the command.
pub(crate) struct Messages {
    stream: AutoStream<std::io::Stderr>,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self { stream: anstream::stderr() }
    }

    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.stream, "{NOTE}note{NOTE:#}: {}", one_line(text));
    }

    pub(crate) fn failure(&mut self, text: &str) {
        let _ = writeln!(self.stream, "{ERROR}error{ERROR:#}: {}", lines(text));
    }

    pub(crate) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.note(note);
        }
    }

    pub(crate) fn warnings(&mut self, warnings: &[Problem]) {
        for warning in warnings {
            let _ = writeln!(
                self.stream,
                "{}: {WARNING}warning{WARNING:#}: {}",
                one_line(&warning.place),
                one_line(&warning.message)
            );
        }
    }

    pub(crate) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            let _ = writeln!(
                self.stream,
                "{}: {ERROR}error{ERROR:#}: {}",
                one_line(&problem.place),
                one_line(problem.in_document())
            );
        }
    }
}

/// Escapes each line of a text. A line that a build server would take for a command stays on the
/// line before it.
fn lines(text: &str) -> String {
    let mut shown = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            shown.push_str(if line.trim_start().starts_with("::") { "\\n" } else { "\n" });
        }
        shown.push_str(&one_line(line));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn an_error_of_several_lines_stays_readable_and_begins_no_command() {
        assert_eq!(lines("you may not\nAsk for\n  - this\u{1b}"), "you may not\nAsk for\n  - this\\u{1b}");
        assert_eq!(lines("no\n ::error::x"), "no\\n ::error::x");
    }
}
