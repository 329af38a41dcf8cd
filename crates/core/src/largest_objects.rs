//! Tests with the largest objects that an API server accepts, from the watch event to the written
//! status. The work grows no faster than the objects, and the status stays small. The tests count
//! steps, not time.

use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use serde_json::{Value, json};

use crate::assess::Assessment;
use crate::finding::FindingReason;
use crate::objects::{Deployment, ObservedAccount, ObservedPod, Pod, ServiceAccount, Workload};
use crate::outcome::Outcome;
use crate::plan::{Plan, plan};
use crate::snapshot::{Config, Snapshot};
use crate::status::{Report, reports};
use crate::step_counter::counted;

/// The size of the largest object, in bytes. An API server accepts requests of 3 MiB, and stores
/// objects of 1.5 MB.
const LARGEST: usize = 1_500_000;
/// Maximum size of a status, in bytes.
const STATUS: usize = 400_000;

const ROLE: &str = "arn:aws:iam::111122223333:role/web";
const ROLE_ENV: [(&str, &str); 2] = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")];

fn env() -> Vec<Value> {
    ROLE_ENV.map(|(name, value)| json!({"name": name, "value": value})).to_vec()
}

fn token(path: &str) -> Value {
    json!({"serviceAccountToken": {"audience": "x", "path": path}})
}

fn mounts(prefix: &str, volume: &str, count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(move |n| json!({"name": volume, "mountPath": format!("/{prefix}{n:x}")}))
}

/// Pod specs with about `parts` parts, each expensive to judge in a different way.
#[expect(clippy::too_many_lines, reason = "one entry for each kind of part")]
fn specs(parts: usize) -> Vec<(&'static str, Value)> {
    let half = parts / 2;
    let one = |container: Value, volumes: Value| json!({"containers": [container], "volumes": volumes});
    let tokens: Vec<Value> = (0..half).map(|n| token(&format!("p{n:x}"))).collect();
    let other_tokens = json!([{"name": "t", "projected": {"sources": [token("token")]}}, {"name": "e"}]);
    let variables = |value: &dyn Fn(usize) -> String| -> Vec<Value> {
        let many = (0..parts).map(|n| json!({"name": format!("V{n}"), "value": value(n)}));
        let big = json!({"name": "B", "value": "x".repeat(16_384)});
        let last = json!({"name": "AWS_PROFILE", "value": format!("$(V{})", parts - 1)});
        std::iter::once(big).chain(many).chain(env()).chain([last]).collect()
    };
    let container = |fields: Value| {
        let mut container = json!({"name": "c", "env": env()});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        container
    };
    let all_mounts: Vec<Value> = mounts("t", "t", half).chain(mounts("o", "e", half)).collect();
    let expressions: Vec<Value> =
        (0..parts).map(|n| json!({"name": "t", "mountPath": format!("/m{n}"), "subPathExpr": "$(A)/x"})).collect();
    let volumes: Vec<Value> = (0..parts).map(|n| json!({"name": format!("v{n}"), "emptyDir": {}})).collect();
    let of_volumes: Vec<Value> =
        (0..parts).map(|n| json!({"name": format!("v{n}"), "mountPath": format!("/nowhere/{n}")})).collect();
    let sources: Vec<Value> = (0..parts).map(|n| json!({"secretRef": {"name": format!("s{n}")}})).collect();
    let many =
        |env: &[Value]| -> Vec<Value> { (0..parts).map(|n| json!({"name": format!("c{n}"), "env": env})).collect() };
    vec![
        (
            "mounts of many tokens",
            one(
                container(json!({"volumeMounts": mounts("m", "t", half).collect::<Vec<_>>()})),
                json!([{"name": "t", "projected": {"sources": tokens}}]),
            ),
        ),
        ("mounts beside mounts of a token", one(container(json!({"volumeMounts": all_mounts})), other_tokens.clone())),
        (
            "variables that refer to a large one",
            one(container(json!({"env": variables(&|_| "$(B)".to_owned())})), json!([])),
        ),
        (
            "variables that refer to the one before",
            one(container(json!({"env": variables(&|n| format!("$(V{})x", n.wrapping_sub(1)))})), json!([])),
        ),
        (
            "references that never end",
            one(
                container(json!({"env": [
                    {"name": "AWS_ROLE_ARN", "value": "$(".repeat(parts)}, {"name": "AWS_PROFILE", "value": "$($".repeat(parts)},
                ]})),
                json!([]),
            ),
        ),
        ("mounts with expressions", one(container(json!({"volumeMounts": expressions})), other_tokens)),
        ("volumes and their mounts", one(container(json!({"volumeMounts": of_volumes})), Value::Array(volumes))),
        ("sources of variables", one(container(json!({"envFrom": sources})), json!([]))),
        ("containers without role", json!({"containers": many(&[])})),
        ("containers with a role", json!({"initContainers": many(&env()), "containers": [{"name": "c"}]})),
    ]
}

