//! Pods that the API server refuses once they are injected.

use super::size::is_too_large;
use crate::expectation::Expectation;
use crate::finding::{Finding, FindingReason};
use crate::injection::{Refusal, SKIP_CONTAINERS, inject};
use crate::message::Message;
use crate::objects::PodTemplate;
use crate::settings::Settings;

/// Why the API server would refuse the next pod of the template once it is injected; `None` if it
/// accepts the pod, or if the template is too large to judge.
pub(crate) fn next_pod_refusal(template: &PodTemplate, expected: &Expectation, settings: &Settings) -> Option<Refusal> {
    let judged = !is_too_large(&template.spec);
    let injection = judged.then(|| inject(template, expected.given(&expected.offered(settings)), settings))?;
    injection.refusal(&template.spec)
}

/// The finding for the workload, or the manifest, whose next pods are refused. `annotated`: whether
/// its service account already has the role.
pub fn next_pod_refused(
    object: String,
    refusal: &Refusal,
    expected: &Expectation,
    settings: &Settings,
    annotated: bool,
) -> Finding {
    let reason = FindingReason::InjectionRefused;
    let when = match annotated {
        _ if expected.identity.is_of_association() => ", once its service account has an association",
        true => "",
        false => ", once its service account is annotated",
    };
    let [first, second] = expected.variables();
    let action = match &refusal.container {
        Some(container) => format!(
            "Take that mount and the variables {first} and {second} out of the template, so that the webhook adds them, or leave the \
             container to itself with the annotation {}: {container} in the pod template.",
            settings.key(SKIP_CONTAINERS)
        ),
        None => "Correct the lifetime that its annotations ask for.".to_owned(),
    };
    Finding {
        severity: reason.about().severity,
        reason,
        message: Message::new(format!("the API server refuses the next pod of {object}{when}"))
            .because(format!("{refusal}."))
            .action(action),
        object,
        container: refusal.container.clone(),
        roll_cures: false,
    }
}
