//! Collects the facts for `check`. The module `judge` evaluates them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use podidentity_cluster::http::connection::Connection;
use podidentity_cluster::http::discovery::issuer;
use podidentity_cluster::read::installation::{
    self, Resource, Right, Seen, may, may_another, namespaces, object, objects, operators, version,
};
use podidentity_core::injector::Injectors;
use serde_json::{Value, json};

use super::{When, rights};
use crate::cluster::{Failure, Session};
use crate::operators::setting;

/// Name prefixes of the admission policies.
pub(super) const GUARD: &str = "podidentity-operator-guard";
pub(super) const GRANTS: &str = "pod-identity-grants";
pub(super) const ENFORCEMENT: &str = "pod-identity-enforcement";

const ADMISSION: &str = "admissionregistration.k8s.io";

/// Everything that `check` read.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) server: String,
    pub(super) version: String,
    /// The issuer of service account tokens, or why it is unknown.
    pub(super) issuer: Result<String, String>,
    /// Rights that the user lacks.
    pub(super) missing: Vec<Right>,
    /// Rights to install the operator that the user lacks. Empty without `--pre`.
    pub(super) missing_to_install: Vec<Right>,
    pub(super) injectors: Injectors,
    pub(super) tried: Tried,
    pub(super) crd: Seen<Value>,
    pub(super) deployments: Seen<Vec<Value>>,
    /// One for each of `deployments`.
    pub(super) operators: Vec<OperatorFacts>,
    /// Names of ValidatingAdmissionPolicies that are bound.
    pub(super) policies: Seen<Vec<String>>,
    pub(super) namespaces: Seen<Vec<Value>>,
    pub(super) bindings: Seen<Vec<Value>>,
    pub(super) now: Timestamp,
}

/// Whether a new pod gets its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// No service account has a role, so there is nothing to try.
    NoAccount,
    /// After admission, the pod has the role of this service account.
    Injected(String),
    /// After admission, the pod lacks the role of this service account.
    Missed(String),
    Forbidden(String),
    Failed(String),
}

/// What is known about one operator beyond its Deployment.
#[derive(Debug)]
pub(super) struct OperatorFacts {
    /// `NAMESPACE/NAME` of its Deployment.
    pub(super) name: String,
    pub(super) lease: Seen<Value>,
    /// Rights that it lacks.
    pub(super) missing: Seen<Vec<Right>>,
}

impl OperatorFacts {
    async fn read(connection: &Connection, deployment: &Value) -> Self {
        let [namespace, name] = ["namespace", "name"].map(|field| text(&deployment["metadata"], &format!("/{field}")));
        Self {
            name: format!("{namespace}/{name}"),
            lease: lease(connection, deployment).await,
            missing: operator_missing(connection, deployment).await,
        }
    }
}

impl Facts {
    /// The names of all namespaces. Empty if the user may not list them.
    pub(super) fn namespace_names(&self) -> Vec<String> {
        let all = self.namespaces.found().into_iter().flatten();
        all.map(|namespace| text(&namespace["metadata"], "/name").to_owned()).collect()
    }

    pub(super) async fn read(session: &Session, when: When) -> Result<Self, Failure> {
        let connection = &session.connection;
        let Connection { client, clock, server, .. } = connection;
        let version = version(client).await?;
        let deployments = operators(client).await;
        let mut operators = Vec::new();
        for deployment in deployments.found().into_iter().flatten() {
            operators.push(OperatorFacts::read(connection, deployment).await);
        }
        Ok(Self {
            server: server.clone(),
            version,
            issuer: issuer(client).await.map_err(|error| error.to_string()),
            missing: missing(connection, rights::of_users(), session.namespace.as_deref()).await?,
            missing_to_install: match when {
                When::Before => missing(connection, rights::to_install(), None).await?,
                When::After => Vec::new(),
            },
            injectors: session.injectors().await?,
            tried: tried(session).await,
            crd: object(client, DEFINITIONS, None, "podidentitybindings.podidentity.dev").await,
            deployments,
            operators,
            policies: policies(connection).await,
            namespaces: namespaces(client).await,
            bindings: objects(client, BINDINGS, session.namespace.as_deref(), "").await,
            now: clock.now(),
        })
    }
}