fn pod_text(name: &str, spec: &Value, metadata: &Value) -> String {
    let mut meta = json!({"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web"}});
    meta.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    let mut spec = spec.clone();
    spec["serviceAccountName"] = json!("web");
    json!({"metadata": meta, "spec": spec, "status": {"phase": "Running"}}).to_string()
}

/// A snapshot with one pod, and a Deployment whose template has the given pod spec.
fn snapshot(pod: Pod, template: &Value) -> Snapshot {
    let config = Arc::new(Config::default());
    let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let mut spec = template.clone();
    spec["serviceAccountName"] = json!("web");
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "d"},
        "spec": {"replicas": 1, "selector": {}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}},
    }))
    .unwrap();
    let account: ObservedAccount = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop",
        "uid": "a", "annotations": {"eks.amazonaws.com/role-arn": ROLE}}}))
    .unwrap();
    let binding: PodIdentityBinding = serde_json::from_value(json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "web", "namespace": "shop", "uid": "b", "generation": 1},
        "spec": {"serviceAccountName": "web", "roleArn": ROLE},
    }))
    .unwrap();
    Snapshot {
        bindings: vec![Arc::new(binding)],
        service_account: Some(Arc::new(ServiceAccount::from(account))),
        workloads: vec![Arc::new(Workload::from(deployment).slim())],
        pods: vec![Arc::new(pod)],
        ..Snapshot::empty("shop", "web", now, &config)
    }
}

/// Runs everything from the text of a watch event to the statuses. Returns the reports and the
/// number of steps.
fn told(text: &str, template: &Value) -> (Vec<Report>, u64) {
    counted(|| {
        let observed: ObservedPod = serde_json::from_str(text).unwrap();
        let snapshot = snapshot(Pod::from(observed).slim(), template);
        let assessment = Assessment::of(&snapshot);
        let planned = plan(&snapshot, &assessment);
        assert!(planned.steps.len() < 10);
        reports(&snapshot, &assessment, &Plan::default(), &Outcome::default())
    })
}

fn size(report: &Report) -> usize {
    serde_json::to_string(&report.status).unwrap().len()
}

/// The metadata of a pod that belongs to the Deployment.
fn owned() -> Value {
    json!({"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r", "controller": true}],
        "labels": {"app": "web", "pod-template-hash": "1"}})
}

#[test]
fn steps_grow_no_faster_than_the_object() {
    let of = |parts: usize| -> Vec<(&'static str, u64)> {
        let told = |(name, spec): (_, Value)| {
            let (reports, steps) = told(&pod_text("web-1-a", &spec, &owned()), &spec);
            assert!(reports.iter().all(|report| size(report) < STATUS), "{name}");
            (name, steps)
        };
        specs(parts).into_iter().map(told).collect()
    };
    // Objects that are judged, and objects that are not.
    for parts in [90, 800, 4_000] {
        for ((name, steps), (_, twice)) in of(parts).into_iter().zip(of(2 * parts)) {
            assert!(twice < 3 * steps + 1_000, "{name}, {parts} parts: {steps} steps, and {twice} for twice as many");
            assert!(twice < 200 * parts as u64 + 10_000, "{name}: {twice} steps for {parts} parts");
        }
    }
}

#[test]
fn what_is_too_large_is_told_and_not_judged() {
    // Parts that are not judged do not count: variables that nothing reads, and mounts over no
    // token.
    let slimmed = ["references that", "variables that refer to a", "volumes and"];
    for (name, spec) in specs(22_000) {
        let text = pod_text("web-1-a", &spec, &owned());
        let (reports, _) = told(&text, &spec);
        let finding = &reports[0].status.findings[0];
        if !slimmed.iter().any(|begin| name.starts_with(begin)) {
            assert_eq!(finding.reason, FindingReason::TooLargeToJudge.as_str(), "{name}: {}", finding.message);
        }
        assert_eq!(reports[0].status.pods_verified, 0, "{name}");
    }
}

