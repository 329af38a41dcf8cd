//! Annotation and label values that are not strings. Each one is reported and read as the string
//! that the author meant.

use podidentity_core::finding::FindingReason;
use podidentity_core::slip::{self, At};

use crate::findings::{Finding, Reason};
use crate::read::{Input, Place};
use crate::yaml::{Kind, Node, Style, json};

/// Converts all values that are not strings to strings.
pub(super) fn mend(input: &mut Input) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in input.files.iter_mut().flat_map(|file| &mut file.documents) {
        if let Some(root) = &mut document.root {
            object(root, &document.place, &mut found);
        }
    }
    found
}

fn object(node: &mut Node, place: &Place, found: &mut Vec<Finding>) {
    let is_list = node.text_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
    if let Some(Kind::Sequence(items)) = node.get_mut("items").filter(|_| is_list).map(|items| &mut items.kind) {
        for item in items {
            object(item, place, found);
        }
        return;
    }
    let titled = |path: &[&str]| node.text_at(path).unwrap_or_default().to_owned();
    let title = format!("{}/{}", titled(&["kind"]), titled(&["metadata", "name"]));
    let namespace = node.text_at(&["metadata", "namespace"]).map(str::to_owned);
    let mut slips = Vec::new();
    metadata(node, &mut slips);
    found.extend(slips.into_iter().map(|(slip, at)| Finding {
        severity: slip.severity,
        reason: Reason::Pod(FindingReason::Slip(slip.reason)),
        object: title.clone(),
        namespace: namespace.clone(),
        container: None,
        message: slip.message().to_string(),
        place: place.with(at),
    }));
}

type Located = (slip::Slip, crate::yaml::Position);

/// Covers all metadata of the object: its own and that of its templates.
fn metadata(node: &mut Node, slips: &mut Vec<Located>) {
    match &mut node.kind {
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                if key.text() == Some("metadata") {
                    texts(value, "annotations", At::Annotation, slips);
                    texts(value, "labels", At::Label, slips);
                } else {
                    metadata(value, slips);
                }
            }
        }
        Kind::Sequence(items) => {
            for item in items {
                metadata(item, slips);
            }
        }
        Kind::Scalar { .. } => {}
    }
}

fn texts(metadata: &mut Node, field: &str, at: fn(String) -> At, slips: &mut Vec<Located>) {
    let Some(Kind::Mapping(entries)) = metadata.get_mut(field).map(|node| &mut node.kind) else { return };
    for (key, value) in entries {
        let Some(kind) = other_kind(value) else { continue };
        let name = key.text().unwrap_or_default().to_owned();
        // The API server reads a key without a value as an empty string.
        let text = if value.is_null() { String::new() } else { value.text().unwrap_or_default().to_owned() };
        if !value.is_null() {
            slips.push((slip::not_text(at(name), &text, kind), key.at));
        }
        value.tag = None;
        value.kind = Kind::Scalar { text, style: Style::DoubleQuoted };
    }
}

/// The type of a scalar that is not a string.
fn other_kind(value: &Node) -> Option<&'static str> {
    value.text()?;
    match json(value).ok()? {
        serde_json::Value::Bool(_) => Some("boolean"),
        serde_json::Value::Number(_) => Some("number"),
        serde_json::Value::Null => Some("null"),
        _ => None,
    }
}
