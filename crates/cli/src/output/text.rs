//! For people: one line for each finding, and a last line with the totals.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use podidentity_core::finding::Severity;

use super::{Report, severity_word};
use crate::messages::one_line;
use crate::view::counted;

pub(super) fn write(report: &Report, out: &mut dyn Write, colour: bool) -> io::Result<()> {
    for finding in &report.findings {
        let style = if colour { style(finding.severity) } else { Style::new() };
        let container = finding.container.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let namespace = finding.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
        writeln!(
            out,
            "{}: {style}{} {}{style:#}: {namespace}{}{container}: {}",
            finding.place,
            severity_word(finding.severity),
            finding.reason,
            one_line(&finding.object),
            one_line(&finding.message),
        )?;
    }
    let totals = report.totals;
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    writeln!(
        out,
        "{}, {}, {} in {} with a role; {} without a role; {} of {}",
        counted(report.count(Severity::Error), "error"),
        counted(report.count(Severity::Warning), "warning"),
        counted(report.count(Severity::Info), "info"),
        counted(totals.workloads_with_role, "workload"),
        totals.workloads_without_role,
        counted(totals.objects, "object"),
        counted(totals.files, "file"),
    )
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Info => AnsiColor::Cyan.on_default(),
    }
}
