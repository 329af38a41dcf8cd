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

#[cfg(test)]
mod tests {
    use podidentity_api::Mechanism;

    use super::*;
    use crate::desired_identity::DesiredIdentity;
    use crate::finding::Severity;

    const RENAME: &str = "Rename one of them, or take it out.";
    const LIFETIME: &str = "Write expirationSeconds of 600 or more into the volume, 86400 for example.";
    const MOUNT: &str = "Take one of the two mounts out of the template.";

    fn expected(mechanism: Mechanism) -> Expectation {
        Expectation::from(DesiredIdentity {
            role_arn: "arn:aws:iam::111122223333:role/my-role".to_owned(),
            mechanism,
            audience: None,
            token_expiration: None,
            sts_regional_endpoints: None,
        })
    }

    fn of_mount(problem: RefusalKind) -> Refusal {
        Refusal { container: Some("app".to_owned()), problem }
    }

    fn taken() -> Refusal {
        of_mount(RefusalKind::MountPathTaken { path: "/token".to_owned(), volume: "data".to_owned() })
    }

    fn lifetime(volume: Option<&str>) -> Refusal {
        let volume = volume.map(str::to_owned);
        Refusal { container: None, problem: RefusalKind::Lifetime { seconds: 599, volume } }
    }

    /// Refusals of pods as they are written, and what to do about them.
    fn own() -> [(Refusal, &'static str); 3] {
        let twice = RefusalKind::MountPathTwice { path: "/a".to_owned(), volumes: ["a", "b"].map(str::to_owned) };
        let volume = Refusal { container: None, problem: RefusalKind::VolumeTwice("a".to_owned()) };
        [(of_mount(twice), MOUNT), (volume, RENAME), (lifetime(Some("own")), LIFETIME)]
    }

    #[test]
    fn what_is_wrong_without_injection_is_told_as_such() {
        for (refusal, action) in own() {
            let finding = pod_refused("Pod web".to_owned(), &refusal);
            let message = format!("the API server refuses the pod of Pod web: {refusal}. {action}");
            assert_eq!(finding.message.to_string(), message);
            assert_eq!((finding.severity, finding.container), (Severity::Error, refusal.container.clone()));
            assert_eq!((finding.object.as_str(), finding.restart_cures), ("Pod web", false));
            // Whether and how the webhook injects makes no difference.
            for (mechanism, annotated) in [(Mechanism::Irsa, false), (Mechanism::PodIdentity, true)] {
                let settings = Settings::default();
                let next = next_pod_refused("D".to_owned(), &refusal, &expected(mechanism), &settings, annotated);
                let message = format!("the API server refuses the next pod of D: {refusal}. {action}");
                assert_eq!(next.message.to_string(), message);
            }
        }
    }

    #[test]
    fn what_injection_brings_is_told_with_when_it_does() {
        let take_out = |first: &str, file: &str| {
            format!(
                "Take that mount and the variables {first} and {file} out of the template, so that the webhook adds them, \
                 or leave the container to itself with the annotation eks.amazonaws.com/skip-containers: app in the pod \
                 template."
            )
        };
        let irsa = take_out("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE");
        let agent = take_out("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let associated = ", once its service account has an association";
        for (refusal, mechanism, annotated, when, action) in [
            (taken(), Mechanism::Irsa, true, "", irsa.as_str()),
            (taken(), Mechanism::Irsa, false, ", once its service account is annotated", &irsa),
            (taken(), Mechanism::PodIdentity, true, associated, &agent),
            (taken(), Mechanism::PodIdentity, false, associated, &agent),
            (lifetime(None), Mechanism::Irsa, true, "", LIFETIME_OF_INJECTION),
        ] {
            let settings = Settings::default();
            let found = next_pod_refused("D".to_owned(), &refusal, &expected(mechanism), &settings, annotated);
            let message = format!("the API server refuses the next pod of D{when}: {refusal}. {action}");
            assert_eq!(found.message.to_string(), message);
        }
    }

    #[test]
    fn what_is_left_out_of_a_manifest_is_told() {
        let told = |refusal: &Refusal, mechanism| left_alone("D".to_owned(), refusal, &expected(mechanism));
        let because = "is left alone, because the API server would refuse the pod";
        for (mechanism, first, file) in [
            (Mechanism::Irsa, "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
            (Mechanism::PodIdentity, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ] {
            let action =
                format!("Take that mount out and inject again, or set {first} and {file} for a token that it has.");
            let message = format!("container app of D {because}: {}. {action}", taken());
            assert_eq!(told(&taken(), mechanism).message.to_string(), message);
        }
        let of_volume = told(&lifetime(None), Mechanism::Irsa);
        let message = format!("D {because}: {}. {LIFETIME_OF_INJECTION}", lifetime(None));
        assert_eq!((of_volume.message.to_string(), of_volume.container), (message, None));
    }
}
