//! Pods that the API server refuses once they are injected.

use crate::finding::{Finding, FindingReason};
use crate::injection::{Refusal, SKIP_CONTAINERS};
use crate::settings::Settings;

/// The finding for the workload, or the manifest, whose next pods are refused. `annotated`: whether its service account has
/// the role already.
pub fn next_pod_refused(object: String, refusal: &Refusal, settings: &Settings, annotated: bool) -> Finding {
    let reason = FindingReason::InjectionRefused;
    let when = if annotated { "" } else { ", once its service account is annotated" };
    let action = match &refusal.container {
        Some(container) => format!(
            "Take that mount and the variables {} and {} out of the template, so that the webhook adds them, or leave the \
             container to itself with the annotation {}: {container} in the pod template",
            crate::injection::ROLE_ARN,
            crate::injection::TOKEN_FILE,
            settings.key(SKIP_CONTAINERS)
        ),
        None => "Correct the lifetime that its annotations ask for".to_owned(),
    };
    Finding {
        severity: reason.about().severity,
        reason,
        message: format!("the API server refuses the next pod of {object}{when}: {refusal}. {action}."),
        object,
        container: refusal.container.clone(),
        roll_cures: false,
    }
}
