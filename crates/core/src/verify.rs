//! placeholder until the real one is merged
use crate::finding::{Finding, FindingReason, Severity};
use crate::objects::{Pod, PodTemplate};
use crate::settings::Settings;
use crate::wanted::Wanted;
/// What was found in one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodVerdict {
    /// findings
    pub findings: Vec<Finding>,
}
impl PodVerdict {
    /// no Error
    pub fn is_verified(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Error)
    }
    /// roll helps
    pub fn roll_cures(&self) -> bool {
        self.findings.iter().any(|f| f.roll_cures && f.severity != Severity::Info)
    }
}
/// Judges
pub fn verify_pod(pod: &Pod, template: Option<&PodTemplate>, wanted: &Wanted, _settings: &Settings) -> PodVerdict {
    let mut findings = vec![];
    for c in &pod.spec.containers {
        let role = c.env.iter().rev().find(|e| e.name == "AWS_ROLE_ARN").and_then(|e| e.value.as_deref());
        if role == Some(&wanted.role_arn) {
            continue;
        }
        let preset = template.is_some_and(|t| {
            t.spec.containers.iter().any(|d| d.name == c.name && d.env.iter().any(|e| e.name == "AWS_ROLE_ARN"))
        });
        let reason = if role.is_some() {
            if preset { FindingReason::RoleEnvPreset } else { FindingReason::StaleRole }
        } else if pod.metadata.creation_timestamp.as_ref().map(|t| t.0) < wanted.annotated_at {
            FindingReason::PodPredatesBinding
        } else {
            FindingReason::InjectionMissed
        };
        findings.push(Finding {
            severity: Severity::Error,
            reason,
            object: format!("Pod/{}", pod.name()),
            container: Some(c.name.clone()),
            message: format!("{reason:?}"),
            roll_cures: template.is_some() && !preset,
        });
    }
    PodVerdict { findings }
}
