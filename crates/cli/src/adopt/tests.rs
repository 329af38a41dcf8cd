//! Tests that read the output of `adopt` as YAML 1.1, as kubectl does. The output must contain
//! bindings and nothing else.

use podidentity_api::ConflictPolicy;
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{propose, write};
use crate::golden::cluster;

/// Texts that some YAML reader takes for more than plain text, for example because they end a line.
const ATTACKS: &[&str] = &[
    "x\u{2028}{kind: ClusterRoleBinding}\u{2028}---\u{2028}#",
    "x\u{2029}{kind: ClusterRoleBinding}\u{2029}---\u{2029}#",
    "x\u{85}{kind: ClusterRoleBinding}\u{85}---\u{85}#",
    "x\n{kind: ClusterRoleBinding}\n---\n#",
    "x\r{kind: ClusterRoleBinding}\r---\r#",
    "x\u{b}{kind: ClusterRoleBinding}\u{c}---\u{c}#",
    "\u{feff}kind: ClusterRoleBinding",
    "\u{2028}kind: ClusterRoleBinding",
    "\u{1b}]0;owned\u{7}\u{9b}2J",
    "x # y",
    "'\"\\",
    "!!binary aGk=",
    "&a *a",
    "| >",
    "yes",
    "1e3",
    "",
];

/// A service account with `text` in every field that somebody else can set, except in the role.
fn attacked(role: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "Helm", "olm.owner": text},
        "annotations": {
            "eks.amazonaws.com/role-arn": role,
            "eks.amazonaws.com/audience": text,
            "eks.amazonaws.com/token-expiration": text,
            "eks.amazonaws.com/sts-regional-endpoints": text,
            "meta.helm.sh/release-name": text,
            "argocd.argoproj.io/tracking-id": text,
        },
        "managedFields": [{"manager": text, "operation": "Update", "time": "2026-01-01T12:00:00Z",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}}}],
        "ownerReferences": [{"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion",
            "name": text, "uid": "1"}],
    }})
}

fn printed(object: &Value) -> String {
    let proposals: Vec<_> =
        cluster(&object.to_string()).snapshots.iter().filter_map(|it| propose(it, ConflictPolicy::Report)).collect();
    let mut out = Vec::new();
    write(&proposals, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The documents as a YAML 1.1 reader sees them.
fn read(text: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text).map(|it| Value::deserialize(it).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

fn check(text: &str) {
    const ROLE: &str = "arn:aws:iam::111122223333:role/web";
    let output = printed(&attacked(ROLE, text));
    let audience = if text.is_empty() { None } else { Some(text) };
    let mut spec = json!({"serviceAccountName": "web", "roleArn": ROLE});
    if let Some(audience) = audience {
        spec["audience"] = audience.into();
    }
    let expected = json!({"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": spec});
    assert_eq!(read(&output), [expected], "{output}");
    assert!(output.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ' || c > '\u{9f}'), "{output:?}");
    let mut comments = output.lines().filter(|line| line.starts_with('#'));
    assert!(comments.all(str::is_ascii), "{output}");

    // An annotation that is not the ARN of a role.
    let output = printed(&attacked(&format!("{ROLE}{text}?"), text));
    assert_eq!(read(&output), [] as [Value; 0], "{output}");
    assert!(output.lines().all(|line| line.starts_with("# ") && line.is_ascii()), "{output}");
}

#[test]
fn no_text_of_somebody_else_becomes_a_document() {
    for text in ATTACKS {
        check(text);
    }
}

#[test]
fn names_are_looked_at_before_they_get_into_a_comment() {
    let mut object = attacked("arn:aws:iam::111122223333:role/web", "x");
    for name in ["a\u{2028}{kind: Evil}\u{2028}---\u{2028}#", "a b", "\u{430}", &"a".repeat(300)] {
        object["metadata"]["name"] = name.into();
        let output = printed(&object);
        assert!(output.contains("ServiceAccount shop/(not a name of Kubernetes): annotated"), "{output}");
        assert_eq!(read(&output).len(), 1);
        assert_eq!(read(&output)[0]["metadata"]["name"], name);
    }
}

proptest! {
    #[test]
    fn any_text_is_data(text in "[\\u{2028}\\u{2029}\\u{85}\\n\\r #:{}'\"\\\\a-z\\-]{0,30}") {
        check(&text);
    }
}
