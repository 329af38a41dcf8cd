//! What an attacker with the operator's token cannot do.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::fixtures;
use e2e::wait::DEADLINE;
use e2e::{Namespace, kubeconfig, operator};
use http::{Method, Request};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Client, Error, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::steps::{bound, running};
use crate::world::World;

/// Interval of polling whether a policy is in force, which cannot be watched.
const INTERVAL: Duration = Duration::from_millis(100);

/// Attempts as `METHOD path`. `NS` is a namespace with a workload `app`, its pod `POD` and a Secret
/// `secret`.
#[rustfmt::skip] // one line for each
const TRIED: &[(&str, &str)] = &[
    ("read a Secret",                               "GET /api/v1/namespaces/NS/secrets/secret"),
    ("list all Secrets",                            "GET /api/v1/secrets"),
    ("list ConfigMaps",                             "GET /api/v1/configmaps"),
    ("make a token of a workload's account",        "POST /api/v1/namespaces/NS/serviceaccounts/app/token"),
    ("make a token of an administrator's account",  "POST /api/v1/namespaces/kube-system/serviceaccounts/clusterrole-aggregation-controller/token"),
    ("act as an administrator",                     "GET /api/v1/nodes as:admin"),
    ("create a pod",                                "POST /api/v1/namespaces/NS/pods"),
    ("delete a pod",                                "DELETE /api/v1/namespaces/NS/pods/POD"),
    ("evict a pod",                                 "POST /api/v1/namespaces/NS/pods/POD/eviction"),
    ("change a pod",                                "PATCH /api/v1/namespaces/NS/pods/POD"),
    ("run a command in a pod",                      "POST /api/v1/namespaces/NS/pods/POD/exec?command=id&stdout=true"),
    ("add a container to a pod",                    "PATCH /api/v1/namespaces/NS/pods/POD/ephemeralcontainers"),
    ("read a pod's log",                            "GET /api/v1/namespaces/NS/pods/POD/log"),
    ("forward a port of a pod",                     "POST /api/v1/namespaces/NS/pods/POD/portforward?ports=80"),
    ("create a Deployment",                         "POST /apis/apps/v1/namespaces/NS/deployments"),
    ("replace a Deployment",                        "PUT /apis/apps/v1/namespaces/NS/deployments/app"),
    ("delete a Deployment",                         "DELETE /apis/apps/v1/namespaces/NS/deployments/app"),
    ("scale a Deployment",                          "PATCH /apis/apps/v1/namespaces/NS/deployments/app/scale"),
    ("create a service account",                    "POST /api/v1/namespaces/NS/serviceaccounts"),
    ("delete a service account",                    "DELETE /api/v1/namespaces/NS/serviceaccounts/app"),
    ("create a binding",                            "POST /apis/podidentity.dev/v1alpha1/namespaces/NS/podidentitybindings"),
    ("delete a binding",                            "DELETE /apis/podidentity.dev/v1alpha1/namespaces/NS/podidentitybindings/app"),
    ("grant a role to a namespace",                 "PATCH /api/v1/namespaces/NS"),
    ("create a namespace",                          "POST /api/v1/namespaces"),
    ("delete a namespace",                          "DELETE /api/v1/namespaces/NS"),
    ("widen its own role",                          "PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/podidentity-operator"),
    ("bind itself to cluster-admin",                "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ("change the definition of bindings",           "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/podidentitybindings.podidentity.dev"),
    ("remove an admission policy",                  "DELETE /apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/pod-identity-injection"),
    ("register a webhook",                          "POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"),
    ("change a node",                               "PATCH /api/v1/nodes/node-0"),
    ("speak with a kubelet",                        "GET /api/v1/nodes/node-0/proxy/pods"),
    ("take another component's lease",              "PATCH /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"),
    ("approve a certificate",                       "PATCH /apis/certificates.k8s.io/v1/certificatesigningrequests/any/approval"),
];

pub(crate) async fn to_the_operator(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 1).await?;
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "secret"}, "stringData": {"key": "value"}}))?;
    namespace.create(secret).await?;
    let pods = namespace.api::<Pod>().list(&ListParams::default().labels("app=app")).await?;
    let pod = pods.iter().next().map(ResourceExt::name_any).context("there is no pod")?;
    let client = kubeconfig::client(&world.control_plane.operator_kubeconfig()).await?;

    // The token itself is valid.
    let allowed = send(&client, &format!("GET /api/v1/namespaces/{}/pods?limit=1", namespace.name)).await?;
    ensure!(allowed == 200, "the operator may not list pods: {allowed}");
    let mut granted = Vec::new();
    for (what, request) in TRIED {
        let request = request.replace("NS", &namespace.name).replace("POD", &pod);
        let status = send(&client, &request).await.with_context(|| format!("{what}: {request}"))?;
        if status != 403 {
            granted.push(format!("{what}: {request} gave {status}"));
        }
    }
    ensure!(granted.is_empty(), "not forbidden to {}:\n{}", operator::USER, granted.join("\n"));
    ensure!(TRIED.len() >= 20, "only {} things were tried", TRIED.len());
    Ok(())
}

