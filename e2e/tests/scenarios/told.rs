//! What a binding reports when the operator cannot do its work: writes that fail or are refused, a
//! namespace that the operator has not seen yet, a spec from before the validation.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::policies::{admitted, refused};
use e2e::{Namespace, Operator, expect, operator, wait};
use futures::try_join;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, Reason};
use serde_json::{Value, json};

use crate::replicas::instead_of_the_only_one;
use crate::steps::running_as_its_own;
use crate::world::{NARROW, World};

/// An admission webhook without a server fails first the annotation, then its restoration. The
/// first failures are not worth reporting: until then, the status says what the operator is doing.
pub(crate) async fn failed(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let wall = Wall { world: &world, namespace: &namespace, rules: &unanswered(&namespace) };
    wall.build().await?;
    let bound = namespace.create(fixtures::binding("app", "app", ROLE)?);
    try_join!(bound, told(&namespace, Reason::Annotating))?;
    let message = told(&namespace, Reason::WriteFailed).await?;
    ensure!(message.contains("is tried again") && message.contains("failed calling webhook"), "{message}");
    wall.tear_down().await?;
    expect::ready(&namespace, "app").await?;

    wall.build().await?;
    let removed = json!({"metadata": {"annotations": {fixtures::role_annotation(): null}}});
    let removed = namespace.change::<ServiceAccount>("app", &removed);
    let (_, message) = try_join!(removed, told(&namespace, Reason::AnnotationRemoved))?;
    ensure!(message.contains("restoring"), "{message}");
    told(&namespace, Reason::WriteFailed).await?;
    wall.tear_down().await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await.map(|_| ())
}

/// A policy refuses the operator's write. The binding quotes the policy, and continues once the
/// policy is gone.
pub(crate) async fn refused_by_a_policy(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let wall = Wall { world: &world, namespace: &namespace, rules: &frozen(&namespace) };
    wall.build().await?;
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::WriteRefused).await?;
    ensure!(message.contains("nobody changes accounts during the audit"), "not the policy's words: {message}");
    expect::annotated(&namespace, "app", None).await?;
    wall.tear_down().await?;
    // The operator retries every few minutes; a change of the account triggers an immediate retry.
    namespace.change::<ServiceAccount>("app", &json!({"metadata": {"labels": {"audit": "over"}}})).await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await.map(|_| ())
}

/// A policy refuses as many restarts as the limit allows at once. Other bindings still restart.
pub(crate) async fn refused_restarts(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let frozen: Vec<String> = (0..NARROW).map(|n| format!("frozen-{n}")).collect();
    for name in frozen.iter().map(String::as_str).chain(["free"]) {
        running_as_its_own(&namespace, name, &json!({})).await?;
    }
    let wall = Wall { world: &world, namespace: &namespace, rules: &no_restarts(&namespace) };
    wall.build().await?;
    for name in &frozen {
        namespace.create(fixtures::binding(name, name, ROLE)?).await?;
        let message = expect::stalled(&namespace, name, Reason::WriteRefused).await?;
        ensure!(message.contains("nobody restarts anything during the audit"), "not the policy's words: {message}");
    }
    namespace.create(fixtures::binding("free", "free", ROLE)?).await?;
    expect::ready(&namespace, "free").await?;
    expect::pods_have(&namespace, "free", 1, ROLE).await?;
    wall.tear_down().await
}

/// The operator polls a namespace once a minute if it may not watch it. It does not know the grants
/// of a namespace that was created since.
pub(crate) async fn namespace_not_seen_yet(world: Arc<World>, namespace: Namespace) -> Result<()> {
    Box::pin(instead_of_the_only_one(&world, seen_later(&world, &format!("{}-late", namespace.name)))).await
}

async fn seen_later(world: &World, name: &str) -> Result<()> {
    let control_plane = &world.control_plane;
    // Grants what the Role in each of the operator's namespaces grants. Such a Role cannot exist
    // before its namespace.
    let subject = format!("--serviceaccount={}:{}", operator::NAMESPACE, operator::SERVICE_ACCOUNT);
    control_plane.kubectl(&["create", "clusterrole", name, "--verb=get", "--resource=namespaces"]).await?;
    let role = format!("--clusterrole={name}");
    control_plane.kubectl(&["create", "clusterrolebinding", name, &role, &subject]).await?;
    let args = ["--namespaces", name, "--require-grants"];
    let operator = Operator::start_as("late", control_plane, control_plane.server(), &args).await?;
    operator.answers("/readyz", 200).await?;

    control_plane.kubectl(&["create", "namespace", name]).await?;
    let late = control_plane.existing_namespace(name);
    late.create(fixtures::binding("app", "app", ROLE)?).await?;
    let message = told(&late, Reason::NamespaceNotFound).await?;
    ensure!(message.contains(name), "the namespace is not named: {message}");
    expect::stalled(&late, "app", Reason::RoleNotAllowed).await?;
    operator.terminate().await
}

