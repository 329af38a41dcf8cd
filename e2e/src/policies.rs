//! The admission policies of `config/enforcement/` and `config/grants/`, and their effect on an
//! object.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use podidentity_api::names::ENFORCE_LABEL;
use serde_json::{Value, json};

use crate::wait::{self, DEADLINE, Watched};
use crate::{ControlPlane, Namespace};

/// Interval of polling what cannot be watched: the API server's own caches.
const INTERVAL: Duration = Duration::from_millis(50);

/// Texts in the API server's message that distinguish a policy's refusal from a failure.
const REFUSALS: [&str; 2] = ["ValidatingAdmissionPolicy", "failed calling webhook"];

/// The object as the API server would store it, or the reason why a policy refuses it.
pub type Verdict<K> = Result<K, String>;

impl ControlPlane {
    /// Installs enforcement, which affects only namespaces that opt in.
    pub async fn install_enforcement(&self) -> Result<()> {
        self.apply_folder("config/enforcement").await
    }

    /// Installs the policies of a folder, limited to the namespaces with a label, so that other
    /// tests are not disturbed.
    pub async fn install_policies_for(&self, folder: &str, label: &str) -> Result<()> {
        let folder = crate::repository().join(folder);
        let text = self.kubectl(&["kustomize", &folder.display().to_string()]).await?;
        let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        for object in objects.iter_mut().filter(|object| object["kind"] == "ValidatingAdmissionPolicyBinding") {
            object["spec"]["matchResources"]["namespaceSelector"]["matchLabels"][label] = json!("true");
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.apply_yaml(&list.to_string()).await
    }

    /// Puts a policy in force in the namespaces with a label, by a binding with the label's name.
    /// `bindings` locates its parameters, if it has any.
    pub async fn bind_policy(&self, policy: &str, label: &str, bindings: Option<Value>) -> Result<()> {
        let mut binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": label},
            "spec": {
                "policyName": policy,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {label: "true"}}},
            },
        });
        if let Some(bindings) = bindings {
            binding["spec"]["paramRef"] = bindings;
        }
        self.apply_yaml(&binding.to_string()).await
    }
}

/// Waits until the API server has type-checked a policy's expressions, and found no warning.
pub async fn type_checked(control_plane: &ControlPlane, policy: &str) -> Result<()> {
    let api = Api::<ValidatingAdmissionPolicy>::all(control_plane.client());
    let checked = |found: Option<&ValidatingAdmissionPolicy>| {
        let policy = found.ok_or("it does not exist")?;
        let status = policy.status.clone().unwrap_or_default();
        if status.observed_generation != policy.metadata.generation {
            return Err("not checked yet".to_owned());
        }
        Ok(status.type_checking.and_then(|checking| checking.expression_warnings).unwrap_or_default())
    };
    let warnings = wait::object(&api, policy, "the policy was checked", checked).await?;
    ensure!(warnings.is_empty(), "{policy}: {warnings:?}");
    Ok(())
}

/// Enables enforcement in the namespace and waits until it is in force. A binding `app` must be in
/// force there.
pub async fn enforce(control_plane: &ControlPlane, namespace: &Namespace) -> Result<()> {
    enforce_on(control_plane, namespace, &preset("app")?).await.map(|_| ())
}

/// The same, but waits until this pod is refused. Returns the reason.
pub async fn enforce_on(control_plane: &ControlPlane, namespace: &Namespace, pod: &Pod) -> Result<String> {
    control_plane.install_enforcement().await?;
    namespace.mark(&json!({"labels": {ENFORCE_LABEL: "true"}})).await?;
    refused(namespace, pod).await
}

/// A pod whose preset variable keeps the injection from giving it a role.
pub fn preset(service_account: &str) -> Result<Pod> {
    let variable = json!({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/preset"});
    pod_with(service_account, json!({"containers": [{"name": "main", "image": "probe", "env": [variable]}]}))
}

/// A plain pod.
pub fn plain(service_account: &str) -> Result<Pod> {
    pod_with(service_account, json!({"containers": [{"name": "main", "image": "probe"}]}))
}

/// A pod with this specification.
pub fn pod_with(service_account: &str, mut spec: Value) -> Result<Pod> {
    spec["serviceAccountName"] = json!(service_account);
    Ok(serde_json::from_value(json!({"metadata": {"generateName": "probe-"}, "spec": spec}))?)
}

/// The verdict on an object, without creating it.
pub async fn attempt<K>(namespace: &Namespace, object: &K) -> Result<Verdict<K>>
where
    K: Watched + kube::Resource<Scope = NamespaceResourceScope>,
{
    let dry_run = PostParams { dry_run: true, field_manager: None };
    match namespace.api::<K>().create(&dry_run, object).await {
        Ok(object) => Ok(Ok(object)),
        Err(kube::Error::Api(status)) if REFUSALS.iter().any(|words| status.message.contains(words)) => {
            Ok(Err(status.message.clone()))
        }
        Err(error) => Err(error).context("cannot try an object"),
    }
}

/// Waits until the object is refused: the API server's view of policies, namespaces and bindings
/// lags a little.
pub async fn refused<K>(namespace: &Namespace, object: &K) -> Result<String>
where
    K: Watched + kube::Resource<Scope = NamespaceResourceScope>,
{
    until(namespace, object, Result::err).await
}

/// Waits until the object is admitted.
pub async fn admitted<K>(namespace: &Namespace, object: &K) -> Result<K>
where
    K: Watched + kube::Resource<Scope = NamespaceResourceScope>,
{
    until(namespace, object, Result::ok).await
}

async fn until<K, T>(namespace: &Namespace, object: &K, accept: impl Fn(Verdict<K>) -> Option<T>) -> Result<T>
where
    K: Watched + kube::Resource<Scope = NamespaceResourceScope>,
{
    let began = Instant::now();
    loop {
        let verdict = attempt(namespace, object).await?;
        let seen = verdict.as_ref().map_or_else(|refusal| format!("refused: {refusal}"), |_| "let in".to_owned());
        if let Some(wanted) = accept(verdict) {
            return Ok(wanted);
        }
        if began.elapsed() > DEADLINE {
            bail!("in namespace {} it is still {seen}: {object:?}", namespace.name);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
