//! Two hundred odd objects that are there before the operator starts: each gets a clear finding or error, and all
//! others are served.
//!
//! ```text
//! a lax definition ─► odd bindings ─► the real definition, odd accounts, pods, workloads ─► operator ─► judge
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace as CoreNamespace, Pod, ServiceAccount};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use podidentity_api::PodIdentityBinding;
use serde_json::{Value, json};

use crate::fixtures::{self, ROLE, role_annotation};
use crate::{ControlPlane, Namespace, Operator, expect, wait};

/// The definition, as it may have been before it had any validation.
const DEFINITION: &str = "config/crd/podidentity.dev_podidentitybindings.yaml";

/// How many healthy bindings live beside the odd ones.
const HEALTHY: usize = 10;

/// An odd object and what it is judged by.
#[derive(Clone, Debug)]
struct Odd {
    /// What is odd about it.
    what: String,
    /// The binding whose status has to speak, or whose name the log has to name.
    binding: String,
    /// Kind and body of the objects.
    objects: Vec<(&'static str, Value)>,
    /// Whether the binding itself is what is odd.
    is_binding: bool,
    /// Whether it is deleted in the end, and has to go.
    deleted: bool,
}

/// What was said about an odd object.
#[derive(Debug)]
pub struct Said {
    /// What is odd about it.
    pub what: String,
    /// What the status or the log says; `None`: nothing.
    pub answer: Option<String>,
}

/// The result.
#[derive(Debug)]
pub struct Judged {
    /// For each odd object, what was said.
    pub said: Vec<Said>,
    /// How many healthy bindings were served.
    pub healthy: usize,
    /// Odd bindings whose deletion does not come to an end.
    pub stuck: Vec<String>,
}

/// Runs it on a control plane of its own.
pub async fn run() -> Result<Judged> {
    let control_plane = ControlPlane::start().await?;
    let judged = on(&control_plane).await;
    if judged.is_err() {
        control_plane.keep_logs();
    }
    judged
}

async fn on(control_plane: &ControlPlane) -> Result<Judged> {
    install_lax_definition(control_plane).await?;
    let namespace = control_plane.namespace("odd").await?;
    let odd = all();
    create_bindings(&namespace, &odd).await?;
    control_plane.install().await?;
    refused_now(&namespace).await?;
    let mut not_created = BTreeMap::new();
    for (number, odd) in odd.iter().enumerate() {
        if let Err(error) = create_others(&namespace, odd).await {
            not_created.insert(number, format!("refused by the API server: {error:#}"));
        }
    }
    terminating_namespace(control_plane).await?;
    let healthy = control_plane.namespace("healthy").await?;
    create_healthy(&healthy).await?;
    let operator = Operator::start_as("operator-malformed", control_plane, control_plane.server(), &[]).await?;
    let work = async {
        for number in 0..HEALTHY {
            expect::ready(&healthy, &format!("app-{number}")).await?;
        }
        answers(&namespace, &odd, &operator, &not_created).await
    };
    let said = operator.while_alive(control_plane, work).await?;
    let stuck = delete_all(&namespace, &odd).await?;
    let log = std::fs::read_to_string(operator.process().log())?;
    ensure!(!log.contains("panicked") && !log.contains(" ERROR "), "the operator's log has errors:\n{log}");
    Ok(Judged { said, healthy: HEALTHY, stuck })
}

async fn install_lax_definition(control_plane: &ControlPlane) -> Result<()> {
    let file = crate::repository().join(Path::new(DEFINITION));
    let mut definition: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
    for version in definition["spec"]["versions"].as_array_mut().context("no versions")? {
        version["schema"] =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    }
    control_plane.apply_yaml(&serde_json::to_string(&definition)?).await?;
    let crd = "crd/podidentitybindings.podidentity.dev";
    control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", crd]).await?;
    Ok(())
}

fn bindings(namespace: &Namespace) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<PodIdentityBinding>(&());
    Api::namespaced_with(namespace.client(), &namespace.name, &resource)
}

