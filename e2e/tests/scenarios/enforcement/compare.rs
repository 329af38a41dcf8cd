//! Compares the policy of `config/enforcement/` with the verification. For many odd pods, the
//! verification has an Error for every refused pod and none for an admitted one, except for what
//! CEL cannot see.
//!
//! ```text
//! generate ─► injected into by the model, or not, or half ─► namespace without enforcement, dry run ─► verification ┐
//!                                                        └─► namespace with enforcement, dry run ───► verdict ──────┴► agree
//! ```
//!
//! The pods must arrive unchanged, so their service account has no annotations. The enforced
//! binding is in another namespace: only this test has a policy binding that refers to it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::policies::{self, Verdict};
use e2e::{ControlPlane, Namespace, expect, fixtures};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use podidentity_api::PodIdentityBinding;
use podidentity_api::names::ENFORCE_LABEL;
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::finding::{FindingReason, Severity};
use podidentity_core::settings::Settings;
use podidentity_core::verify::verify_pod;
use podidentity_core::{injection as model, objects};
use serde_json::{Value, json};

use crate::injection::generate::generate;
use crate::world::World;

const SEED: u64 = 11;
const PODS: usize = 400;
const CONCURRENCY: usize = 8;
const LABEL: &str = "e2e-compare-enforcement";

/// What CEL does not see or does not check: the value of the token, and EKS Pod Identity.
const LEFT_TO_VERIFICATION: &[FindingReason] = &[
    FindingReason::PodIdentityInstead,
    FindingReason::AudienceMismatch,
    FindingReason::TokenEnvMismatch,
    FindingReason::ForeignTokenVolume,
    FindingReason::MountMissing,
];

#[derive(Clone, Copy, PartialEq)]
enum Agreement {
    Refused,
    LetIn,
    /// Admitted although the verification finds an Error.
    LeftToVerification,
    /// Refused by the API server for another reason.
    NotAPod,
}

pub(crate) async fn as_verification_says(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let bench = &Bench::new(&world.control_plane, namespace).await?;
    let (_, cases) = generate(SEED, 11, PODS);
    let pods = cases.into_iter().filter(|case| !case.account.is_empty()).enumerate();
    let work = pods.map(|(number, case)| async move { bench.compare(variant(number, case.pod)?).await });
    let found: Vec<Agreement> = stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await?;
    let count = |wanted| found.iter().filter(|found| **found == wanted).count();
    let (refused, let_in) = (count(Agreement::Refused), count(Agreement::LetIn));
    println!(
        "enforcement: {} pods compared with the verification: {refused} refused, {let_in} let in, {} let in and left to \
         it, {} no pods",
        found.len(),
        count(Agreement::LeftToVerification),
        count(Agreement::NotAPod)
    );
    ensure!(refused >= 80 && let_in >= 80, "too few of one kind to say something");
    Ok(())
}

/// The pod as it is, or with all or most of the webhook's additions.
fn variant(number: usize, pod: Value) -> Result<Value> {
    // References are left to the verification, so half of the pods have none.
    let text = pod.to_string();
    let mut pod: Value =
        if number.is_multiple_of(2) { serde_json::from_str(&text.replace("$(A) preset", "preset"))? } else { pod };
    pod["spec"]["serviceAccountName"] = json!("app");
    pod["spec"].as_object_mut().context("no object")?.remove("serviceAccount");
    if number.is_multiple_of(3) {
        // Removes the pod's own settings that would prevent the injection.
        for kind in ["containers", "initContainers"] {
            for container in pod["spec"][kind].as_array_mut().into_iter().flatten() {
                container["env"] = json!([{"name": "A", "value": "a"}]);
                container["volumeMounts"] = json!([]);
            }
        }
    }
    let role = if number % 13 == 5 { fixtures::OTHER_ROLE } else { fixtures::ROLE };
    if number % 7 != 6 {
        let typed: objects::Pod = serde_json::from_value(pod.clone())?;
        let annotations = objects::Map::from_iter([(fixtures::role_annotation(), role.to_owned())]);
        model::inject(&typed, &annotations, &Settings::default()).apply_to_value(&mut pod["spec"])?;
    }
    spoil(number, &mut pod["spec"]);
    Ok(pod)
}

