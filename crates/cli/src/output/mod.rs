//! Prints the findings of `lint`.

pub(crate) mod document;
mod github;
mod json;
pub(crate) mod jsonpath;
pub(crate) mod sarif;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;
use podidentity_core::finding::Severity;

use crate::findings::Finding;
use crate::read::Problem;

/// Everything that `lint` reports.
pub(crate) struct Report {
    /// In the order of the files.
    pub(crate) findings: Vec<Finding>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) totals: Totals,
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) files: usize,
    pub(crate) objects: usize,
    pub(crate) workloads_with_role: usize,
    pub(crate) workloads_without_role: usize,
}

impl Report {
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line for each finding, to read and to grep
    Text,
    /// All that is known, to process
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// Prints the report. Problems are already on standard error, but formats for programs repeat them.
pub(crate) fn write(report: &Report, format: Format, out: &mut dyn Write, colour: bool) -> io::Result<()> {
    match format {
        Format::Text => text::write(report, out, colour),
        Format::Json => json::write(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Github => github::write(report, out),
    }
}

/// The severity in lower case, as most formats spell it.
fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
