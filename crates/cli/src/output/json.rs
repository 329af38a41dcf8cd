//! JSON for programs, with everything that is known.

use std::io::{self, Write};

use podidentity_core::finding::Severity;
use serde_json::{Value, json};

use super::Report;
use crate::read::Place;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    super::document::json(&document(report), out)
}

fn document(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "severity": format!("{:?}", finding.severity),
            "reason": finding.reason.as_str(),
            "object": finding.object,
            "namespace": finding.namespace,
            "container": finding.container,
            "message": finding.message,
            "place": place(&finding.place),
        })
    });
    let problems =
        report.problems.iter().map(|problem| json!({"message": problem.message, "place": place(&problem.place)}));
    let totals = report.totals;
    json!({
        "findings": findings.collect::<Value>(),
        "unreadable": problems.collect::<Value>(),
        "totals": {
            "errors": report.count(Severity::Error),
            "warnings": report.count(Severity::Warning),
            "infos": report.count(Severity::Info),
            "files": totals.files,
            "objects": totals.objects,
            "workloadsWithRole": totals.workloads_with_role,
            "workloadsWithoutRole": totals.workloads_without_role,
        },
    })
}

fn place(place: &Place) -> Value {
    let document = (place.document > 0).then_some(place.document);
    json!({
        "file": &*place.file,
        "document": document,
        "documentLine": place.document_line,
        "line": place.at.line,
        "column": place.at.column,
    })
}
