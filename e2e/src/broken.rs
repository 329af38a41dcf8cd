//! A cluster in which everything is broken once: for each finding, a workload that has the finding
//! and its name. No operator runs in it; this module writes what an operator would have written.
//!
//! ```text
//! without injection: pods that lack the role ─► the policy is installed ─► pods that get it ─► what they got is changed
//! ```

use anyhow::Result;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use podidentity_api::{PodIdentityBinding, names};
use serde_json::{Value, json};

use crate::fixtures::{OTHER_ROLE, ROLE, role_annotation};
use crate::{ControlPlane, Namespace, expect, fixtures, injection, wait};

/// The queried object and the cause that the answer must name: one for each finding, then those of
/// service accounts.
pub const CAUSES: &[(&str, &str)] = &[
    ("deploy/pod-predates-binding", "PodPredatesBinding"),
    ("deploy/injection-missed", "InjectionMissed"),
    ("deploy/stale-role", "StaleRole"),
    ("deploy/role-env-preset", "RoleEnvPreset"),
    ("deploy/pod-identity-instead", "PodIdentityInstead"),
    ("deploy/role-env-missing", "RoleEnvMissing"),
    ("deploy/token-env-missing", "TokenEnvMissing"),
    ("deploy/token-env-mismatch", "TokenEnvMismatch"),
    ("deploy/mount-missing", "MountMissing"),
    ("deploy/foreign-token-volume", "ForeignTokenVolume"),
    ("deploy/audience-mismatch", "AudienceMismatch"),
    ("deploy/token-expiration-mismatch", "TokenExpirationMismatch"),
    ("deploy/token-not-refreshed", "TokenNotRefreshed"),
    ("deploy/sts-endpoint-mismatch", "StsEndpointMismatch"),
    ("deploy/container-skipped", "ContainerSkipped"),
    ("deploy/webhook-skipped", "WebhookSkipped"),
    ("deploy/static-credentials-shadow", "StaticCredentialsShadow"),
    ("deploy/env-from-opaque", "EnvFromOpaque"),
    ("deploy/pod-identity-active", "PodIdentityActive"),
    ("deploy/node-role-reachable", "NodeRoleReachable"),
    ("deploy/token-may-be-unreadable", "TokenMayBeUnreadable"),
    ("deploy/rollout-reverted", "RolloutReverted"),
    ("job/workload-unmanaged", "WorkloadUnmanaged"),
    ("deploy/webhook-not-found", "WebhookNotFound"),
    ("deploy/not-annotated", "NotAnnotated"),
    ("pib/service-account-not-found", "ServiceAccountNotFound"),
    ("deploy/annotation-conflict", "AnnotationConflict"),
    ("deploy/invalid-role-arn", "InvalidRoleArn"),
    ("deploy/suspended", "Suspended"),
    ("pib/service-account-claimed", "ServiceAccountClaimed"),
    ("sa/no-pods", "NoPods"),
    ("deploy/manual", "PodPredatesBinding"),
    ("deploy/verified", "Verified"),
];

/// Where the token is mounted.
const MOUNT: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
/// The workloads that are not created together with the others.
const LATER: &[&str] = &["pod-predates-binding", "manual"];

impl ControlPlane {
    /// Creates the broken cluster in the namespace. Injection must not be installed before.
    pub async fn break_everything(&self, namespace: &Namespace) -> Result<()> {
        self.install_operator().await?;
        let cluster = Broken { namespace: namespace.clone() };
        cluster.without_injection().await?;
        self.install_injection().await?;
        cluster.with_injection().await?;
        cluster.change_what_they_got().await
    }
}

struct Broken {
    namespace: Namespace,
}

