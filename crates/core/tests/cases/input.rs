//! The documents of a case, sorted by kind.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, Pod, Rollout, ServiceAccount, StatefulSet, Workload,
};
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::settings::Settings;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All documents that a case may contain.
#[derive(Default)]
pub struct Input {
    pub bindings: Vec<PodIdentityBinding>,
    pub service_accounts: Vec<ServiceAccount>,
    pub workloads: Vec<Workload>,
    pub pods: Vec<Pod>,
    /// Whether EKS has an association for the service account.
    pub is_associated: bool,
    /// The pods again, in their original form.
    pub pod_documents: Vec<Value>,
    pub namespace: Option<Namespace>,
    /// The current time, from a document of kind `Moment`.
    pub now: Timestamp,
    /// How many rollouts the operator-wide limit allows, from the same document.
    pub slots: Option<usize>,
    /// The webhook's flags, from a document of kind `WebhookFlags`.
    pub settings: Settings,
    /// The operator's `--require-grants`, from a document of kind `OperatorFlags`.
    pub require_grants: bool,
    /// The operator's `--dry-run`, from the same document.
    pub dry_run: bool,
    /// What went wrong with the last writes, from documents of kind `Problem`.
    pub problems: Vec<Problem>,
}

impl Input {
    /// Reads a file; a document of an unknown kind is an error.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("input.yaml: {error}"))?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|error| format!("input.yaml: {error}"))?;
        let mut input = Self::default();
        for document in documents {
            input.add(document)?;
        }
        // Like the index, this drops a workload whose template belongs to another workload: it
        // names no service account.
        input.workloads.retain(|workload| workload.service_account().is_some());
        Ok(input)
    }

    fn add(&mut self, document: Value) -> Result<(), String> {
        match document["kind"].as_str().unwrap_or_default() {
            "PodIdentityBinding" => self.bindings.push(decode(document)?),
            "ServiceAccount" => self.service_accounts.push(decode(document)?),
            "Deployment" => self.workloads.push(decode::<Deployment>(document)?.into()),
            "StatefulSet" => self.workloads.push(decode::<StatefulSet>(document)?.into()),
            "Rollout" => self.workloads.push(decode::<Rollout>(document)?.into()),
            "DaemonSet" => self.workloads.push(decode::<DaemonSet>(document)?.into()),
            "Pod" => {
                self.pod_documents.push(document.clone());
                // In the form in which the index stores pods.
                self.pods.push(decode::<Pod>(document)?.slim());
            }
            "PodIdentityAssociation" => self.is_associated = true,
            "Namespace" => self.namespace = Some(decode(document)?),
            "Moment" => {
                self.slots = decode(document["slots"].clone())?;
                self.now = decode(document["now"].clone())?;
            }
            "WebhookFlags" => self.settings = settings(&document)?,
            "OperatorFlags" => {
                self.require_grants = document["require-grants"] == true;
                self.dry_run = document["dry-run"] == true;
            }
            "Problem" => self.problems.push(problem(&document)?),
            kind => return Err(format!("input.yaml: unknown kind {kind:?}")),
        }
        Ok(())
    }
}

fn decode<T: DeserializeOwned>(document: Value) -> Result<T, String> {
    let kind = document["kind"].clone();
    serde_json::from_value(document).map_err(|error| format!("input.yaml: {kind}: {error}"))
}

fn settings(document: &Value) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (flag, value) in document.as_object().into_iter().flatten().filter(|(flag, _)| *flag != "kind") {
        let text = value.as_str().unwrap_or_default().to_owned();
        match flag.as_str() {
            "annotation-prefix" => settings.annotation_domain = text,
            "token-audience" => settings.audience = text,
            "token-mount-path" => settings.mount_path = text,
            "token-expiration" => settings.token_expiration = value.as_i64().unwrap_or_default(),
            "aws-default-region" => settings.region = Some(text),
            "sts-regional-endpoint" => settings.sts_regional_endpoints = value.as_bool().unwrap_or_default(),
            // A flag of the operator.
            "imds-open-to-pods" => settings.imds_open_to_pods = value.as_bool().unwrap_or_default(),
            _ => return Err(format!("input.yaml: the webhook has no flag {flag}")),
        }
    }
    Ok(settings)
}

fn problem(document: &Value) -> Result<Problem, String> {
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let kind = match document["problem"].as_str() {
        Some("Stale") => ProblemKind::Stale,
        Some("Conflict") => ProblemKind::Conflict,
        Some("Rewritten") => ProblemKind::Rewritten,
        Some("Refused") => ProblemKind::Refused,
        Some("Failed") => ProblemKind::Failed,
        _ => return Err("input.yaml: unknown problem".to_owned()),
    };
    Ok(Problem { workload: None, what: text("what"), kind, message: text("message") })
}