/// Removes or changes one thing in the last container of some injected pods.
fn spoil(number: usize, spec: &mut Value) {
    let Some(container) = spec["containers"].as_array_mut().and_then(|all| all.last_mut()) else { return };
    let mut set = |name: &str, value: Value| {
        for variable in container["env"].as_array_mut().into_iter().flatten().filter(|it| it["name"] == name) {
            *variable = value.clone();
        }
    };
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    match number % 23 {
        1 => set("AWS_ROLE_ARN", json!({"name": "AWS_ROLE_ARN", "valueFrom": secret})),
        2 => set("AWS_ROLE_ARN", json!({"name": "AWS_ROLE_ARN", "value": ""})),
        3 => set("AWS_ROLE_ARN", json!({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/$(A)"})),
        4 => set("AWS_WEB_IDENTITY_TOKEN_FILE", json!({"name": "OTHER", "value": "x"})),
        5 => set("AWS_WEB_IDENTITY_TOKEN_FILE", json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "valueFrom": secret})),
        6 => set("AWS_WEB_IDENTITY_TOKEN_FILE", json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/nowhere"})),
        7 => container["volumeMounts"] = json!([]),
        8 => {
            let twice = json!({"name": "AWS_ROLE_ARN", "value": fixtures::OTHER_ROLE});
            container["env"].as_array_mut().into_iter().for_each(|env| env.push(twice.clone()));
        }
        9 => {
            let names = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
            container["env"] = names.iter().map(|name| json!({"name": name, "value": "x"})).collect();
        }
        _ => {}
    }
}

struct Bench {
    free: Namespace,
    enforced: Namespace,
    expected: Expectation,
}

impl Bench {
    async fn new(control_plane: &ControlPlane, bound: Namespace) -> Result<Self> {
        bound.create(fixtures::service_account("app")?).await?;
        bound.create(fixtures::binding("app", "app", fixtures::ROLE)?).await?;
        let binding: PodIdentityBinding = expect::ready(&bound, "app").await?;
        control_plane.install_enforcement().await?;
        let (free, enforced) = (control_plane.namespace("free").await?, control_plane.namespace("enforced").await?);
        for namespace in [&free, &enforced] {
            namespace.create(fixtures::service_account("app")?).await?;
        }
        enforced.mark(&json!({"labels": {ENFORCE_LABEL: "true", LABEL: "true"}})).await?;
        let bindings = json!({"namespace": bound.name, "selector": {}, "parameterNotFoundAction": "Deny"});
        control_plane.bind_policy("pod-identity-enforcement", LABEL, Some(bindings)).await?;
        policies::refused(&enforced, &policies::plain("app")?).await?;
        Ok(Self { free, enforced, expected: Expectation::from(DesiredIdentity::of(&binding.spec)) })
    }

    async fn compare(&self, pod: Value) -> Result<Agreement> {
        let typed: Pod = serde_json::from_value(pod.clone())?;
        let dry_run = PostParams { dry_run: true, field_manager: None };
        let stored = match self.free.api::<Pod>().create(&dry_run, &typed).await {
            Ok(stored) => serde_json::to_value(stored)?,
            Err(kube::Error::Api(status)) if [403, 422].contains(&status.code) => return Ok(Agreement::NotAPod),
            Err(error) => return Err(error).with_context(|| format!("cannot create {pod}")),
        };
        let verdict = policies::attempt(&self.enforced, &typed).await?;
        let stored: objects::Pod = serde_json::from_value(stored)?;
        let findings = verify_pod(&stored, None, &self.expected, &Settings::default()).findings;
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<(FindingReason, String)> =
            errors.map(|it| (it.reason, it.container.unwrap_or_default())).collect();
        agreement(&verdict, &errors, &pod).with_context(|| format!("{errors:?}, {:?}, {pod}", verdict.err()))
    }
}

fn agreement(verdict: &Verdict<Pod>, errors: &[(FindingReason, String)], pod: &Value) -> Result<Agreement> {
    if verdict.is_err() {
        ensure!(!errors.is_empty(), "refused, and the verification finds nothing");
        return Ok(Agreement::Refused);
    }
    let seen = |(reason, container): &&(FindingReason, String)| {
        !LEFT_TO_VERIFICATION.contains(reason) && !has_references(pod, container)
    };
    ensure!(errors.iter().find(seen).is_none(), "let in, and CEL should have seen what the verification finds");
    Ok(if errors.is_empty() { Agreement::LetIn } else { Agreement::LeftToVerification })
}

/// Whether the container's identity variables refer to other variables.
fn has_references(pod: &Value, container: &str) -> bool {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|kind| pod["spec"][kind].as_array());
    let env = lists.flatten().filter(|it| it["name"] == container).filter_map(|it| it["env"].as_array()).flatten();
    let mut identity = env.filter(|it| it["name"] == "AWS_ROLE_ARN" || it["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE");
    identity.any(|it| it["value"].as_str().is_some_and(|value| value.contains('$')))
}
