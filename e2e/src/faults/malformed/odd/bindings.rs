//! Odd bindings.

use serde_json::{Value, json};

/// Specs that the API server accepted while the CRD had no validation.
#[expect(clippy::too_many_lines, reason = "a table of odd specs")]
pub(super) fn specs() -> Vec<(String, Value)> {
    let mut specs = Vec::new();
    let mut add = |path: &str, values: Vec<Value>| {
        for value in values {
            let spec = path.rsplit('.').fold(value.clone(), |inner, key| json!({key: inner}));
            let shown: String = value.to_string().chars().take(40).collect();
            specs.push((format!("{path}={shown}"), spec));
        }
    };
    let long = "x".repeat(100_000);
    add(
        "roleArn",
        vec![json!(""), json!("my-role"), json!("arn:aws:iam::1:role/x"), json!(long), json!(7), json!(null)],
    );
    add(
        "roleArn",
        vec![json!("\u{0}\u{7}\n"), json!("arn:aws:iam::111122223333:user/x"), json!(["x"]), json!({"a": 1})],
    );
    add("serviceAccountName", vec![json!(""), json!("UPPER"), json!("a/b"), json!("..%2f"), json!("x".repeat(300))]);
    add("serviceAccountName", vec![json!(null), json!(5), json!("\u{202e}gnp"), json!("a b")]);
    add("audience", vec![json!(""), json!(5), json!("a,b"), json!("x".repeat(5000)), json!("\u{1b}[31m")]);
    let numbers = || {
        vec![
            json!(0),
            json!(-1),
            json!(1e18),
            json!("600"),
            json!(1.5),
            json!(9_223_372_036_854_775_807_i64),
            json!(true),
        ]
    };
    add("tokenExpirationSeconds", numbers());
    add("stsRegionalEndpoints", vec![json!("true"), json!(1), json!({})]);
    add("rollout", vec![json!(null), json!("now"), json!([])]);
    add("rollout.maxConcurrent", numbers());
    add("rollout.settleSeconds", numbers());
    add("rollout.progressDeadlineSeconds", numbers());
    add("rollout.policy", vec![json!("Sometimes"), json!("automatic"), json!(""), json!(1)]);
    add("rollout.onFailure", vec![json!("Explode"), json!(null), json!(false)]);
    let window = |start: &str, length: &str, zone: &str| json!({"start": start, "length": length, "timeZone": zone});
    add(
        "rollout.windows",
        vec![
            json!("always"),
            json!([{}]),
            json!([window("", "", "")]),
            json!([window("24:00", "1h", "UTC")]),
            json!([window("22:00", "-1h", "UTC")]),
            json!([window("22:00", "1h", "../../etc/passwd")]),
            json!([window("22:00", "1h", &long)]),
            json!([{"days": ["Noday"], "start": "22:00", "length": "1h", "timeZone": "UTC"}]),
            json!(vec![window("22:00", "1m", "UTC"); 10_000]),
        ],
    );
    add("rollout.interval", vec![json!(""), json!("0s"), json!("99999999999999h"), json!(600), json!(long)]);
    let requirement = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
    add(
        "rollout.workloadSelector",
        vec![
            requirement("Like", json!(["x"])),
            requirement("In", json!([])),
            requirement("Exists", json!(["x"])),
            json!("app=app"),
            json!({"matchLabels": {"a": 1}}),
        ],
    );
    add("onConflict", vec![json!("Fight"), json!(0)]);
    add("deletionPolicy", vec![json!("Forget"), json!("release"), json!(3)]);
    add("suspend", vec![json!("yes"), json!(0), json!(null)]);
    specs
}

/// Other oddities of a binding.
pub(super) fn others() -> Vec<(&'static str, Value)> {
    let finalizer = podidentity_api::names::FINALIZER;
    vec![
        ("an empty spec", json!({"spec": null})),
        ("a spec that is a text", json!({"spec": "none"})),
        ("a spec that is a list", json!({"spec": [1, 2]})),
        (
            "our finalizer and an unknown policy",
            json!({"metadata": {"finalizers": [finalizer]}, "spec": {"deletionPolicy": "Forget"}}),
        ),
        ("our finalizer and no role", json!({"metadata": {"finalizers": [finalizer]}, "spec": {"roleArn": 7}})),
        ("our finalizer and no spec", json!({"metadata": {"finalizers": [finalizer]}, "spec": "none"})),
        ("a status that is a text", json!({"status": {"conditions": "none"}})),
        ("conditions without a time", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})),
        (
            "conditions with a wrong time",
            json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "yesterday"}]}}),
        ),
        ("a generation from the future", json!({"status": {"observedGeneration": 9_000_000}})),
        ("a generation that is a text", json!({"status": {"observedGeneration": "one"}})),
        ("a negative count", json!({"status": {"podsTotal": -5, "podsVerified": 9}})),
        ("a count that is a text", json!({"status": {"podsTotal": "five"}})),
        (
            "a rollback of nothing",
            json!({"status": {"rollback": {"generation": 1, "from": "", "to": "", "message": ""}}}),
        ),
        ("a rollback that is a text", json!({"status": {"rollback": "back"}})),
        (
            "workloads of unknown state",
            json!({"status": {"workloads": [{"kind": "X", "name": "y", "state": "Dancing", "podsTotal": 0, "podsVerified": 0}]}}),
        ),
        (
            "findings of unknown severity",
            json!({"status": {"findings": [{"severity": "Awful", "reason": "R", "object": "o", "message": "m"}]}}),
        ),
        ("an annotation of 200 KiB", json!({"metadata": {"annotations": {"example.com/big": "x".repeat(200_000)}}})),
        (
            "a release that is nonsense",
            json!({"metadata": {"annotations": {podidentity_api::names::RELEASE_ANNOTATION: "\u{7}-1e9"}}, "spec": {"rollout": {"policy": "Manual"}}}),
        ),
        (
            "an owner that does not exist",
            json!({"metadata": {"ownerReferences": [{"apiVersion": "x/v9", "kind": "X", "name": "x", "uid": "0"}]}}),
        ),
    ]
}
