//! Objects from YAML, normalized so that two are equal if they mean the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use e2e::faults::endstate;
use serde_json::{Map, Value};

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

/// Labels that name an object's release and chart.
const LABELS_OF_HELM: [&str; 4] =
    ["helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"];
/// kustomize adds this label to the operator's own objects.
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Ignores the order of variables and white space in expressions, some of which kustomize adds, and
/// removes labels and an annotation that only Helm adds.
fn normalise(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    if kind.ends_with("AdmissionPolicy") {
        single_spaced(object);
    }
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        for label in LABELS_OF_HELM {
            labels.remove(label);
        }
        if !is_the_operators_own(&kind, labels) {
            labels.remove(NAME_LABEL);
        }
        if labels.is_empty() {
            drop_field(object, "labels");
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let emptied = annotations.is_some_and(|annotations| {
            annotations.remove("helm.sh/resource-policy");
            annotations.is_empty()
        });
        if emptied {
            drop_field(object, "annotations");
        }
    }
    let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
            env.sort_by_key(|variable| variable["name"].as_str().unwrap_or_default().to_owned());
        }
    }
}

/// False for a policy, a CRD, or a role that extends Kubernetes' own roles.
fn is_the_operators_own(kind: &str, labels: &Map<String, Value>) -> bool {
    let for_all = kind.contains("AdmissionPolicy") || kind == "CustomResourceDefinition";
    !for_all && !labels.keys().any(|label| label.starts_with("rbac.authorization.k8s.io/aggregate-to-"))
}

fn drop_field(object: &mut Value, field: &str) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove(field);
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

/// The differences of the second one, one per line; empty if there are none.
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
