//! The findings in the pods. The pods belong to the case's workload, if it has one. The binding's
//! status provides the time since which the annotation is in force, and the previous roles.

use std::path::Path;

use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::verify::verify_pod;
use serde::Serialize;

use crate::input::Input;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodFound {
    pod: String,
    verified: bool,
    restart_cures: bool,
    findings: Vec<Found>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    severity: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    restart_cures: bool,
    message: String,
}

pub fn case(path: &Path) -> Result<String, String> {
    let input = Input::read(path)?;
    let [binding] = input.bindings.as_slice() else { return Err("wanted: one binding".to_owned()) };
    let template = match input.workloads.as_slice() {
        [] => None,
        [workload] => Some(&workload.template),
        _ => return Err("wanted: at most one workload".to_owned()),
    };
    let mut expected = Expectation::from(DesiredIdentity::of(&binding.spec));
    if let Some(status) = &binding.status {
        let account = status.service_account.as_ref();
        expected.annotated_at = account.and_then(|account| account.annotated_at.as_ref()).map(|time| time.0);
        expected.earlier_roles.extend(status.last_verified_role_arn.clone());
    }
    let found = input.pods.iter().map(|pod| {
        let verdict = verify_pod(pod, template, &expected, &input.settings);
        PodFound {
            pod: pod.name().to_owned(),
            verified: verdict.is_verified(),
            restart_cures: verdict.restart_cures(),
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
            restart_cures: finding.restart_cures,
            message: finding.message.to_string(),
        }
    }
}
