//! Findings by namespace: where is what wrong?

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use podidentity_core::finding::{FindingReason, Severity};

use super::page::Text;
use crate::view::{State, View};

/// A cell: how many bindings have it, and how bad it is.
type Cell = (usize, Severity);

/// The columns, worst first, and of each namespace what it has.
struct Matrix<'a> {
    reasons: Vec<&'a str>,
    namespaces: BTreeMap<&'a str, BTreeMap<&'a str, Cell>>,
    /// Namespaces with nothing to find.
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
    for (namespace, cells) in &matrix.namespaces {
        write!(out, "<tr><th>{}</th>", Text(namespace))?;
        for reason in &matrix.reasons {
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
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")?;
    if matrix.clean > 0 {
        writeln!(out, "<p>In {} more, nothing was found.</p>", crate::view::counted(matrix.clean, "namespace"))?;
    }
    writeln!(out, "</section>")
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "failing",
        Severity::Warning => "warning",
        Severity::Info => "idle",
    }
}

/// What a view counts for: the reasons of its findings, and its own where that is none of them.
pub(super) fn reasons(view: &View) -> BTreeMap<&str, Severity> {
    let mut reasons: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in view.all_findings() {
        reasons.entry(&finding.reason).or_insert(finding.severity);
    }
    if !view.is_right() && !reasons.values().any(|severity| *severity == Severity::Error) {
        let severity = if view.state == State::Failing { Severity::Error } else { Severity::Info };
        reasons.insert(&view.reason, severity);
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
        let rank = |reason: &str| FindingReason::ALL.iter().position(|known| known.as_str() == reason);
        reasons.sort_by_key(|reason| (severities.get(reason).copied(), rank(reason), *reason));
        Self { clean: all.len() - namespaces.len(), reasons, namespaces }
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
        assert_eq!((matrix.reasons, matrix.clean), (vec!["AnnotationConflict"], 1));
    }
}
