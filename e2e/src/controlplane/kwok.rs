//! kwok plays the kubelets: nodes become ready, and pods run unless a test asks for something else.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// Annotation of a pod that never becomes ready: it stays `Pending`, as with an image that cannot be pulled.
pub const NEVER_READY: &str = "e2e.podidentity.dev/never-ready";

/// Annotation of a pod that becomes ready after a while, for example `3s`.
pub const READY_AFTER: &str = "e2e.podidentity.dev/ready-after";

/// Annotation of a pod that crashes with this role, as an application that lacks a permission does.
pub const NEVER_READY_AS: &str = "e2e.podidentity.dev/never-ready-as";

/// Annotation of a pod that crashes without a role.
pub const NEEDS_ROLE: &str = "e2e.podidentity.dev/needs-role";

const STAGES: [&str; 3] = ["node-fast.yaml", "node-heartbeat-with-lease.yaml", "pod-fast.yaml"];

/// The configuration file: kwok does nothing without its stages.
pub(super) fn config(bin: &Path) -> Result<String> {
    let mut documents = vec![json!({
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "metadata": {"name": "kwok"},
        "options": {
            "nodeLeaseDurationSeconds": 40,
            "nodeLeaseParallelism": 4,
            "nodePlayStageParallelism": 4,
            "podPlayStageParallelism": 16,
        },
    })];
    for file in STAGES {
        let file = bin.join("stages").join(file);
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for stage in serde_saphyr::from_multiple::<Value>(&text).with_context(|| format!("in {}", file.display()))? {
            if !stage.is_null() {
                documents.extend(crashes(&stage));
                documents.push(adapted(stage));
            }
        }
    }
    let documents: Result<Vec<_>, _> = documents.iter().map(serde_json::to_string_pretty).collect();
    Ok(documents?.join("\n---\n"))
}

/// Lets a pod's annotations decide whether and when it becomes ready.
fn adapted(mut stage: Value) -> Value {
    if stage["metadata"]["name"] == "pod-ready" {
        if let Some(expressions) = stage["spec"]["selector"]["matchExpressions"].as_array_mut() {
            expressions.push(json!({"key": annotation(NEVER_READY), "operator": "DoesNotExist"}));
            expressions.push(json!({"key": has_the_role_of(NEVER_READY_AS), "operator": "DoesNotExist"}));
            expressions.push(json!({"key": lacks_a_role(NEEDS_ROLE), "operator": "DoesNotExist"}));
        }
        stage["spec"]["delay"] = json!({
            "durationMilliseconds": 0,
            "durationFrom": {"expressionFrom": annotation(READY_AFTER)},
        });
    }
    stage
}

/// From the stage that makes a pod ready, those in which its containers crash instead.
fn crashes(ready: &Value) -> Vec<Value> {
    if ready["metadata"]["name"] != "pod-ready" {
        return Vec::new();
    }
    let because = [("role", has_the_role_of(NEVER_READY_AS)), ("no-role", lacks_a_role(NEEDS_ROLE))];
    let stages = because.into_iter().map(|(why, key)| {
        let mut stage = ready.clone();
        stage["metadata"]["name"] = json!(format!("pod-crashes-by-{why}"));
        if let Some(expressions) = stage["spec"]["selector"]["matchExpressions"].as_array_mut() {
            expressions.push(json!({"key": key, "operator": "Exists"}));
        }
        stage["spec"]["next"] = json!({"statusTemplate": CRASHED});
        stage
    });
    stages.collect()
}

/// The status of a pod whose containers crash.
const CRASHED: &str = r#"
{{ $now := Now }}
phase: Running
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  restartCount: 1
  state: {waiting: {reason: CrashLoopBackOff}}
  lastState: {terminated: {exitCode: 1, reason: Error}}
{{ end }}
"#;

fn annotation(key: &str) -> String {
    format!(".metadata.annotations[\"{key}\"]")
}

/// A jq expression: the role in the annotation, if a container has it.
fn has_the_role_of(key: &str) -> String {
    format!(
        "{} as $role | .spec.containers[].env[]? | select($role != null and .value == $role) | .value",
        annotation(key)
    )
}

/// A jq expression: the annotation's value, if it exists and no container has a role.
fn lacks_a_role(key: &str) -> String {
    let roles = r#"[.spec.containers[].env[]? | select(.name == "AWS_ROLE_ARN")]"#;
    format!("{} as $needs | {roles} | select($needs != null and length == 0) | $needs", annotation(key))
}

/// Creates the nodes; kwok makes them ready.
pub(super) async fn create_nodes(client: &Client, count: usize) -> Result<()> {
    let api = Api::<Node>::all(client.clone());
    for n in 0..count {
        let name = format!("node-{n}");
        let node = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name},
                "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
            },
        }))?;
        api.create(&PostParams::default(), &node).await.with_context(|| format!("cannot create {name}"))?;
    }
    Ok(())
}
