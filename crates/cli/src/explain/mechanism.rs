//! IRSA and EKS Pod Identity at once: which one counts, and in which order to get rid of the other.

use podidentity_core::injection::has_agent_volume;

use super::steps::step;
use super::{Step, Subject};
use crate::paint::Mark;

/// The step, where the service account shows both mechanisms.
pub(super) fn of(subject: &Subject<'_>) -> Option<Step> {
    let pods = || subject.snapshot.pods.iter().filter(|pod| pod.is_live());
    let associated = pods().filter(|pod| has_agent_volume(pod)).count();
    let have = format!("{associated} of {} pods have the credentials of EKS Pod Identity", pods().count());
    let annotated = subject.annotated_role().is_some();
    match (subject.is_of_association(), annotated, associated) {
        (true, true, _) => Some(moving(subject, &have)),
        (false, true, 1..) => Some(beside(subject, &have)),
        _ => None,
    }
}

/// A binding of EKS Pod Identity, and an annotation from before.
fn moving(subject: &Subject<'_>, have: &str) -> Step {
    let by_operator = subject.case().is_some_and(|case| case.account.has_leftovers);
    let text = if by_operator {
        format!("{have}; the operator gives the annotation up once all have them")
    } else {
        format!("{have}; the annotation is not the operator's, and does no harm while the association exists")
    };
    let mut step = step(Mark::Note, "Mechanism", text);
    let after = [
        "remove the annotation from the manifests, if they set it",
        "remove the statement for the identity provider from the role's trust policy",
    ];
    step.details = numbered("after that", &after);
    step
}

/// A binding or an annotation of IRSA, and pods of an association.
fn beside(subject: &Subject<'_>, have: &str) -> Step {
    let text = format!("{have}: an association wins over the annotation, for pods that are created while it exists");
    let mut step = step(Mark::Warning, "Mechanism", text);
    let binds = if subject.bound {
        "set spec.mechanism of the binding to PodIdentity: the operator restarts the other workloads, then gives the annotation up"
    } else {
        "create a PodIdentityBinding with mechanism: PodIdentity, then remove the annotation"
    };
    let to_move = [
        "let the role's trust policy allow pods.eks.amazonaws.com, beside the identity provider",
        binds,
        "remove the statement for the identity provider from the trust policy",
    ];
    let to_stay = ["delete the association in EKS", "restart the workloads whose pods have its credentials"];
    step.details = numbered("to move to it", &to_move);
    step.details.extend(numbered("to stay with IRSA", &to_stay));
    step
}

/// Details in their order, each with the heading.
fn numbered(heading: &str, steps: &[&str]) -> Vec<(String, String)> {
    let detail = |(index, text): (usize, &&str)| (format!("{heading}: {}.", index + 1), (*text).to_owned());
    steps.iter().enumerate().map(detail).collect()
}
