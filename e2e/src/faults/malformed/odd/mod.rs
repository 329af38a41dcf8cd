//! The odd objects.

mod bindings;
mod pods;

use serde_json::{Value, json};

use crate::fixtures::{ROLE, role_annotation};

/// An odd object and the criteria that judge it.
#[derive(Clone, Debug)]
pub(super) struct Odd {
    /// What is odd about it.
    pub(super) what: String,
    /// The binding whose status must report the problem, or whose name the log must contain.
    pub(super) binding: String,
    /// Kind and body of the objects.
    pub(super) objects: Vec<(&'static str, Value)>,
    /// Whether the binding itself is odd.
    pub(super) is_binding: bool,
    /// Whether the test deletes it in the end and requires it to disappear.
    pub(super) deleted: bool,
}

/// All odd objects.
pub(super) fn all() -> Vec<Odd> {
    let mut all = Vec::new();
    for (what, spec) in bindings::specs() {
        all.push(binding(all.len(), &format!("spec {what}"), &json!({"spec": spec})));
    }
    for (what, patch) in bindings::others() {
        all.push(binding(all.len(), &format!("binding with {what}"), &patch));
    }
    for (key, value) in annotations() {
        let number = all.len();
        let name = format!("odd-{number}");
        let account = json!({"metadata": {"name": name, "annotations": {(key.as_str()): value}}});
        let shown: String = value.chars().take(30).collect();
        all.push(beside(number, &format!("account annotated {key}={shown:?}"), vec![("account", account)]));
    }
    for (what, patch) in pods::pods().into_iter().chain(pods::largest()) {
        let number = all.len();
        let name = format!("odd-{number}");
        let pod = pod(&name, &patch);
        let account = json!({"metadata": {"name": name}});
        all.push(beside(number, &format!("pod with {what}"), vec![("account", account), ("pod", pod)]));
    }
    for (what, kind, patch) in pods::workloads() {
        let number = all.len();
        let name = format!("odd-{number}");
        let mut workload = json!({
            "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"serviceAccountName": name, "containers": [{"name": "main", "image": "i"}]},
            }},
        });
        json_patch(&mut workload, &patch);
        let account = json!({"metadata": {"name": name}});
        all.push(beside(number, &format!("{kind} with {what}"), vec![("account", account), (kind, workload)]));
    }
    all
}

fn pod(name: &str, patch: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name},
        "spec": {"serviceAccountName": name, "containers": [{"name": "main", "image": "i"}]},
    });
    json_patch(&mut pod, patch);
    pod
}

/// The largest pods that an API server accepts. Each has the name of its service account.
pub(in crate::faults) fn largest_pods() -> Vec<(String, Value)> {
    let numbered = pods::largest().into_iter().enumerate();
    let named = numbered.map(|(number, (_, patch))| (format!("large-{number}"), patch));
    named.map(|(name, patch)| (name.clone(), pod(&name, &patch))).collect()
}

/// The API server refuses every write to these, even the removal of the finalizer, until their spec
/// is corrected. The CRD has validation rules for the spec and for this field, and they fail on a
/// text in place of an object or a number in place of a text.
const BEYOND_HELP: [&str; 2] = ["our finalizer and no spec", "our finalizer and no role"];

/// An odd binding of a normal service account.
fn binding(number: usize, what: &str, patch: &Value) -> Odd {
    let name = format!("odd-{number}");
    let mut body = json!({"metadata": {"name": name}, "spec": {"serviceAccountName": name, "roleArn": ROLE}});
    json_patch(&mut body, patch);
    let account = json!({"metadata": {"name": name}});
    let objects = vec![("binding", body), ("account", account)];
    let deleted = !BEYOND_HELP.iter().any(|beyond| what.ends_with(beyond));
    Odd { what: what.to_owned(), binding: name, objects, is_binding: true, deleted }
}

/// An odd object next to a normal binding.
fn beside(number: usize, what: &str, mut objects: Vec<(&'static str, Value)>) -> Odd {
    let name = format!("odd-{number}");
    let spec = json!({"serviceAccountName": name, "roleArn": ROLE});
    objects.push(("binding", json!({"metadata": {"name": name}, "spec": spec})));
    Odd { what: what.to_owned(), binding: name, objects, is_binding: false, deleted: false }
}

/// Like a merge patch, except that `null` is a value.
fn json_patch(base: &mut Value, patch: &Value) {
    match patch {
        Value::Object(patch) if base.is_object() => {
            for (key, value) in patch {
                json_patch(&mut base[key.as_str()], value);
            }
        }
        other => *base = other.clone(),
    }
}

fn annotations() -> Vec<(String, String)> {
    let of = |key: &str| format!("{}/{key}", podidentity_api::names::EKS_DOMAIN);
    let mut all = Vec::new();
    let texts = [
        "",
        " ",
        "\u{0}",
        "\u{1b}[2J",
        "my-role",
        "arn:aws:iam::111122223333:role/",
        "ARN:AWS:IAM::111122223333:ROLE/X",
        "💥",
        "a\nb",
        "\u{feff}x",
    ];
    for text in texts {
        all.push((role_annotation(), text.to_owned()));
    }
    // An ARN that ends too early, and one with an extra character, at many positions.
    for at in (3..ROLE.len()).step_by(3) {
        all.push((role_annotation(), ROLE[..at].to_owned()));
        all.push((role_annotation(), format!("{}\u{200b}{}", &ROLE[..at], &ROLE[at..])));
    }
    for text in ["", ",", "a,b", "\u{0}", "sts.amazonaws.com "] {
        all.push((of("audience"), text.to_owned()));
    }
    for text in ["", "abc", "-5", "0", "1e9", "99999999999999999999", "600.5", "\u{0}"] {
        all.push((of("token-expiration"), text.to_owned()));
    }
    for text in ["", "yes", "TRUE", "\u{7}"] {
        all.push((of("sts-regional-endpoints"), text.to_owned()));
    }
    all.push((role_annotation(), "x".repeat(250_000)));
    all.push(("example.com/big".to_owned(), "x".repeat(255_000)));
    all.push(("example.com/controls".to_owned(), (1..32).filter_map(char::from_u32).collect()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_hundred_odd_objects() {
        assert!(all().len() >= 200, "there are {}", all().len());
    }
}
