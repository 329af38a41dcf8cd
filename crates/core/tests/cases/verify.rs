//! What is found in the pods. They belong to the case's workload, if it has one. Since when the annotation is in force,
//! and which roles came before, is read from the binding's status.

use podidentity_core::verify::verify_pod;
use podidentity_core::wanted::Wanted;
use serde::Serialize;

use crate::input::Input;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodFound {
    pod: String,
    verified: bool,
    roll_cures: bool,
    findings: Vec<Found>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    severity: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    roll_cures: bool,
    message: String,
}

pub fn case(input: &Input) -> Result<String, String> {
    let [binding] = input.bindings.as_slice() else { return Err("wanted: one binding".to_owned()) };
    let template = match input.workloads.as_slice() {
        [] => None,
        [workload] => Some(&workload.template),
        _ => return Err("wanted: at most one workload".to_owned()),
    };
    let mut wanted = Wanted::of(&binding.spec);
    if let Some(status) = &binding.status {
        let account = status.service_account.as_ref();
        wanted.annotated_at = account.and_then(|account| account.annotated_at.as_ref()).map(|time| time.0);
        wanted.earlier_roles.extend(status.last_verified_role_arn.clone());
    }
    let found = input.pods.iter().map(|pod| {
        let verdict = verify_pod(pod, template, &wanted, &input.settings);
        PodFound {
            pod: pod.name().to_owned(),
            verified: verdict.is_verified(),
            roll_cures: verdict.roll_cures(),
            findings: verdict.findings.into_iter().map(Found::from).collect(),
        }
    });
    serde_saphyr::to_string(&found.collect::<Vec<_>>()).map_err(|error| error.to_string())
}

impl From<podidentity_core::finding::Finding> for Found {
    fn from(finding: podidentity_core::finding::Finding) -> Self {
        Self {
            severity: format!("{:?}", finding.severity),
            reason: finding.reason.as_str(),
            container: finding.container,
            roll_cures: finding.roll_cures,
            message: finding.message,
        }
    }
}
