//! The relevant parts of a stored pod, and the differences between two pods.

use serde_json::{Value, json};

/// The API server's own volume. Its name is random, and the API server adds it before it calls any
/// policy.
const API_ACCESS: &str = "kube-api-access-";

/// Labels, annotations and the whole spec, without the API server's volume.
pub(super) fn essence(mut pod: Value) -> Value {
    let mut spec = pod["spec"].take();
    without_api_access(&mut spec["volumes"]);
    for field in ["initContainers", "containers"] {
        for container in spec[field].as_array_mut().into_iter().flatten() {
            without_api_access(&mut container["volumeMounts"]);
        }
    }
    let part = |name: &str| match &pod["metadata"][name] {
        Value::Null => json!({}),
        some => some.clone(),
    };
    without_nulls(json!({"metadata": {"labels": part("labels"), "annotations": part("annotations")}, "spec": spec}))
}

fn without_api_access(list: &mut Value) {
    let is_other = |item: &Value| !item["name"].as_str().unwrap_or_default().starts_with(API_ACCESS);
    if let Some(items) = list.as_array_mut() {
        items.retain(is_other);
        if items.is_empty() {
            *list = Value::Null;
        }
    }
}

/// Indexing an absent field leaves a null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let some = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(some.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// One line per field that differs.
pub(super) fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    collect("", found, wanted, &mut lines);
    lines
}

fn collect(path: &str, found: &Value, wanted: &Value, lines: &mut Vec<String>) {
    match (found, wanted) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                collect(&format!("{path}/{name}"), &found[name], &wanted[name], lines);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                collect(&format!("{path}/{index}"), left, right, lines);
            }
        }
        _ if found == wanted => {}
        _ => lines.push(format!("{path}: stored {found}, by the model {wanted}")),
    }
}
