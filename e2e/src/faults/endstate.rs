//! The end state of a namespace, without everything that differs between runs.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use podidentity_api::{PodIdentityBinding, names};
use regex::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::wait::Watched;
use crate::{Namespace, injection};

/// The end state of a namespace.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EndState {
    /// Objects by kind and name.
    pub objects: Value,
    /// Fields by owner, without the operator's: what users and other controllers wrote.
    pub others: Value,
}

/// How closely two end states must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Likeness {
    /// In everything.
    #[default]
    Exact,
    /// In everything except how often something changed or was restored on the way, by which
    /// manager, and what an older definition lacks.
    Loose,
}

impl EndState {
    /// Reads the end state from the API server.
    pub async fn read(namespace: &Namespace) -> Result<Self> {
        let bindings = list::<PodIdentityBinding>(namespace).await?;
        let accounts = list::<ServiceAccount>(namespace).await?;
        let deployments = list::<Deployment>(namespace).await?;
        let sets = list::<StatefulSet>(namespace).await?;
        let pods = list::<Pod>(namespace).await?;
        let owners = |metas: Vec<(&str, &ObjectMeta)>| -> Map<String, Value> {
            metas.into_iter().map(|(kind, meta)| (id(kind, meta), others(meta))).collect()
        };
        let metas = accounts.iter().map(|it| ("ServiceAccount", &it.metadata));
        let metas = metas.chain(deployments.iter().map(|it| ("Deployment", &it.metadata)));
        let metas = metas.chain(bindings.iter().map(|it| ("PodIdentityBinding", &it.metadata)));
        let others = Value::Object(owners(metas.collect()));
        let mut objects = Map::new();
        for binding in &bindings {
            objects.insert(id("PodIdentityBinding", &binding.metadata), normal_binding(binding));
        }
        for account in &accounts {
            objects.insert(id("ServiceAccount", &account.metadata), normal_meta(&account.metadata));
        }
        for (kind, meta, spec) in deployments
            .iter()
            .map(|it| ("Deployment", &it.metadata, json!(it.spec)))
            .chain(sets.iter().map(|it| ("StatefulSet", &it.metadata, json!(it.spec))))
        {
            objects.insert(id(kind, meta), json!({"metadata": normal_meta(meta), "spec": spec}));
        }
        objects.insert("pods".to_owned(), normal_pods(&pods));
        let text = serde_json::to_string(&objects)?.replace(&namespace.name, "NAMESPACE");
        Ok(Self { objects: serde_json::from_str(&without_made_up_names(&text))?, others })
    }

    /// Removes everything that counts only for an exact match.
    #[must_use]
    pub fn at(&self, likeness: Likeness) -> Self {
        let mut state = self.clone();
        if likeness == Likeness::Loose {
            loosen(&mut state.objects);
            state.others = Value::Null;
        }
        state
    }
}

async fn list<K>(namespace: &Namespace) -> Result<Vec<K>>
where
    K: Watched + DeserializeOwned + kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
{
    Ok(namespace.api::<K>().list(&ListParams::default()).await?.items)
}

fn id(kind: &str, meta: &ObjectMeta) -> String {
    format!("{kind}/{}", meta.name.as_deref().unwrap_or_default())
}

fn normal_meta(meta: &ObjectMeta) -> Value {
    json!({
        "labels": meta.labels,
        "annotations": normal_annotations(meta),
        "finalizers": meta.finalizers,
        "generation": meta.generation,
        "deleting": meta.deletion_timestamp.is_some(),
        "ours": ours(meta),
    })
}

/// The bound-by annotation names a UID and a generation, and the release annotation the beginning of
/// a UID. They differ between runs.
fn normal_annotations(meta: &ObjectMeta) -> BTreeMap<String, String> {
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    if let Some(bound_by) = annotations.get_mut(names::BOUND_BY_ANNOTATION) {
        let parts: Vec<_> = bound_by.split('/').collect();
        if let [name, _, _, hash] = parts[..] {
            *bound_by = format!("{name}/UID/GENERATION/{hash}");
        }
    }
    if let Some(release) = annotations.get_mut(names::RELEASE_ANNOTATION) {
        let uid = meta.uid.as_deref().and_then(|uid| uid.split('-').next()).unwrap_or_default();
        *release = release.replace(uid, "UID");
    }
    annotations
}

fn normal_binding(binding: &PodIdentityBinding) -> Value {
    let mut status = json!(binding.status);
    remove_keys(&mut status, &["lastTransitionTime", "annotatedAt", "restoredAt", "uid", "serviceAccountUid", "at"]);
    json!({"metadata": normal_meta(&binding.metadata), "spec": binding.spec, "status": status})
}

