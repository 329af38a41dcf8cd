//! Workflow commands of GitHub Actions, which become annotations of a pull request.

use std::io::{self, Write};

use podidentity_core::finding::Severity;
use podidentity_core::foreign::Foreign;

use super::Report;
use crate::read::Place;
use crate::terminal_text::Sheet;

/// The maximum number of characters in a part of a command.
const LONGEST: usize = 4000;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet::new();
    for problem in &report.problems {
        sheet.line(command("error", &problem.place, "Unreadable", &problem.in_document()));
    }
    for finding in &report.findings {
        let kind = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let title = format!("{}: {}", finding.reason, finding.object);
        sheet.line(command(kind, &finding.place, &title, &finding.message));
    }
    sheet.print(out)
}

fn command(kind: &str, place: &Place, title: &str, message: &str) -> String {
    let foreign = |text| Foreign::new(text).up_to(LONGEST);
    format!(
        "::{kind} file={},line={},col={},title={}::{}",
        foreign(&place.file).github_property(),
        place.at.line,
        place.at.column,
        foreign(title).github_property(),
        foreign(message).github_message()
    )
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