impl Broken {
    /// Creates pods while nothing injects.
    async fn without_injection(&self) -> Result<()> {
        for name in LATER.iter().chain(&["not-annotated", "suspended"]) {
            self.account_without_role(name).await?;
        }
        for name in ["injection-missed", "pod-identity-instead"] {
            self.account(name, ROLE).await?;
        }
        self.account_without_role("webhook-not-found").await?;
        self.bind("webhook-not-found", &json!({})).await?;
        self.annotate_as_operator("webhook-not-found", &json!({role_annotation(): ROLE})).await?;

        let given_up = json!({"metadata": {"annotations": {names::IDENTITY_ANNOTATION: format!("{}-3", hash()?)}}});
        let pod_identity = container(&json!({"env": [
            {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
            {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/token"},
        ]}));
        let all = [
            ("pod-predates-binding", json!({})),
            ("manual", json!({})),
            ("not-annotated", json!({})),
            ("suspended", json!({})),
            ("injection-missed", json!({})),
            ("pod-identity-instead", pod_identity),
            ("webhook-not-found", given_up),
        ];
        try_join_all(all.iter().map(|(name, template)| self.deploy(name, template))).await?;
        self.restarted("webhook-not-found", &format!("{}-3", hash()?)).await?;
        let suspended = fixtures::binding_with("suspended", "suspended", ROLE, &json!({"suspend": true}))?;
        self.namespace.create(suspended).await?;
        self.namespace.create(fixtures::binding("service-account-not-found", "nobody", ROLE)?).await?;
        self.pods_are_older().await
    }

    /// Records in the binding's status that the operator has restarted the Deployment of the same
    /// name with this mark.
    async fn restarted(&self, name: &str, mark: &str) -> Result<()> {
        let deployment: Deployment = self.namespace.api().get(name).await?;
        let restart = json!({
            "kind": "Deployment", "name": name, "uid": deployment.metadata.uid, "mark": mark, "generation": 0,
            "since": deployment.metadata.creation_timestamp, "healthy": true,
        });
        let subject = format!("system:serviceaccount:{}:{name}", self.namespace.name);
        let status = Patch::Merge(json!({"status": {"subject": subject, "restarts": [restart]}}));
        let api: Api<PodIdentityBinding> = self.namespace.api();
        api.patch_status(name, &PatchParams::default(), &status).await?;
        Ok(())
    }

    /// Creates pods while the policy injects, some of them with presets that keep it from
    /// injecting.
    async fn with_injection(&self) -> Result<()> {
        let presets = presets()?;
        let all = presets.iter().map(|(name, template)| self.injected(name, template));
        try_join_all(all).await?;
        self.account("workload-unmanaged", ROLE).await?;
        self.account("no-pods", ROLE).await?;
        injection::in_force(&self.namespace, "workload-unmanaged", ROLE).await?;
        self.namespace.create(fixtures::job("workload-unmanaged", "workload-unmanaged")?).await?;
        self.pods_of_job("workload-unmanaged").await
    }

    /// Creates an account that already has the role, and a Deployment.
    async fn injected(&self, name: &str, template: &Value) -> Result<()> {
        let role = match name {
            "stale-role" | "annotation-conflict" => OTHER_ROLE,
            "invalid-role-arn" => "arn:aws:iam::111122223333:user/somebody",
            _ => ROLE,
        };
        self.account(name, role).await?;
        injection::in_force(&self.namespace, name, role).await?;
        self.deploy(name, template).await
    }

    /// Changes the accounts and pods afterwards, so that the pods no longer have the declared
    /// identity.
    async fn change_what_they_got(&self) -> Result<()> {
        self.pods_are_older().await?;
        self.annotate("pod-predates-binding", &json!({role_annotation(): ROLE})).await?;
        self.annotate("stale-role", &json!({role_annotation(): ROLE})).await?;
        let key = |name: &str| format!("{}/{name}", names::EKS_DOMAIN);
        self.annotate("audience-mismatch", &json!({key("audience"): "sts.example.com"})).await?;

        self.bind("token-expiration-mismatch", &json!({"tokenExpirationSeconds": 3600})).await?;
        let annotations = json!({role_annotation(): ROLE, key("token-expiration"): "3600"});
        self.annotate_as_operator("token-expiration-mismatch", &annotations).await?;
        self.bind("sts-endpoint-mismatch", &json!({"stsRegionalEndpoints": true})).await?;
        let annotations = json!({role_annotation(): ROLE, key("sts-regional-endpoints"): "true"});
        self.annotate_as_operator("sts-endpoint-mismatch", &annotations).await?;
        self.bind("manual", &json!({"rollout": {"policy": "Manual"}})).await?;
        self.annotate_as_operator("manual", &json!({role_annotation(): ROLE})).await?;

        self.bind("annotation-conflict", &json!({})).await?;
        self.bind("rollout-reverted", &json!({})).await?;
        self.annotate_as_operator("rollout-reverted", &json!({role_annotation(): ROLE})).await?;
        let unmarked = json!({"template": {"metadata": {"annotations": {names::IDENTITY_ANNOTATION: null}}}});
        let mut paused = unmarked;
        paused["paused"] = json!(true);
        self.namespace.change::<Deployment>("rollout-reverted", &json!({"spec": paused})).await?;

        let first = self.namespace.create(fixtures::binding("verified", "verified", ROLE)?).await?;
        self.annotate_as_operator("verified", &json!({role_annotation(): ROLE})).await?;
        a_second_after(first.metadata.creation_timestamp.as_ref()).await;
        let second = fixtures::binding("service-account-claimed", "verified", OTHER_ROLE)?;
        self.namespace.create(second).await?;
        Ok(())
    }

    /// Creates an account as eksctl does.
    async fn account(&self, name: &str, role: &str) -> Result<()> {
        let labels = json!({"app.kubernetes.io/managed-by": "eksctl"});
        let part = json!({"metadata": {"labels": labels, "annotations": {role_annotation(): role}}});
        self.namespace.take_over::<ServiceAccount>("eksctl", name, part).await?;
        Ok(())
    }

    /// Adds a label: the API server records no field manager for an account that is created without
    /// any field.
    async fn account_without_role(&self, name: &str) -> Result<()> {
        let part = json!({"metadata": {"labels": {"app": name}}});
        self.namespace.take_over::<ServiceAccount>("kubectl", name, part).await?;
        Ok(())
    }

    async fn annotate(&self, name: &str, annotations: &Value) -> Result<()> {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.namespace.change::<ServiceAccount>(name, &patch).await?;
        Ok(())
    }

    async fn annotate_as_operator(&self, name: &str, annotations: &Value) -> Result<()> {
        let part = json!({"metadata": {"annotations": annotations}});
        self.namespace.take_over::<ServiceAccount>(names::FIELD_MANAGER, name, part).await?;
        Ok(())
    }

    /// Sets no settle time: the result must not depend on when a command looks.
    async fn bind(&self, name: &str, spec: &Value) -> Result<()> {
        let mut spec = spec.clone();
        spec["rollout"]["settleSeconds"] = json!(0);
        self.namespace.create(fixtures::binding_with(name, name, ROLE, &spec)?).await?;
        Ok(())
    }

    /// A Deployment of one pod with this part of its template. Waits until the pod runs.
    async fn deploy(&self, name: &str, template: &Value) -> Result<()> {
        let mut object = serde_json::to_value(fixtures::deployment(name, name, 1)?)?;
        merge(&mut object["spec"]["template"], template);
        self.namespace.create(serde_json::from_value::<Deployment>(object)?).await?;
        expect::rolled_out(&self.namespace, name).await?;
        Ok(())
    }

    async fn pods_of_job(&self, name: &str) -> Result<()> {
        let labels = format!("batch.kubernetes.io/job-name={name}");
        wait::objects(&self.namespace.api::<Pod>(), &labels, "the job has a pod", |pods: &[&Pod]| {
            if pods.is_empty() { Err("there is none".to_owned()) } else { Ok(()) }
        })
        .await
    }

    async fn pods_are_older(&self) -> Result<()> {
        let pods = self.namespace.api::<Pod>().list(&ListParams::default()).await?;
        let created = pods.items.iter().filter_map(|pod| pod.metadata.creation_timestamp.as_ref());
        a_second_after(created.max()).await;
        Ok(())
    }
}

/// Times on the wire have whole seconds. After this wait, the next timestamp is later.
async fn a_second_after(time: Option<&Time>) {
    let Some(time) = time else { return };
    let at = time.0 + SignedDuration::from_millis(1100);
    if let Ok(rest) = std::time::Duration::try_from(at.duration_since(Timestamp::now())) {
        tokio::time::sleep(rest).await;
    }
}

/// The hash of the identity that [`Broken::bind`] declares.
fn hash() -> Result<String> {
    let binding: PodIdentityBinding = fixtures::binding("any", "any", ROLE)?;
    Ok(podidentity_core::desired_identity::DesiredIdentity::of(&binding.spec).hash())
}

/// A pod template part that sets fields of its container.
fn container(fields: &Value) -> Value {
    json!({"spec": {"containers": [fields]}})
}

fn env(variables: &[(&str, &str)]) -> Value {
    let all: Vec<Value> = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    container(&json!({"env": all}))
}

fn token(mode: Option<i32>) -> Value {
    let source = json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"});
    let mut volume = json!({"sources": [{"serviceAccountToken": source}]});
    if let Some(mode) = mode {
        volume["defaultMode"] = json!(mode);
    }
    json!({"name": "aws-iam-token", "projected": volume})
}

/// The template parts that give their pods the finding of the same name.
fn presets() -> Result<Vec<(&'static str, Value)>> {
    let role = ("AWS_ROLE_ARN", ROLE);
    let file = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token");
    let mut foreign = container(&json!({"volumeMounts": [{"name": "aws-iam-token", "mountPath": MOUNT}]}));
    foreign["spec"]["volumes"] = json!([{"name": "aws-iam-token", "emptyDir": {}}]);
    let mut frozen = env(&[role, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/aws/token")]);
    let mount = json!([{"name": "aws-iam-token", "mountPath": "/aws/token", "subPath": "token"}]);
    frozen["spec"]["containers"][0]["volumeMounts"] = mount;
    frozen["spec"]["volumes"] = json!([token(None)]);
    let mut skipped = json!({"metadata": {"annotations": {"eks.amazonaws.com/skip-containers": "sidecar"}}});
    skipped["spec"]["initContainers"] =
        json!([{"name": "sidecar", "image": "registry.example.com/proxy:1", "restartPolicy": "Always"}]);
    let secret = json!({"envFrom": [{"secretRef": {"name": "settings"}}]});
    Ok(vec![
        ("verified", json!({})),
        ("stale-role", json!({})),
        ("audience-mismatch", json!({})),
        ("token-expiration-mismatch", json!({})),
        ("sts-endpoint-mismatch", json!({})),
        ("annotation-conflict", json!({})),
        ("invalid-role-arn", json!({})),
        ("role-env-preset", env(&[("AWS_ROLE_ARN", OTHER_ROLE)])),
        ("role-env-missing", env(&[file])),
        ("token-env-missing", env(&[role])),
        ("token-env-mismatch", env(&[role, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/elsewhere/token")])),
        ("mount-missing", env(&[role, file, ("AWS_REGION", "eu-west-1"), ("AWS_STS_REGIONAL_ENDPOINTS", "regional")])),
        ("foreign-token-volume", foreign),
        ("token-not-refreshed", frozen),
        ("container-skipped", skipped),
        ("webhook-skipped", json!({"metadata": {"labels": {"eks.amazonaws.com/skip-pod-identity-webhook": "true"}}})),
        ("static-credentials-shadow", env(&[("AWS_ACCESS_KEY_ID", "EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "EXAMPLE")])),
        ("env-from-opaque", container(&secret)),
        ("pod-identity-active", json!({"metadata": {"labels": {"eks.amazonaws.com/pod-identity": "enabled"}}})),
        ("node-role-reachable", json!({"spec": {"hostNetwork": true}})),
        ("token-may-be-unreadable", json!({"spec": {"volumes": [token(Some(0o400))]}})),
        ("rollout-reverted", json!({"metadata": {"annotations": {names::IDENTITY_ANNOTATION: hash()?}}})),
    ])
}

/// Merges one document into another: objects by key, lists by index.
fn merge(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(base), Value::Array(more)) => {
            for (index, value) in more.iter().enumerate() {
                match base.get_mut(index) {
                    Some(present) => merge(present, value),
                    None => base.push(value.clone()),
                }
            }
        }
        (base, more) => *base = more.clone(),
    }
}