fn normal_pods(pods: &[Pod]) -> Value {
    let mut counts = BTreeMap::<String, usize>::new();
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let labels = pod.metadata.labels.as_ref();
        let app = labels.and_then(|labels| labels.get("app")).map_or("", String::as_str);
        let annotations = pod.metadata.annotations.as_ref();
        let mark = annotations.and_then(|annotations| annotations.get(names::IDENTITY_ANNOTATION));
        let mark = mark.map_or("none", String::as_str);
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let roles: Vec<_> = injection::roles(pod).into_iter().map(|(_, role)| role.unwrap_or_default()).collect();
        let what = json!({"app": app, "phase": phase, "roles": roles, "mark": mark});
        *counts.entry(what.to_string()).or_default() += 1;
    }
    let pods = counts.into_iter().map(|(pod, count)| {
        let mut pod: Value = serde_json::from_str(&pod).unwrap_or_default();
        pod["count"] = json!(count);
        pod
    });
    pods.collect()
}

/// The fields that our field manager owns.
fn ours(meta: &ObjectMeta) -> Value {
    owned(meta, |manager| manager == names::FIELD_MANAGER)
}

/// The fields that all other managers own.
fn others(meta: &ObjectMeta) -> Value {
    owned(meta, |manager| manager != names::FIELD_MANAGER)
}

fn owned(meta: &ObjectMeta, wanted: impl Fn(&str) -> bool) -> Value {
    let mut owned = Map::new();
    for entry in meta.managed_fields.iter().flatten() {
        let manager = entry.manager.as_deref().unwrap_or_default();
        if entry.subresource.is_none() && wanted(manager) {
            let operation = entry.operation.as_deref().unwrap_or_default();
            owned.insert(format!("{manager} {operation}"), json!(entry.fields_v1));
        }
    }
    Value::Object(owned)
}

fn remove_keys(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|value| remove_keys(value, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove_keys(item, keys)),
        _ => {}
    }
}

fn loosen(objects: &mut Value) {
    let keys = [
        "generation",
        "observedGeneration",
        "deployment.kubernetes.io/revision",
        names::IDENTITY_ANNOTATION,
        "mark",
        "restored",
        "reverted",
        "ours",
        "touched-at",
        names::RELEASE_ANNOTATION,
        super::fixed::UNDECLARED,
    ];
    remove_keys(objects, &keys);
    remove_empty(objects);
}

/// Removes maps that became empty, as if they had never existed.
fn remove_empty(value: &mut Value) {
    if let Value::Object(map) = value {
        map.values_mut().for_each(remove_empty);
        map.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
    } else if let Value::Array(items) = value {
        items.iter_mut().for_each(remove_empty);
    }
}

fn without_made_up_names(text: &str) -> String {
    // The mark of a revocation derives from the binding's UID.
    let made_up = [
        (r"\b(app|second)-[a-z0-9]{5,10}-[a-z0-9]{5}\b", "$1-POD"),
        (r"\brevoked-[0-9a-f]+", "revoked-UID"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    ];
    made_up.into_iter().fold(text.to_owned(), |text, (pattern, name)| match Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(&text, name).into_owned(),
        Err(_) => text,
    })
}

/// The differences between two values, one per line.
pub fn differences(expected: &impl Serialize, found: &impl Serialize) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &json!(expected), &json!(found), &mut lines);
    lines
}

fn compare(path: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    if expected == found {
        return;
    }
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&format!("{path}.{key}"), &value(left), &value(right), lines);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{at}]"), left, right, lines);
            }
        }
        _ => lines.push(format!("{path}: expected {expected}, found {found}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_path() {
        let lines = differences(&json!({"a": {"b": 1, "c": [1, 2]}}), &json!({"a": {"b": 2, "c": [1, 3]}, "d": true}));
        assert_eq!(
            lines,
            [".a.b: expected 1, found 2", ".a.c[1]: expected 2, found 3", ".d: expected null, found true"]
        );
    }

    #[test]
    fn loosened_states_differ_in_what_counts_only() {
        let mut before =
            json!({"metadata": {"generation": 2, "annotations": {names::IDENTITY_ANNOTATION: "x"}}, "n": 1});
        let mut after = json!({"metadata": {"generation": 3}, "n": 1});
        loosen(&mut before);
        loosen(&mut after);
        assert_eq!(before, after);
    }

    #[test]
    fn names_of_pods_are_no_difference() {
        assert_eq!(without_made_up_names("pod app-6f7bd59c5d-x2x4z is"), "pod app-POD is");
        assert_eq!(without_made_up_names("my-app and app"), "my-app and app");
        assert_eq!(without_made_up_names("revoked-9a9541edf4"), "revoked-UID");
    }
}
