//! What docs/api-stability.md promises: an object that an earlier version stored is read by this one, and one that a
//! later version of the same API stored as well.
//!
//! `stored/VERSION/` has the definition of each released version, and bindings with every field of it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod definitions;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use podidentity_api::PodIdentityBinding;
use serde_json::{Value, json};

use definitions::{breaks, fields, schema};

fn stored() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored");
    let mut versions: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

fn definition(version: &Path) -> Value {
    let text = fs::read_to_string(version.join("definition.yaml")).unwrap();
    let definition: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
    schema(&definition, "v1alpha1").unwrap_or_else(|| panic!("{} has no v1alpha1", version.display()))
}

fn bindings(version: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&fs::read_to_string(version.join("bindings.yaml")).unwrap()).unwrap()
}

fn today() -> Value {
    schema(&podidentity_api::crd::crd(), "v1alpha1")
        .expect("v1alpha1 is served until docs/api-stability.md says otherwise")
}

#[test]
fn the_stored_bindings_have_every_field_of_their_version() {
    for version in stored() {
        let mut present = BTreeSet::new();
        for binding in bindings(&version) {
            paths("", &binding, &mut present);
        }
        let missing: Vec<_> =
            fields(&definition(&version)).into_iter().filter(|field| !present.contains(field)).collect();
        assert!(missing.is_empty(), "{}/bindings.yaml has no binding with {missing:?}: add them", version.display());
    }
}

#[test]
fn what_an_earlier_version_accepted_this_one_accepts() {
    for version in stored() {
        let broken = breaks(&definition(&version), &today());
        assert!(
            broken.is_empty(),
            "since {} v1alpha1 has broken its promise:\n{}",
            version.display(),
            broken.join("\n")
        );
    }
}

#[test]
fn what_an_earlier_version_stored_is_read_and_written_back_without_loss() {
    for version in stored() {
        for stored in bindings(&version) {
            let read: PodIdentityBinding = serde_json::from_value(stored.clone()).unwrap();
            let lost = lost("", &stored, &serde_json::to_value(&read).unwrap());
            assert!(lost.is_empty(), "{}: {lost:?}", version.display());
        }
    }
}

/// A downgrade: fields that this version does not know change nothing of what it reads.
#[test]
fn fields_of_a_later_version_are_ignored_wherever_they_are() {
    for version in stored() {
        for stored in bindings(&version) {
            let mut later = stored.clone();
            add_a_field_everywhere(&mut later);
            assert_ne!(stored, later);
            let read = |it: Value| serde_json::from_value::<PodIdentityBinding>(it).unwrap();
            let (read, expected) = (read(later), read(stored));
            assert_eq!((read.spec, read.status), (expected.spec, expected.status));
        }
    }
}

/// Every object but maps, whose keys are the user's.
fn add_a_field_everywhere(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (_, field) in fields.iter_mut().filter(|(name, _)| *name != "metadata" && *name != "matchLabels") {
                add_a_field_everywhere(field);
            }
            fields.insert("ofALaterVersion".to_owned(), json!({"a": [1]}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_a_field_everywhere),
        _ => {}
    }
}

/// Paths of fields, items of lists as `[]`.
fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| paths(&format!("{path}.{name}"), field, found)),
        Value::Array(items) => items.iter().for_each(|item| paths(&format!("{path}[]"), item, found)),
        _ => {}
    }
}

/// What the first has and the second lacks or has differently.
fn lost(path: &str, first: &Value, second: &Value) -> Vec<String> {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let none = Value::Null;
            let field = |name: &String| second.get(name).unwrap_or(&none);
            first.iter().flat_map(|(name, value)| lost(&format!("{path}.{name}"), value, field(name))).collect()
        }
        (Value::Array(first), Value::Array(second)) if first.len() == second.len() => {
            first.iter().zip(second).flat_map(|(first, second)| lost(&format!("{path}[]"), first, second)).collect()
        }
        _ if first == second => Vec::new(),
        // A default that is left out.
        _ if second.is_null() && [json!(false), json!(0)].contains(first) => Vec::new(),
        _ => vec![format!("{path}: {first} became {second}")],
    }
}
