//! Odd pods and workloads.

use serde_json::{Value, json};

#[expect(clippy::too_many_lines, reason = "a table of odd pods")]
pub(super) fn pods() -> Vec<(&'static str, Value)> {
    let owner = |kind: &str, api: &str, controller: Value| json!([{"apiVersion": api, "kind": kind, "name": "o", "uid": "u", "controller": controller}]);
    let env = |value: Value| json!({"spec": {"containers": [{"name": "main", "image": "i", "env": [value]}]}});
    vec![
        (
            "an owner of unknown kind",
            json!({"metadata": {"ownerReferences": owner("Gizmo", "example.com/v1", json!(true))}}),
        ),
        (
            "an owner that is gone",
            json!({"metadata": {"ownerReferences": owner("Gizmo", "example.com/v1beta9", json!(true))}}),
        ),
        (
            "an owner that does not control it",
            json!({"metadata": {"ownerReferences": owner("Gizmo", "example.com/v1", json!(false))}}),
        ),
        (
            "an owner of another group",
            json!({"metadata": {"ownerReferences": owner("Deployment", "example.com/v1", json!(true))}}),
        ),
        ("finalizers of others", json!({"metadata": {"finalizers": ["example.com/never"]}})),
        (
            "a mark that is nonsense",
            json!({"metadata": {"annotations": {podidentity_api::names::IDENTITY_ANNOTATION: "\u{7}.99999999999999999999-99999999999999999999"}}}),
        ),
        (
            "a mark of 100 KiB",
            json!({"metadata": {"annotations": {podidentity_api::names::IDENTITY_ANNOTATION: "-".repeat(100_000)}}}),
        ),
        ("an annotation of 200 KiB", json!({"metadata": {"annotations": {"example.com/big": "x".repeat(200_000)}}})),
        ("a role of its own", env(json!({"name": "AWS_ROLE_ARN", "value": "\u{1b}[0m"}))),
        ("an empty role of its own", env(json!({"name": "AWS_ROLE_ARN", "value": ""}))),
        (
            "a role from a ConfigMap",
            env(json!({"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}})),
        ),
        (
            "a role from a field",
            env(json!({"name": "AWS_ROLE_ARN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})),
        ),
        ("a token file of its own", env(json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/dev/null"}))),
        ("a variable of 100 KiB", env(json!({"name": "AWS_ROLE_ARN", "value": "x".repeat(100_000)}))),
        ("static keys", env(json!({"name": "AWS_ACCESS_KEY_ID", "value": "\u{7}"}))),
        ("no token mounted", json!({"spec": {"automountServiceAccountToken": false}})),
        ("the host's network", json!({"spec": {"hostNetwork": true}})),
        ("Windows", json!({"spec": {"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "windows"}}})),
        ("a node that does not exist", json!({"spec": {"nodeName": "nowhere"}})),
        ("a scheduler that does not exist", json!({"spec": {"schedulerName": "nobody"}})),
        ("a gate", json!({"spec": {"schedulingGates": [{"name": "example.com/never"}]}})),
        (
            "forty containers",
            json!({"spec": {"containers": (0..40).map(|n| json!({"name": format!("c{n}"), "image": "i"})).collect::<Vec<_>>()}}),
        ),
        (
            "init containers that never end",
            json!({"spec": {"initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}]}}),
        ),
        (
            "labels without end",
            json!({"metadata": {"labels": (0..200).map(|n| (format!("l{n}"), json!("v"))).collect::<serde_json::Map<_, _>>()}}),
        ),
        ("a skip label", json!({"metadata": {"labels": {"eks.amazonaws.com/skip-pod-identity-webhook": "\u{6e}"}}})),
        (
            "skipped containers",
            json!({"metadata": {"annotations": {"eks.amazonaws.com/skip-containers": "main,,\u{7},"}}}),
        ),
        (
            "a token of its own",
            json!({"spec": {"volumes": [{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": {"audience": "x", "path": "p", "expirationSeconds": 600}}]}}]}}),
        ),
        (
            "another volume of the token's name",
            json!({"spec": {"volumes": [{"name": "aws-iam-token", "emptyDir": {}}]}}),
        ),
    ]
}

/// The largest pods that an API server accepts, each large in another way.
pub(super) fn largest() -> Vec<(&'static str, Value)> {
    let owner = json!([{"apiVersion": "example.com/v1", "kind": "Gizmo", "name": "x".repeat(400_000), "uid": "u",
        "controller": true}]);
    let containers: Vec<Value> = (0..2_000).map(|n| json!({"name": format!("c{n}"), "image": "i"})).collect();
    let role = json!([{"name": "AWS_ROLE_ARN", "value": "x".repeat(1_200_000)}]);
    vec![
        ("five thousand mounts of five thousand tokens", largest_mounts(5_000)),
        ("thousands of mounts beside those of a token", largest_beside(5_000)),
        ("sixteen thousand variables that refer to one", largest_references(16_000)),
        ("two thousand containers", json!({"spec": {"containers": containers}})),
        ("an owner with a name of 400 KB", json!({"metadata": {"ownerReferences": owner}})),
        ("a variable of 1.2 MB", json!({"spec": {"containers": [{"name": "main", "image": "i", "env": role}]}})),
    ]
}

fn token(path: &str) -> Value {
    json!({"serviceAccountToken": {"audience": "x", "path": path}})
}

fn with(env: Vec<Value>, mounts: &[Value], volumes: &Value) -> Value {
    let mut all = vec![
        json!({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/my-role"}),
        json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/nowhere"}),
    ];
    all.extend(env);
    json!({"spec": {"automountServiceAccountToken": false, "volumes": volumes,
        "containers": [{"name": "main", "image": "i", "env": all, "volumeMounts": mounts}]}})
}

fn mounts(prefix: &str, volume: &str, count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({"name": volume, "mountPath": format!("/{prefix}{n:x}")})).collect()
}

/// Each token may lie under each mount.
fn largest_mounts(count: usize) -> Value {
    let sources: Vec<Value> = (0..count).map(|n| token(&format!("p{n:x}"))).collect();
    with(Vec::new(), &mounts("m", "t", count), &json!([{"name": "t", "projected": {"sources": sources}}]))
}

/// Each mount may cover each mount of a token.
fn largest_beside(count: usize) -> Value {
    let volumes = json!([{"name": "t", "projected": {"sources": [token("token")]}}, {"name": "e", "emptyDir": {}}]);
    with(Vec::new(), &[mounts("t", "t", count), mounts("o", "e", count)].concat(), &volumes)
}

/// Each reference would expand to 16 KiB.
fn largest_references(count: usize) -> Value {
    let mut env = vec![json!({"name": "B", "value": "x".repeat(16_384)})];
    env.extend((0..count).map(|n| json!({"name": format!("V{n:x}"), "value": "$(B)"})));
    env.push(json!({"name": "AWS_PROFILE", "value": "$(V0)"}));
    with(env, &[], &json!([]))
}

pub(super) fn workloads() -> Vec<(&'static str, &'static str, Value)> {
    let template = |annotation: &str| json!({"spec": {"template": {"metadata": {"annotations": {podidentity_api::names::IDENTITY_ANNOTATION: annotation}}}}});
    let long = "9".repeat(100_000);
    let mut all: Vec<(&str, &str, Value)> = Vec::new();
    for kind in ["deployment", "statefulset"] {
        all.extend([
            ("a mark that is nonsense", kind, template("\u{7}..--99999999999999999999999")),
            ("an empty mark", kind, template("")),
            ("a mark of 100 KiB", kind, template(&long)),
            ("no replicas", kind, json!({"spec": {"replicas": 0}})),
            ("a node that does not exist", kind, json!({"spec": {"template": {"spec": {"nodeName": "nowhere"}}}})),
            ("an owner that is gone", kind, json!({"metadata": {"ownerReferences": [{"apiVersion": "x/v1", "kind": "X", "name": "x", "uid": "u", "controller": true}]}})),
            ("an annotation of 200 KiB", kind, json!({"metadata": {"annotations": {"example.com/big": "x".repeat(200_000)}}})),
            ("finalizers of others", kind, json!({"metadata": {"finalizers": ["example.com/never"]}})),
        ]);
    }
    all.extend([
        ("a pause", "deployment", json!({"spec": {"paused": true}})),
        ("a deadline of a second", "deployment", json!({"spec": {"progressDeadlineSeconds": 2, "minReadySeconds": 1}})),
        ("no history", "deployment", json!({"spec": {"revisionHistoryLimit": 0}})),
        ("Recreate", "deployment", json!({"spec": {"strategy": {"type": "Recreate"}}})),
        ("OnDelete", "statefulset", json!({"spec": {"updateStrategy": {"type": "OnDelete"}}})),
        (
            "a partition beyond its replicas",
            "statefulset",
            json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 99}}}}),
        ),
    ]);
    all
}
