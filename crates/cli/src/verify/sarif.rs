//! SARIF 2.1.0. Objects of a cluster are in no file, so each one has the location
//! `NAMESPACE/KIND/NAME`.

use podidentity_core::finding::{FindingReason, Severity};
use serde_json::{Value, json};

use crate::findings::Reason;
use crate::output::sarif::{SCHEMA, level, tool};
use crate::view::View;

pub(super) fn log(views: &[View]) -> Value {
    let results: Vec<Value> = views.iter().flat_map(results).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": tool(FindingReason::all().map(Reason::Pod)),
            "results": results,
        }],
    })
}

/// The findings of pods and workloads. If something is wrong but no finding is an error, adds the
/// reason of the view as an error.
fn results(view: &View) -> Vec<Value> {
    let mut results: Vec<Value> = view
        .all_findings()
        .map(|finding| {
            result(
                view,
                &finding.reason,
                finding.severity,
                &finding.message,
                &finding.object,
                finding.container.as_deref(),
            )
        })
        .collect();
    let has_error = view.all_findings().any(|finding| finding.severity == Severity::Error);
    if !view.is_right() && !has_error {
        let object = match &view.binding {
            Some(binding) => format!("PodIdentityBinding/{binding}"),
            None => format!("ServiceAccount/{}", view.service_account),
        };
        results.push(result(view, &view.reason, Severity::Error, &view.message, &object, None));
    }
    results
}

fn result(
    view: &View,
    reason: &str,
    severity: Severity,
    message: &str,
    object: &str,
    container: Option<&str>,
) -> Value {
    let name = format!("{}/{object}", view.namespace);
    let mut result = json!({
        "ruleId": reason,
        "level": level(severity),
        "message": {"text": message},
        "locations": [{
            "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}],
            // Code scanning requires a file, so this is the name of a file that does not exist.
            "physicalLocation": {"artifactLocation": {"uri": name}},
        }],
        "partialFingerprints": {
            // Pods come and go, so the binding identifies the finding.
            "podIdentity/v1": format!("{reason}|{}|{}|{}", view.namespace, view.title(), container.unwrap_or_default()),
        },
    });
    if let Some(index) = FindingReason::all().position(|rule| rule.as_str() == reason) {
        result["ruleIndex"] = json!(index);
    }
    result
}