async fn create_bindings(namespace: &Namespace, odd: &[Odd]) -> Result<()> {
    let api = bindings(namespace);
    for odd in odd {
        for (_, body) in odd.objects.iter().filter(|(kind, _)| *kind == "binding") {
            let mut body = body.clone();
            body["apiVersion"] = json!("podidentity.dev/v1alpha1");
            body["kind"] = json!("PodIdentityBinding");
            let status = body["status"].take();
            let object: DynamicObject = serde_json::from_value(body).with_context(|| odd.what.clone())?;
            api.create(&PostParams::default(), &object).await.with_context(|| format!("binding: {}", odd.what))?;
            if !status.is_null() {
                let patch = Patch::Merge(json!({"status": status}));
                let written = api.patch_status(&odd.binding, &PatchParams::default(), &patch).await;
                written.with_context(|| format!("status: {}", odd.what))?;
            }
        }
    }
    Ok(())
}

/// The real definition is in force when it refuses what the lax one took.
async fn refused_now(namespace: &Namespace) -> Result<()> {
    let began = Instant::now();
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "refused"}, "spec": {"serviceAccountName": "x"},
    }))?;
    let dry_run = PostParams { dry_run: true, field_manager: None };
    while bindings(namespace).create(&dry_run, &object).await.is_ok() {
        ensure!(began.elapsed() < wait::DEADLINE, "the definition's validation does not come into force");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn create_others(namespace: &Namespace, odd: &Odd) -> Result<()> {
    for (kind, body) in &odd.objects {
        match *kind {
            "account" => {
                namespace.create::<ServiceAccount>(serde_json::from_value(body.clone())?).await?;
            }
            "pod" => {
                namespace.create::<Pod>(serde_json::from_value(body.clone())?).await?;
            }
            "deployment" => {
                namespace
                    .create::<k8s_openapi::api::apps::v1::Deployment>(serde_json::from_value(body.clone())?)
                    .await?;
            }
            "statefulset" => {
                namespace
                    .create::<k8s_openapi::api::apps::v1::StatefulSet>(serde_json::from_value(body.clone())?)
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A namespace that is being deleted and never goes, and one whose grants are nonsense.
async fn terminating_namespace(control_plane: &ControlPlane) -> Result<()> {
    let api = Api::<CoreNamespace>::all(control_plane.client());
    let namespace = serde_json::from_value(json!({
        "metadata": {"name": "going", "annotations": {podidentity_api::names::ALLOWED_ROLES_ANNOTATION: ",,\u{7}*,["}},
        "spec": {"finalizers": ["example.com/never"]},
    }))?;
    api.create(&PostParams::default(), &namespace).await?;
    wait::default_service_account(&control_plane.client(), "going", wait::DEADLINE).await?;
    control_plane.existing_namespace("going").create(fixtures::binding("app", "default", ROLE)?).await?;
    api.delete("going", &DeleteParams::default()).await?;
    Ok(())
}

async fn create_healthy(namespace: &Namespace) -> Result<()> {
    for number in 0..HEALTHY {
        let name = format!("app-{number}");
        namespace.create(fixtures::service_account(&name)?).await?;
        if number < 2 {
            namespace.create(fixtures::deployment(&name, &name, 1)?).await?;
        }
        namespace.create(fixtures::binding(&name, &name, ROLE)?).await?;
    }
    Ok(())
}

/// Waits until something was said about every odd object.
async fn answers(
    namespace: &Namespace,
    odd: &[Odd],
    operator: &Operator,
    not_created: &BTreeMap<usize, String>,
) -> Result<Vec<Said>> {
    let began = Instant::now();
    loop {
        let all = bindings(namespace).list(&ListParams::default()).await?.items;
        let by_name: BTreeMap<_, _> = all.iter().filter_map(|it| Some((it.metadata.name.as_deref()?, it))).collect();
        let log = std::fs::read_to_string(operator.process().log())?;
        let answer = |(number, odd): (usize, &Odd)| Said {
            what: odd.what.clone(),
            answer: not_created.get(&number).cloned().or_else(|| said(by_name.get(&*odd.binding).copied(), &log, odd)),
        };
        let said: Vec<Said> = odd.iter().enumerate().map(answer).collect();
        if said.iter().all(|said| said.answer.is_some()) || began.elapsed() > Duration::from_secs(60) {
            return Ok(said);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What the status says, if it speaks of the present generation, or what the log says.
fn said(binding: Option<&DynamicObject>, log: &str, odd: &Odd) -> Option<String> {
    let status = binding.map(|binding| &binding.data["status"]);
    let spoken = status.filter(|status| {
        let generation = binding.and_then(|binding| binding.metadata.generation);
        status["observedGeneration"].as_i64() == generation && generation.is_some()
    });
    let ready = spoken.and_then(|status| {
        let conditions = status["conditions"].as_array()?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        Some(format!("Ready={} {}: {}", ready["status"], ready["reason"], ready["message"]))
    });
    ready.or_else(|| {
        let named = |line: &&str| line.contains("WARN") && line.contains(&format!("\"{}\"", odd.binding));
        log.lines().find(named).map(|line| format!("log: {}", line.get(28..).unwrap_or(line)))
    })
}

/// Deletes the odd bindings; those that do not go.
async fn delete_all(namespace: &Namespace, odd: &[Odd]) -> Result<Vec<String>> {
    let api = bindings(namespace);
    for odd in odd.iter().filter(|odd| odd.is_binding && odd.deleted) {
        let _ = api.delete(&odd.binding, &DeleteParams::default()).await;
    }
    let began = Instant::now();
    loop {
        let left = api.list(&ListParams::default()).await?.items;
        let left: Vec<_> = left.into_iter().filter(|it| it.metadata.deletion_timestamp.is_some()).collect();
        if left.is_empty() || began.elapsed() > Duration::from_secs(30) {
            return Ok(left.into_iter().filter_map(|it| it.metadata.name).collect());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// All odd objects.
fn all() -> Vec<Odd> {
    let mut all = Vec::new();
    for (what, spec) in odd_specs() {
        all.push(binding(all.len(), &format!("spec {what}"), &json!({"spec": spec})));
    }
    for (what, patch) in odd_bindings() {
        all.push(binding(all.len(), &format!("binding with {what}"), &patch));
    }
    for (key, value) in odd_annotations() {
        let number = all.len();
        let name = format!("odd-{number}");
        let account = json!({"metadata": {"name": name, "annotations": {(key.as_str()): value}}});
        let shown: String = value.chars().take(30).collect();
        all.push(beside(number, &format!("account annotated {key}={shown:?}"), vec![("account", account)]));
    }
    for (what, patch) in odd_pods() {
        let number = all.len();
        let name = format!("odd-{number}");
        let mut pod = json!({
            "metadata": {"name": name},
            "spec": {"serviceAccountName": name, "containers": [{"name": "main", "image": "i"}]},
        });
        json_patch(&mut pod, &patch);
        let account = json!({"metadata": {"name": name}});
        all.push(beside(number, &format!("pod with {what}"), vec![("account", account), ("pod", pod)]));
    }
    for (what, kind, patch) in odd_workloads() {
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

/// An odd binding of an ordinary service account.
fn binding(number: usize, what: &str, patch: &Value) -> Odd {
    let name = format!("odd-{number}");
    let mut body = json!({"metadata": {"name": name}, "spec": {"serviceAccountName": name, "roleArn": ROLE}});
    json_patch(&mut body, patch);
    let account = json!({"metadata": {"name": name}});
    let objects = vec![("binding", body), ("account", account)];
    Odd { what: what.to_owned(), binding: name, objects, is_binding: true, deleted: true }
}

/// Something odd and an ordinary binding.
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

/// Specs that the API server took when the definition had no validation.
fn odd_specs() -> Vec<(String, Value)> {
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

/// What else may be odd about a binding.
fn odd_bindings() -> Vec<(&'static str, Value)> {
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

fn odd_annotations() -> Vec<(String, String)> {
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
    // An ARN that ends too early, and one with a character too many, at many places.
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

fn odd_pods() -> Vec<(&'static str, Value)> {
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

fn odd_workloads() -> Vec<(&'static str, &'static str, Value)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_hundred_odd_objects() {
        assert!(all().len() >= 200, "there are {}", all().len());
    }
}
