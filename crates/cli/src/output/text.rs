//! Text for people: one line for each finding, and a last line with the totals.

use std::io::{self, Write};

use podidentity_core::finding::Severity;
use podidentity_core::message::counted;

use super::{Report, severity_word};
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;

pub(super) fn write(report: &Report, out: &mut dyn Write, colour: bool) -> io::Result<()> {
    let paint = Paint { colour, width: usize::MAX };
    let mut sheet = Sheet::of(paint);
    for finding in &report.findings {
        let container = finding.container.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let namespace = finding.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
        let what = format!("{} {}", severity_word(finding.severity), finding.reason);
        sheet.line(format_args!(
            "{}: {}: {namespace}{}{container}: {}",
            finding.place,
            paint.like(Mark::from(Some(finding.severity)), what),
            finding.object,
            finding.message,
        ));
    }
    let totals = report.totals;
    if !report.findings.is_empty() {
        sheet.blank();
    }
    sheet.line(format_args!(
        "{}, {}, {} in {} with a role; {} without a role; {} of {}",
        counted(report.count(Severity::Error), "error"),
        counted(report.count(Severity::Warning), "warning"),
        counted(report.count(Severity::Info), "info"),
        counted(totals.workloads_with_role, "workload"),
        totals.workloads_without_role,
        counted(totals.objects, "object"),
        counted(totals.files, "file"),
    ));
    sheet.print(out)
}
