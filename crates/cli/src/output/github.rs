//! Workflow commands of GitHub Actions, which become annotations of a pull request.

use std::io::{self, Write};

use podidentity_core::finding::Severity;

use super::Report;
use crate::messages::one_line;
use crate::read::Place;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for problem in &report.problems {
        writeln!(out, "{}", command("error", &problem.place, "Unreadable", &problem.in_document()))?;
    }
    for finding in &report.findings {
        let kind = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let title = format!("{}: {}", finding.reason, finding.object);
        writeln!(out, "{}", command(kind, &finding.place, &title, &finding.message))?;
    }
    Ok(())
}

fn command(kind: &str, place: &Place, title: &str, message: &str) -> String {
    format!(
        "::{kind} file={},line={},col={},title={}::{}",
        property(&place.file),
        place.at.line,
        place.at.column,
        property(&one_line(title)),
        data(&one_line(message))
    )
}

/// What would end the command or begin another one.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Properties are separated by commas and end at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::yaml::Position;

    #[test]
    fn nothing_in_a_text_can_end_the_command() {
        let at = Position { line: 3, column: 5 };
        let place = Place { file: Rc::from("a,b:c%.yaml"), document: 1, document_line: 1, at };
        assert_eq!(
            command("error", &place, "x: y, z", "50% of\r\n::error::this"),
            "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,title=x%3A y%2C z::50%25 of\\r\\n::error::this"
        );
    }
}