/// A binding was stored before the CRD had its validation. The operator writes nothing for it,
/// reports the error, and continues once the spec is corrected.
pub(crate) async fn invalid_spec(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let definitions = Api::<CustomResourceDefinition>::all(world.control_plane.client());
    let definition = serde_json::to_value(definitions.get(CRD).await?)?;
    let today = definition.pointer(ROLE_ARN).context("the definition has another shape")?;
    allow(&definitions, &json!({"type": "string"})).await?;
    let stored = stored(&namespace, fixtures::binding("app", "app", "my-role")?).await;
    allow(&definitions, today).await?;
    stored?;
    let message = expect::stalled(&namespace, "app", Reason::InvalidSpec).await?;
    ensure!(message.contains("spec.roleArn") && message.contains("correct the binding"), "{message}");
    expect::annotated(&namespace, "app", None).await?;
    namespace.change::<PodIdentityBinding>("app", &json!({"spec": {"roleArn": OTHER_ROLE}})).await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(OTHER_ROLE)).await.map(|_| ())
}

const CRD: &str = "podidentitybindings.podidentity.dev";
/// The part of the CRD that validates a role.
const ROLE_ARN: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/roleArn";

/// Changes the validation of a role.
async fn allow(definitions: &Api<CustomResourceDefinition>, schema: &Value) -> Result<()> {
    let patch = json!([{"op": "replace", "path": ROLE_ARN, "value": schema}]);
    let patch = Patch::<()>::Json(serde_json::from_value(patch)?);
    definitions.patch(CRD, &PatchParams::default(), &patch).await.context("cannot change the definition")?;
    Ok(())
}

/// Creates the binding as soon as the API server permits it.
async fn stored(namespace: &Namespace, binding: PodIdentityBinding) -> Result<()> {
    let api = namespace.api::<PodIdentityBinding>();
    let create = || async {
        let created = api.create(&PostParams::default(), &binding).await;
        created.map(|_| ()).map_err(|error| error.to_string())
    };
    wait::until("the API server stores it", create).await
}

/// Waits until the binding is reconciling for this reason, and returns the message.
async fn told(namespace: &Namespace, because: impl AsRef<str>) -> Result<String> {
    let binding = expect::reason(namespace, "app", condition::RECONCILING, "True", because).await?;
    Ok(expect::condition_of(&binding, condition::RECONCILING).map(|it| it.message.clone()).unwrap_or_default())
}

/// Keeps the operator, and service accounts with the name `probe`, out of a namespace.
struct Wall<'a> {
    world: &'a World,
    namespace: &'a Namespace,
    rules: &'a Value,
}

impl Wall<'_> {
    async fn build(&self) -> Result<()> {
        self.world.control_plane.apply_yaml(&self.rules.to_string()).await?;
        refused(self.namespace, &fixtures::service_account("probe")?).await.map(|_| ())
    }

    async fn tear_down(&self) -> Result<()> {
        let text = self.rules.to_string();
        let output = self.world.control_plane.kubectl_output(&["delete", "-f", "-"], Some(&text)).await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        admitted(self.namespace, &fixtures::service_account("probe")?).await.map(|_| ())
    }
}

/// The condition that selects the wall's targets.
fn whom() -> Value {
    let user = operator::USER;
    json!([{"name": "whom", "expression": format!("request.userInfo.username == '{user}' || object.metadata.name == 'probe'")}])
}

fn accounts() -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["serviceaccounts"]})
}

fn only_in(namespace: &Namespace) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": namespace.name}})
}

/// A webhook at an address without a server.
fn unanswered(namespace: &Namespace) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace.name},
        "webhooks": [{
            "name": "unanswered.example.com", "clientConfig": {"url": "https://127.0.0.1:9/"},
            "rules": [accounts()], "namespaceSelector": only_in(namespace), "matchConditions": whom(),
            "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        }],
    })
}

/// A policy that permits no user to change accounts.
fn frozen(namespace: &Namespace) -> Value {
    policy(namespace, &json!([accounts()]), &whom(), "nobody changes accounts during the audit")
}

/// A policy that does not permit the operator to restart workloads whose names begin with `frozen`.
fn no_restarts(namespace: &Namespace) -> Value {
    let workloads =
        json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]});
    let user = operator::USER;
    let frozen = format!("request.userInfo.username == '{user}' && object.metadata.name.startsWith('frozen')");
    let expression = format!("object.metadata.name == 'probe' || has(object.spec) && {frozen}");
    let conditions = json!([{"name": "what", "expression": expression}]);
    let message = "nobody restarts anything during the audit";
    policy(namespace, &json!([accounts(), workloads]), &conditions, message)
}

fn policy(namespace: &Namespace, rules: &Value, conditions: &Value, message: &str) -> Value {
    let name = &namespace.name;
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": only_in(namespace)},
                "matchConditions": conditions,
                "validations": [{"expression": "false", "message": message}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]})
}
