//! The table of findings by namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use podidentity_core::finding::{FindingReason, Severity};
use podidentity_core::message::counted;

use super::page::Text;
use crate::view::{State, View};

/// A cell: the number of views with the reason, and its worst severity.
type Cell = (usize, Severity);

/// The columns, worst first, and the cells of each namespace.
struct Matrix<'a> {
    reasons: Vec<&'a str>,
    namespaces: BTreeMap<&'a str, BTreeMap<&'a str, Cell>>,
    /// The number of namespaces without findings.
    clean: usize,
}

pub(super) fn write(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let matrix = Matrix::of(views);
    writeln!(out, "<section id=\"findings\">\n<h2>Findings by namespace</h2>")?;
    if matrix.namespaces.is_empty() {
        return writeln!(out, "<p>Nothing was found.</p>\n</section>");
    }
    writeln!(out, "<p>How many bindings and service accounts have each. A number filters the list below.</p>")?;
    writeln!(out, "<div class=\"scroll\">\n<table class=\"matrix\">\n<thead><tr><th>Namespace</th>")?;
    for reason in &matrix.reasons {
        writeln!(out, "<th class=\"turned\"><span>{}</span></th>", Text(reason))?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    if matrix.namespaces.len() > 1 {
        // The empty namespace makes the row filter by the finding alone.
        row("All of them", "", &matrix.reasons, &matrix.sums(), out)?;
    }
    for (namespace, cells) in &matrix.namespaces {
        row(namespace, namespace, &matrix.reasons, cells, out)?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")?;
    if matrix.clean > 0 {
        writeln!(out, "<p>Nothing was found in {}.</p>", counted(matrix.clean, "other namespace"))?;
    }
    writeln!(out, "</section>")
}

fn row(
    title: &str,
    namespace: &str,
    reasons: &[&str],
    cells: &BTreeMap<&str, Cell>,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "<tr><th>{}</th>", Text(title))?;
    for reason in reasons {
        match cells.get(reason) {
            None => write!(out, "<td></td>")?,
            Some((count, severity)) => write!(
                out,
                "<td><button class=\"{}\" data-namespace=\"{}\" data-reason=\"{}\">{count}</button></td>",
                class(*severity),
                Text(namespace),
                Text(reason)
            )?,
        }
    }
    writeln!(out, "</tr>")
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "failing",
        Severity::Warning => "warning",
        Severity::Info => "idle",
    }
}

/// The reasons that a view counts for: the reasons of its findings, and its own reason if something
/// is wrong.
pub(super) fn reasons(view: &View) -> BTreeMap<&str, Severity> {
    let mut reasons: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in view.all_findings() {
        reasons.entry(&finding.reason).or_insert(finding.severity);
    }
    if !view.is_right() {
        let severity = if view.state == State::Failing { Severity::Error } else { Severity::Info };
        reasons.entry(&view.reason).or_insert(severity);
    }
    reasons
}

impl<'a> Matrix<'a> {
    fn of(views: &'a [View]) -> Self {
        let mut namespaces: BTreeMap<&str, BTreeMap<&str, Cell>> = BTreeMap::new();
        let mut severities: BTreeMap<&str, Severity> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for view in views {
            all.insert(view.namespace.as_str());
            for (reason, severity) in reasons(view) {
                let cell = namespaces.entry(&view.namespace).or_default().entry(reason).or_insert((0, severity));
                *cell = (cell.0 + 1, cell.1.min(severity));
                let worst = severities.entry(reason).or_insert(severity);
                *worst = severity.min(*worst);
            }
        }
        let mut reasons: Vec<&str> = severities.keys().copied().collect();
        let rank = |reason: &str| FindingReason::all().position(|known| known.as_str() == reason);
        reasons.sort_by_key(|reason| (severities.get(reason).copied(), rank(reason), *reason));
        Self { clean: all.len() - namespaces.len(), reasons, namespaces }
    }

    /// The cells, summed over all namespaces.
    fn sums(&self) -> BTreeMap<&'a str, Cell> {
        let mut sums: BTreeMap<&str, Cell> = BTreeMap::new();
        for (reason, (count, severity)) in self.namespaces.values().flatten() {
            let sum = sums.entry(reason).or_insert((0, *severity));
            *sum = (sum.0 + count, sum.1.min(*severity));
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_binding_says_counts_as_well() {
        let mut view = crate::view::sample();
        view.state = State::Failing;
        "AnnotationConflict".clone_into(&mut view.reason);
        assert_eq!(reasons(&view), BTreeMap::from([("AnnotationConflict", Severity::Error)]));
        let clean = crate::view::sample();
        let views = [view, View { namespace: "other".to_owned(), ..clean }];
        let matrix = Matrix::of(&views);
        assert_eq!(matrix.sums(), BTreeMap::from([("AnnotationConflict", (1, Severity::Error))]));
        assert_eq!((matrix.reasons, matrix.clean), (vec!["AnnotationConflict"], 1));
    }
}
