//! SARIF 2.1.0, the format of code scanning.

use std::fmt::Write as _;
use std::io::{self, Write};

use podidentity_core::finding::Severity;
use serde_json::{Value, json};

use super::Report;
use crate::findings::{Finding, Reason};
use crate::read::{Place, Problem};

pub(crate) const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    super::document::json(&log(report), out)
}

fn log(report: &Report) -> Value {
    let rules: Vec<Reason> = Reason::all().collect();
    let results = report.findings.iter().map(|finding| result(finding, &rules));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": tool(rules.iter().copied()),
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.problems.is_empty(),
                "toolExecutionNotifications": report.problems.iter().map(notification).collect::<Value>(),
            }],
            "results": results.collect::<Value>(),
        }],
    })
}

/// This program, and the rules that it checks.
pub(crate) fn tool(rules: impl Iterator<Item = Reason>) -> Value {
    json!({"driver": {
        "name": "kubectl-podidentity",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules.map(describe).collect::<Value>(),
    }})
}

fn describe(rule: Reason) -> Value {
    json!({
        "id": rule.as_str(),
        "name": rule.as_str(),
        "shortDescription": {"text": rule.summary()},
        "help": {"text": rule.action()},
        "defaultConfiguration": {"level": level(rule.severity())},
    })
}

fn result(finding: &Finding, rules: &[Reason]) -> Value {
    let namespace = finding.namespace.as_deref().unwrap_or_default();
    let container = finding.container.as_deref().unwrap_or_default();
    let name = format!("{namespace}/{}", finding.object);
    json!({
        "ruleId": finding.reason.as_str(),
        "ruleIndex": rules.iter().position(|rule| *rule == finding.reason),
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [location(&finding.place, Some(name.trim_start_matches('/')))],
        // Identifies a finding even when its line moves.
        "partialFingerprints": {
            "podIdentity/v1": format!("{}|{name}|{container}", finding.reason),
        },
    })
}

fn notification(problem: &Problem) -> Value {
    json!({
        "level": "error",
        "message": {"text": problem.in_document()},
        "locations": [location(&problem.place, None)],
    })
}

fn location(place: &Place, object: Option<&str>) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&place.file)},
            "region": {"startLine": place.at.line, "startColumn": place.at.column},
        },
    });
    if let Some(object) = object {
        location["logicalLocations"] = json!([{"fullyQualifiedName": object}]);
    }
    location
}

/// A path as a URI reference. A relative path stays relative to the root of the repository.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

pub(crate) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("deploy/my app#1.yaml"), "deploy/my%20app%231.yaml");
        assert_eq!(uri("/tmp/a.yaml"), "file:///tmp/a.yaml");
    }
}