const ACCOUNTS: Resource = Resource { group: "", version: "v1", kind: "ServiceAccount", plural: "serviceaccounts" };
const LEASES: Resource = Resource { group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases" };
const POLICY_BINDINGS: Resource = Resource {
    group: ADMISSION,
    version: "v1",
    kind: "ValidatingAdmissionPolicyBinding",
    plural: "validatingadmissionpolicybindings",
};
const DEFINITIONS: Resource = Resource {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
};
const BINDINGS: Resource = Resource {
    group: "podidentity.dev",
    version: "v1alpha1",
    kind: "PodIdentityBinding",
    plural: "podidentitybindings",
};

async fn missing(connection: &Connection, rights: Vec<Right>, namespace: Option<&str>) -> Result<Vec<Right>, Failure> {
    let mut missing = Vec::new();
    for right in rights {
        if !may(&connection.client, &right, namespace).await? {
            missing.push(right);
        }
    }
    Ok(missing)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn lease(connection: &Connection, operator: &Value) -> Seen<Value> {
    let name = setting(operator, "lease-name").unwrap_or("podidentity-operator");
    object(&connection.client, LEASES, Some(text(operator, "/metadata/namespace")), name).await
}

/// The rights that the operator lacks in the namespaces that it serves, or cluster-wide.
async fn operator_missing(connection: &Connection, operator: &Value) -> Seen<Vec<Right>> {
    let namespace = text(operator, "/metadata/namespace");
    let account = text(operator, "/spec/template/spec/serviceAccountName");
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let served: Vec<Option<&str>> = match setting(operator, "namespaces") {
        Some(names) if !names.is_empty() => names.split(',').map(Some).collect(),
        _ => vec![None],
    };
    let mut missing = Vec::new();
    for right in rights::of_the_operator(served == [None]) {
        for namespace in &served {
            match may_another(&connection.client, &user, &right, *namespace).await {
                Seen::Found(true) => {}
                Seen::Found(false) if missing.last() == Some(&right) => {}
                Seen::Found(false) => missing.push(right.clone()),
                unseen => return unseen.map(|_| Vec::new()),
            }
        }
    }
    Seen::Found(missing)
}

async fn policies(connection: &Connection) -> Seen<Vec<String>> {
    let bindings = objects(&connection.client, POLICY_BINDINGS, None, "").await;
    bindings.map(|all| all.iter().map(|it| text(it, "/spec/policyName").to_owned()).collect())
}

/// Creates a pod of the first service account with a role, as a dry run. The pod meets the
/// `restricted` Pod Security Standard.
async fn tried(session: &Session) -> Tried {
    let client = &session.connection.client;
    let key = session.config.settings.key("role-arn");
    let accounts = match objects(client, ACCOUNTS, session.namespace.as_deref(), "").await {
        Seen::Found(accounts) => accounts,
        Seen::Forbidden(right) => return Tried::Forbidden(right),
        Seen::Absent => return Tried::NoAccount,
        Seen::Failed(why) => return Tried::Failed(why),
    };
    let annotated = accounts.iter().find(|it| {
        let role = it["metadata"]["annotations"][&key].as_str();
        role.is_some_and(|role| !role.is_empty()) && it["metadata"]["deletionTimestamp"].is_null()
    });
    let Some(account) = annotated else { return Tried::NoAccount };
    let (namespace, name) = (text(account, "/metadata/namespace"), text(account, "/metadata/name"));
    let shown = format!("{namespace}/{name}");
    match installation::tried_pod(client, namespace, &pod(name)).await {
        Seen::Found(pod) if has_role(&pod) => Tried::Injected(shown),
        Seen::Found(_) => Tried::Missed(shown),
        Seen::Forbidden(right) => Tried::Forbidden(right),
        Seen::Absent => Tried::NoAccount,
        Seen::Failed(why) => Tried::Failed(why),
    }
}

fn pod(account: &str) -> Pod {
    let pod = json!({
        "metadata": {"generateName": "podidentity-check-", "labels": {"app.kubernetes.io/name": "podidentity-check"}},
        "spec": {
            "serviceAccountName": account,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "check",
                "image": "podidentity-check",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
            }],
        },
    });
    serde_json::from_value(pod).unwrap_or_default()
}

fn has_role(pod: &Value) -> bool {
    let variables = pod.pointer("/spec/containers/0/env").and_then(Value::as_array);
    variables.into_iter().flatten().any(|it| it["name"] == podidentity_core::injection::ROLE_ARN)
}
