//! The one thing to do next.

use podidentity_api::names::reason;
use podidentity_core::finding::{Finding, FindingReason};
use podidentity_core::rollout::Wait;

use super::cause::{INVALID_ROLE_ARN, NOT_ANNOTATED};
use super::{Cause, Subject};

/// The next step that the cause asks for.
pub(super) fn of(subject: &Subject<'_>, cause: &Cause) -> String {
    let namespace = &subject.snapshot.namespace;
    let account = &subject.snapshot.service_account_name;
    match cause.reason.as_str() {
        reason::SERVICE_ACCOUNT_NOT_FOUND => {
            format!("Create it: kubectl -n {namespace} create serviceaccount {account}")
        }
        NOT_ANNOTATED => format!(
            "If its pods need a role, create a PodIdentityBinding with serviceAccountName {account} and the role's ARN."
        ),
        reason::SUSPENDED => {
            format!("Resume it: kubectl podidentity -n {namespace} resume pib/{}", binding(subject))
        }
        INVALID_ROLE_ARN => {
            let key = subject.snapshot.config.settings.key("role-arn");
            format!("Correct it: kubectl -n {namespace} annotate --overwrite serviceaccount {account} {key}=ARN")
        }
        reason::INVALID_SPEC => format!("Correct it: kubectl -n {namespace} edit pib {}", binding(subject)),
        reason::ANNOTATION_CONFLICT => {
            let binding = binding(subject);
            format!(
                "Make both agree, or let the binding take the annotation over: kubectl -n {namespace} patch pib {binding} \
                 --type merge -p '{{\"spec\":{{\"onConflict\":\"Override\"}}}}'"
            )
        }
        reason::SERVICE_ACCOUNT_CLAIMED => {
            let asked = subject.asked.as_deref().unwrap_or_default();
            format!(
                "Delete the one that is not wanted, {asked} or {}: kubectl -n {namespace} delete pib {asked}",
                binding(subject)
            )
        }
        reason::ROLE_NOT_ALLOWED => {
            "Name another role, or ask an administrator for the grant that the cause names.".to_owned()
        }
        reason::CONTESTED => {
            "Stop the other manager from writing the annotation; the operator goes on by itself.".to_owned()
        }
        reason::VERIFIED => verified(subject),
        reason::NO_PODS => "Nothing: pods that are created now get the role.".to_owned(),
        "PodNotLive" => "Explain a pod that runs, or the workload.".to_owned(),
        // The other reasons of a binding say themselves what to do, as do findings about no pod.
        other => match finding(subject, other) {
            Some(finding) => of_finding(subject, finding),
            None => general(other),
        },
    }
}

fn binding(subject: &Subject<'_>) -> String {
    let owner = subject.assessment.owning_binding();
    owner.and_then(|owner| owner.metadata.name.clone()).unwrap_or_default()
}

fn verified(subject: &Subject<'_>) -> String {
    let role = subject.role().unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    format!(
        "Nothing here. If AWS calls are refused all the same, compare the trust policy: aws iam get-role --role-name \
         {name} --query Role.AssumeRolePolicyDocument"
    )
}

fn finding<'a>(subject: &'a Subject<'_>, reason: &str) -> Option<&'a Finding> {
    subject.judged.as_ref()?.verdict.findings.iter().find(|finding| finding.reason.as_str() == reason)
}

/// What is to be known of the reason says it.
fn general(reason: &str) -> String {
    let known = FindingReason::ALL.iter().find(|known| known.as_str() == reason);
    known.map_or_else(|| "Do what the cause says.".to_owned(), |reason| reason.about().action.replace('`', ""))
}

fn of_finding(subject: &Subject<'_>, finding: &Finding) -> String {
    if finding.roll_cures {
        return restart(subject);
    }
    let controller = subject.controller();
    let missed = [FindingReason::InjectionMissed, FindingReason::PodPredatesBinding, FindingReason::StaleRole];
    if missed.contains(&finding.reason) && subject.workload.is_none() {
        let pod = subject.pod.as_ref().map(|pod| pod.name().to_owned()).unwrap_or_default();
        let namespace = &subject.snapshot.namespace;
        return match controller {
            Some(controller) => {
                format!("Have {controller} create the pod anew: kubectl -n {namespace} delete pod {pod}")
            }
            None => format!("Delete the pod and create it again: kubectl -n {namespace} delete pod {pod}"),
        };
    }
    finding.reason.about().action.replace('`', "")
}

/// A restart cures it: who does it?
fn restart(subject: &Subject<'_>) -> String {
    let namespace = &subject.snapshot.namespace;
    let Some(verdict) = &subject.workload else { return "Delete the pod.".to_owned() };
    let id = verdict.workload.id();
    let by_hand = match id.kind.as_str() {
        "Rollout" => format!("kubectl argo rollouts -n {namespace} restart {}", id.name),
        kind => format!("kubectl -n {namespace} rollout restart {}/{}", kind.to_lowercase(), id.name),
    };
    if !subject.bound {
        return format!("Restart it: {by_hand}");
    }
    let binding = binding(subject);
    let message = || verdict.message().unwrap_or_default().to_owned();
    let operator_looked = subject
        .assessment
        .owning_binding()
        .is_some_and(|owner| owner.status.as_ref().is_some_and(|status| !status.conditions.is_empty()));
    match verdict.wait() {
        Some(Wait::Release) => format!("Release it: kubectl podidentity -n {namespace} release pib/{binding}"),
        Some(Wait::Suspended) => format!("Resume it: kubectl podidentity -n {namespace} resume pib/{binding}"),
        Some(Wait::HeldBack | Wait::Reverted) => format!("{id} {}", message()),
        Some(Wait::Policy) => format!("Restart it: {by_hand}"),
        _ if verdict.failed() => message(),
        _ if !operator_looked => format!(
            "The operator would restart {id}, but has not looked at the binding: see whether it runs, or restart by \
             hand: {by_hand}"
        ),
        _ => format!(
            "Nothing: the operator restarts {id}; follow it with kubectl podidentity -n {namespace} status {binding} -w"
        ),
    }
}
