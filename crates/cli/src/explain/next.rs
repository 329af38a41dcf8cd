//! The one thing to do next.

use podidentity_api::Reason;
use podidentity_core::account::AccountState;
use podidentity_core::finding::{Finding, FindingReason, Severity};
use podidentity_core::rollout::Wait;

use super::around::Missed;
use super::cause::{INVALID_ROLE_ARN, NOT_ANNOTATED, NOT_LIVE};
use super::{Cause, Subject};
use podidentity_core::settings::IdentityAnnotation;

/// The next step that the cause asks for.
pub(super) fn of(subject: &Subject<'_>, cause: &Cause) -> String {
    if let Some(next) = &cause.next {
        return next.clone();
    }
    let reason = cause.reason.as_str();
    of_identity(subject, reason)
        .or_else(|| of_binding(subject, Reason::parse(reason)?))
        .unwrap_or_else(|| of_finding_or_general(subject, reason))
}

/// Next steps for the reasons that only this command uses.
fn of_identity(subject: &Subject<'_>, reason: &str) -> Option<String> {
    let namespace = &subject.snapshot.namespace;
    let account = &subject.snapshot.service_account_name;
    Some(match reason {
        NOT_ANNOTATED => not_annotated(subject),
        INVALID_ROLE_ARN => {
            let key = subject.snapshot.config.settings.annotation(IdentityAnnotation::RoleArn);
            format!("Correct it: kubectl -n {namespace} annotate --overwrite serviceaccount {account} {key}=ARN")
        }
        NOT_LIVE => "Explain a pod that runs, or the workload.".to_owned(),
        _ => return None,
    })
}

/// Next steps for the reasons of a binding. For every other reason, the message itself says what to
/// do.
fn of_binding(subject: &Subject<'_>, reason: Reason) -> Option<String> {
    let namespace = &subject.snapshot.namespace;
    let account = &subject.snapshot.service_account_name;
    Some(match reason {
        Reason::ServiceAccountNotFound => {
            let correct = if subject.bound { ", or correct spec.serviceAccountName" } else { "" };
            format!("Create it{correct}: kubectl -n {namespace} create serviceaccount {account}")
        }
        Reason::Suspended => {
            format!("Resume it: kubectl podidentity resume -n {namespace} pib/{}", binding(subject))
        }
        Reason::InvalidSpec => format!("Correct it: kubectl -n {namespace} edit pib {}", binding(subject)),
        Reason::RoleNotResolved => {
            "See to it that what the binding refers to has the role's ARN; the operator continues by itself.".to_owned()
        }
        Reason::AnnotationConflict => {
            let binding = binding(subject);
            let policy = match subject.case().map(|case| &case.account.state) {
                Some(AccountState::Conflict(foreign)) if foreign.is_shared => "TakeOver",
                _ => "Override",
            };
            format!(
                "Make both agree, or let the binding have the annotation: kubectl -n {namespace} patch pib {binding} \
                 --type merge -p '{{\"spec\":{{\"onConflict\":\"{policy}\"}}}}'"
            )
        }
        Reason::ServiceAccountClaimed => {
            let asked = subject.asked.as_deref().unwrap_or_default();
            format!(
                "Delete the one that is not wanted, {asked} or {}: kubectl -n {namespace} delete pib {asked}",
                binding(subject)
            )
        }
        Reason::RoleNotAllowed => {
            "Name another role, or ask an administrator for the grant that the cause names.".to_owned()
        }
        Reason::Contested => {
            "Stop the other manager from writing the annotation; the operator continues by itself.".to_owned()
        }
        Reason::Verified => verified(subject),
        Reason::NoPods => no_pods(subject),
        _ => return None,
    })
}

/// Next steps for the reasons of findings.
fn of_finding_or_general(subject: &Subject<'_>, reason: &str) -> String {
    let missed = match FindingReason::named(reason) {
        Some(FindingReason::InjectionMissed | FindingReason::WebhookNotFound) => Missed::of(subject).next(),
        // The injector may not have missed this pod. But if nothing injects, a restart does not
        // help either.
        Some(FindingReason::PodPredatesBinding) => {
            Some(Missed::of(subject)).filter(Missed::is_certain).and_then(|missed| missed.next())
        }
        _ => None,
    };
    match (missed, finding(subject, reason)) {
        (Some(mend), _) => mend,
        (None, Some(finding)) => of_finding(subject, finding),
        (None, None) => general(reason),
    }
}

fn binding(subject: &Subject<'_>) -> String {
    let owner = subject.assessment.owning_binding();
    owner.and_then(|owner| owner.metadata.name.clone()).unwrap_or_default()
}

