//! Objects out of YAML, in a form in which two of them are equal if they mean the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use e2e::faults::endstate;
use serde_json::Value;

/// Objects by kind, namespace and name.
pub(super) type Objects = BTreeMap<String, Value>;

/// The objects of a text with several documents.
pub(super) fn parse(yaml: &str) -> Result<Objects> {
    let mut objects = Objects::new();
    for mut object in serde_saphyr::from_multiple::<Value>(yaml)? {
        if object.is_null() {
            continue;
        }
        normalise(&mut object);
        let key = key(&object);
        ensure!(objects.insert(key.clone(), object).is_none(), "{key} is there twice");
    }
    Ok(objects)
}

fn key(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace) = (text("/kind"), text("/metadata/namespace"));
    format!("{} {kind} {namespace}/{}", text("/apiVersion"), text("/metadata/name"))
}

/// The order of variables means nothing, nor does white space in an expression, of which kustomize adds some; and one
/// annotation speaks to Helm alone.
fn normalise(object: &mut Value) {
    if object["kind"].as_str().is_some_and(|kind| kind.ends_with("AdmissionPolicy")) {
        single_spaced(object);
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let emptied = annotations.is_some_and(|annotations| {
            annotations.remove("helm.sh/resource-policy");
            annotations.is_empty()
        });
        if emptied {
            metadata.remove("annotations");
        }
    }
    let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
            env.sort_by_key(|variable| variable["name"].as_str().unwrap_or_default().to_owned());
        }
    }
}

fn single_spaced(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(values) => values.iter_mut().for_each(single_spaced),
        Value::Object(fields) => fields.values_mut().for_each(single_spaced),
        _ => {}
    }
}

/// What the second has differently, one line each; empty if nothing.
pub(super) fn differences(first: &Objects, second: &Objects) -> String {
    let mut text = String::new();
    for (key, object) in first {
        match second.get(key) {
            None => {
                let _ = writeln!(text, "{key} is missing");
            }
            Some(other) => {
                for line in endstate::differences(object, other) {
                    let _ = writeln!(text, "{key} {line}");
                }
            }
        }
    }
    for key in second.keys().filter(|key| !first.contains_key(*key)) {
        let _ = writeln!(text, "{key} is too much");
    }
    text
}
