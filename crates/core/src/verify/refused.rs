//! Pods that the API server refuses, as they are written or once they are injected.

use super::size::is_too_large;
use crate::expectation::Expectation;
use crate::finding::{Finding, FindingReason};
use crate::injection::{Refusal, RefusalKind, SKIP_CONTAINERS, inject};
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
    let when = match annotated {
        _ if refusal.is_own() => "",
        _ if expected.identity.is_of_association() => ", once its service account has an association",
        true => "",
        false => ", once its service account is annotated",
    };
    Finding {
        message: Message::new(format!("the API server refuses the next pod of {object}{when}"))
            .because(format!("{refusal}."))
            .action(action(refusal, expected, settings)),
        ..finding(object, refusal)
    }
}

/// The finding for the manifest of a pod that the API server refuses as it is written.
pub fn pod_refused(object: String, refusal: &Refusal) -> Finding {
    Finding {
        message: Message::new(format!("the API server refuses the pod of {object}"))
            .because(format!("{refusal}."))
            .action(own_action(refusal)),
        ..finding(object, refusal)
    }
}

/// The finding for a manifest in which `inject` leaves out what would make the API server refuse
/// the pod.
pub fn left_alone(object: String, refusal: &Refusal, expected: &Expectation) -> Finding {
    let [first, second] = expected.variables();
    let (what, action) = match &refusal.container {
        Some(container) => (
            format!("container {container} of {object} is left alone, because the API server would refuse the pod"),
            format!("Take that mount out and inject again, or set {first} and {second} for a token that it has."),
        ),
        None => (
            format!("{object} is left alone, because the API server would refuse the pod"),
            LIFETIME_OF_INJECTION.to_owned(),
        ),
    };
    let message = Message::new(what).because(format!("{refusal}.")).action(action);
    Finding { message, ..finding(object, refusal) }
}

const LIFETIME_OF_INJECTION: &str =
    "Correct the lifetime that its annotations, or the entry in the webhook's ConfigMap, ask for.";

/// What to do about a refusal of a pod with an injection.
fn action(refusal: &Refusal, expected: &Expectation, settings: &Settings) -> String {
    let [first, second] = expected.variables();
    match &refusal.container {
        _ if refusal.is_own() => own_action(refusal),
        Some(container) => format!(
            "Take that mount and the variables {first} and {second} out of the template, so that the webhook adds them, or leave the \
             container to itself with the annotation {}: {container} in the pod template.",
            settings.key(SKIP_CONTAINERS)
        ),
        None => LIFETIME_OF_INJECTION.to_owned(),
    }
}

/// What to do about a pod that is refused as it is written.
fn own_action(refusal: &Refusal) -> String {
    match &refusal.problem {
        RefusalKind::VolumeTwice(_) => "Rename one of them, or take it out.".to_owned(),
        RefusalKind::Lifetime { .. } => {
            "Write expirationSeconds of 600 or more into the volume, 86400 for example.".to_owned()
        }
        RefusalKind::MountPathTaken { .. } | RefusalKind::MountPathTwice { .. } => {
            "Take one of the two mounts out of the template.".to_owned()
        }
    }
}

/// The finding without its message.
fn finding(object: String, refusal: &Refusal) -> Finding {
    let reason = FindingReason::InjectionRefused;
    Finding {
        severity: reason.about().severity,
        reason,
        message: Message::new(String::new()),
        object,
        container: refusal.container.clone(),
        restart_cures: false,
    }
}