/// Suggests a binding, but never for `default`: such a binding would give the role to every pod
/// that names no service account.
fn not_annotated(subject: &Subject<'_>) -> String {
    let namespace = &subject.snapshot.namespace;
    let account = &subject.snapshot.service_account_name;
    let key = subject.snapshot.config.settings.annotation(IdentityAnnotation::RoleArn);
    let annotate = |account: &str| format!("kubectl -n {namespace} annotate serviceaccount {account} {key}=ARN");
    let without_bindings = subject.around.without_bindings;
    if account != "default" && without_bindings {
        return format!("If its pods need a role, annotate it, then restart them: {}", annotate(account));
    }
    if account != "default" {
        return format!(
            "If its pods need a role, create a PodIdentityBinding with serviceAccountName {account} and the role's ARN."
        );
    }
    let workload = subject.controller();
    let what = workload.clone().or_else(|| subject.pod.as_ref().map(|pod| format!("Pod/{}", pod.name())));
    let what = what.unwrap_or_else(|| "the workload".to_owned());
    let name = workload.as_deref().and_then(|title| title.split_once('/')).map(|(_, name)| name);
    let meant = name.and_then(|name| subject.around.of_workload(namespace, name));
    if let Some(meant) = meant {
        return format!("Set serviceAccountName: {meant} in the pod template of {what}.");
    }
    let name = name.unwrap_or("NAME");
    let (verb, last) = if without_bindings {
        ("annotate", annotate(name))
    } else {
        ("bind", format!("create a PodIdentityBinding for {name}."))
    };
    format!(
        "If it needs a role, give it a service account of its own and {verb} that, since every pod that names none runs as \
         default: kubectl -n {namespace} create serviceaccount {name}; then set serviceAccountName: {name} in the pod template \
         of {what}, and {last}"
    )
}

/// Without pods only the absence of every injector shows that the next one gets no role.
fn no_pods(subject: &Subject<'_>) -> String {
    let nothing = Some(Missed::of(subject)).filter(|missed| *missed == Missed::Nothing);
    nothing.and_then(|missed| missed.next()).unwrap_or_else(|| {
        let once = if subject.is_of_association() { " once the association exists" } else { "" };
        format!("Nothing: pods that are created now get the role{once}.")
    })
}

fn verified(subject: &Subject<'_>) -> String {
    if subject.is_of_association() {
        let (namespace, account) = (&subject.snapshot.namespace, &subject.snapshot.service_account_name);
        return format!(
            "Nothing here. If AWS calls are refused all the same, look at the association and at the trust policy of its role: \
             aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace {namespace} --service-account {account}"
        );
    }
    let role = subject.role().unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    let (namespace, account) = (&subject.snapshot.namespace, &subject.snapshot.service_account_name);
    format!(
        "Nothing here. If AWS calls are refused all the same, have the trust policy judged: aws iam get-role --role-name \
         {name} | kubectl podidentity trust -n {namespace} sa/{account} -f -"
    )
}

fn finding<'a>(subject: &'a Subject<'_>, reason: &str) -> Option<&'a Finding> {
    subject.judged.as_ref()?.verdict.findings.iter().find(|finding| finding.reason.as_str() == reason)
}

/// The general advice for a reason.
fn general(reason: &str) -> String {
    FindingReason::named(reason)
        .map_or_else(|| "Do what the cause says.".to_owned(), |reason| reason.about().action.replace('`', ""))
}

fn of_finding(subject: &Subject<'_>, finding: &Finding) -> String {
    if finding.restart_cures {
        return restart(subject);
    }
    // Both keys are set, so no profile is at work.
    if finding.reason == FindingReason::StaticCredentialsShadow && finding.severity == Severity::Error {
        return "Remove these variables from the template.".to_owned();
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

/// Says who performs the restart that cures the finding.
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
    let message = || verdict.message().map(ToString::to_string).unwrap_or_default();
    let operator_looked = subject
        .assessment
        .owning_binding()
        .is_some_and(|owner| owner.status.as_ref().is_some_and(|status| !status.conditions.is_empty()));
    let opening =
        subject.case().and_then(|case| case.pace.gate.opening()).filter(|_| operator_looked && !verdict.undoes);
    let window = opening.map(|opening| {
        format!(
            "Nothing: the operator restarts {id} in the next restart window, which opens on {opening}; or: {by_hand}"
        )
    });
    match verdict.wait() {
        Some(Wait::Release) => format!("Release it: kubectl podidentity release -n {namespace} pib/{binding}"),
        Some(Wait::Suspended) => format!("Resume it: kubectl podidentity resume -n {namespace} pib/{binding}"),
        Some(Wait::HeldBack | Wait::Reverted) => format!("{id} {}", message()),
        Some(Wait::Policy) => format!("Restart it: {by_hand}"),
        Some(Wait::Leaving) => format!("Nothing: {id} {}", message()),
        _ if verdict.failed() => message(),
        _ if window.is_some() => window.unwrap_or_default(),
        _ if !operator_looked => format!(
            "The operator would restart {id}, but has not looked at the binding: see whether it runs, or restart by \
             hand: {by_hand}"
        ),
        _ => format!(
            "Nothing: the operator restarts {id}; follow it with kubectl podidentity status -n {namespace} {binding} -w"
        ),
    }
}