/// Patches that the operator's rights allow but the guard refuses: resource and name, patch.
#[rustfmt::skip] // one line for each
fn patches() -> Vec<(&'static str, Value)> {
    let deployment = "apis/apps/v1/namespaces/NS/deployments/app";
    let account = "api/v1/namespaces/NS/serviceaccounts/app";
    let binding = "apis/podidentity.dev/v1alpha1/namespaces/NS/podidentitybindings/app";
    vec![
        (deployment, json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "main"}], "containers": [{"name": "main", "image": "registry.example.com/evil:1"}]}}}})),
        (deployment, json!({"spec": {"template": {"spec": {"serviceAccountName": "default"}}}})),
        (deployment, json!({"spec": {"template": {"spec": {"hostNetwork": true}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"annotations": {"other": "annotation"}}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"labels": {"other": "label"}}}}})),
        // A pod with a finalizer that no controller removes is never deleted.
        (deployment, json!({"spec": {"template": {"metadata": {"finalizers": ["example.com/stuck"]}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"name": "other"}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"generateName": "other-"}}}})),
        (deployment, json!({"spec": {"template": {"metadata": {"namespace": "kube-system"}}}})),
        // What a user set is not removed either.
        (deployment, json!({"spec": {"template": {"metadata": {"name": null}}}})),
        (deployment, json!({"metadata": {"labels": null}})),
        (deployment, json!({"metadata": {"annotations": {"other": "annotation"}}})),
        (deployment, json!({"metadata": {"finalizers": ["example.com/stuck"]}})),
        (deployment, json!({"spec": {"replicas": 0}})),
        (deployment, json!({"spec": {"paused": true}})),
        (deployment, json!({"metadata": {"labels": {"other": "label"}}})),
        (deployment, json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]}})),
        (account, json!({"metadata": {"annotations": {"other": "annotation"}}})),
        (account, json!({"metadata": {"labels": {"other": "label"}}})),
        (account, json!({"metadata": {"finalizers": ["example.com/stuck"]}})),
        (account, json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]}})),
        (account, json!({"imagePullSecrets": [{"name": "secret"}]})),
        (binding, json!({"spec": {"roleArn": fixtures::OTHER_ROLE}})),
        (binding, json!({"metadata": {"annotations": {"podidentity.dev/release": "1"}}})),
        (binding, json!({"metadata": {"labels": {"other": "label"}}})),
        (binding, json!({"metadata": {"finalizers": ["podidentity.dev/release", "example.com/stuck"]}})),
        (binding, json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]}})),
    ]
}

/// A stolen token allows what the operator does, and nothing else. Every other scenario shows that
/// the guard does not hinder the operator itself.
pub(crate) async fn by_the_guard(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({})).await?;
    let own = json!({"metadata": {"labels": {"own": "label"}}, "spec": {"template": {"metadata": {"name": "own"}}}});
    namespace.change::<Deployment>("app", &own).await?;
    let client = kubeconfig::client(&world.control_plane.operator_kubeconfig()).await?;
    for (path, patch) in patches() {
        let path = path.replace("NS", &namespace.name);
        let began = Instant::now();
        // A policy takes effect a moment after its installation.
        while try_patch(&client, &path, &patch).await? != 422 {
            ensure!(began.elapsed() < DEADLINE, "the operator's token can apply {patch} to {path}");
            sleep(INTERVAL).await;
        }
    }
    Ok(())
}

async fn try_patch(client: &Client, object: &str, patch: &Value) -> Result<u16> {
    let content_type = if object.contains("podidentity") { "merge-patch" } else { "strategic-merge-patch" };
    let request = Request::patch(format!("/{object}?dryRun=All"));
    let request = request.header("Content-Type", format!("application/{content_type}+json"));
    status(client, request.body(serde_json::to_vec(patch)?)?).await
}

/// The status code of the API server. The body is empty, so a user with the right gets another
/// error.
async fn send(client: &Client, request: &str) -> Result<u16> {
    let (method, path) = request.split_once(' ').context("no path")?;
    let (path, impersonated) = path.strip_suffix(" as:admin").map_or((path, false), |path| (path, true));
    let method: Method = method.parse()?;
    let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let body = if method == Method::GET { Vec::new() } else { serde_json::to_vec(&json!({}))? };
    let mut request = Request::builder().method(method).uri(path).header("Content-Type", content_type);
    if impersonated {
        request = request.header("Impersonate-User", "kubernetes-admin").header("Impersonate-Group", "system:masters");
    }
    status(client, request.body(body)?).await
}

async fn status(client: &Client, request: Request<Vec<u8>>) -> Result<u16> {
    match client.request::<Value>(request).await {
        Ok(_) => Ok(200),
        Err(Error::Api(status)) => Ok(status.code),
        Err(error) => bail!("the API server did not answer: {error}"),
    }
}