/// Foreign texts without a limit of their own, at the size of a whole object.
#[test]
fn statuses_stay_small_whatever_others_say() {
    let long = |character: &str| character.repeat(LARGEST / character.len() / 16);
    for character in ["x", "\n", "\u{1b}", "\u{1f600}", ",", "\""] {
        let text = long(character);
        let metadata = [
            json!({"ownerReferences": [{"apiVersion": "evil.example/v1", "kind": text, "name": "n", "uid": "u", "controller": true}]}),
            json!({"ownerReferences": [{"apiVersion": "evil.example/v1", "kind": "K", "name": text, "uid": "u", "controller": true}]}),
            json!({"annotations": {"eks.amazonaws.com/skip-containers": text}}),
            json!({"labels": {"eks.amazonaws.com/pod-identity": text}}),
        ];
        let specs = [
            json!({"containers": [{"name": text}]}),
            json!({"containers": [{"name": "c", "env": [{"name": "AWS_ROLE_ARN", "value": text}]}]}),
            json!({"containers": [{"name": "c", "env": [{"name": "AWS_ROLE_ARN",
                "valueFrom": {"secretKeyRef": {"name": text, "key": text}}}]}]}),
            json!({"containers": [{"name": "c", "env": env(), "envFrom": [{"secretRef": {"name": text}}],
                "volumeMounts": [{"name": text, "mountPath": text}]}], "volumes": [{"name": text}]}),
        ];
        let plain = json!({"containers": [{"name": "c"}]});
        let all = metadata.iter().map(|meta| (&plain, meta.clone())).chain(specs.iter().map(|spec| (spec, json!({}))));
        for (spec, meta) in all {
            let (reports, steps) = told(&pod_text("p", spec, &meta), &plain);
            let report = &reports[0];
            assert!(size(report) < STATUS, "{} bytes for {character:?}", size(report));
            let messages = report.status.conditions.iter().map(|condition| &condition.message);
            let findings = report.status.findings.iter().flat_map(|finding| [&finding.object, &finding.message]);
            for told in messages.chain(findings) {
                assert!(told.chars().count() <= 4097 && !told.contains(crate::foreign::is_active), "{told:?}");
            }
            assert!(steps < 1_000_000, "{steps} steps");
        }
    }
}

#[test]
fn a_status_of_foreign_texts_is_bounded_once_and_stays_so() {
    let owner = json!({"ownerReferences": [{"apiVersion": "evil.example/v1", "kind": "K", "name": "\n".repeat(1000), "uid": "u", "controller": true}]});
    let spec = json!({"containers": [{"name": "c"}]});
    let text = pod_text("p", &spec, &owner);
    let observed: ObservedPod = serde_json::from_str(&text).unwrap();
    let mut snapshot = snapshot(Pod::from(observed).slim(), &spec);
    let assessment = Assessment::of(&snapshot);
    let [report] = &reports(&snapshot, &assessment, &Plan::default(), &Outcome::default())[..] else {
        panic!("not one report")
    };
    let mut stored = PodIdentityBinding::clone(&snapshot.bindings[0]);
    stored.status = Some(report.status.clone());
    snapshot.bindings = vec![Arc::new(stored)];
    assert_eq!(reports(&snapshot, &Assessment::of(&snapshot), &Plan::default(), &Outcome::default()), []);
}

/// A thousand bindings of one account: the deletion of their owner changes few statuses.
#[test]
fn of_many_bindings_few_statuses_change_with_their_owner() {
    let spec = json!({"containers": [{"name": "c"}]});
    let observed: ObservedPod = serde_json::from_str(&pod_text("p", &spec, &json!({}))).unwrap();
    let mut snapshot = snapshot(Pod::from(observed).slim(), &spec);
    let many = (0..1000).map(|n| {
        let mut binding = PodIdentityBinding::clone(&snapshot.bindings[0]);
        binding.metadata.name = Some(format!("b{n:04}"));
        binding.metadata.uid = Some(format!("b{n:04}"));
        binding
    });
    let mut bindings: Vec<PodIdentityBinding> = many.collect();
    let told =
        |snapshot: &Snapshot| reports(snapshot, &Assessment::of(snapshot), &Plan::default(), &Outcome::default());
    snapshot.bindings = bindings.iter().cloned().map(Arc::new).collect();
    let first = told(&snapshot);
    assert_eq!(first.len(), 1000);
    for report in first {
        let binding = bindings.iter_mut().find(|it| it.metadata.name.as_ref() == Some(&report.binding.name)).unwrap();
        binding.status = Some(report.status);
    }
    snapshot.bindings = bindings.iter().skip(1).cloned().map(Arc::new).collect();
    let changed = told(&snapshot).len();
    assert!(changed < 30, "{changed} statuses change");
}
