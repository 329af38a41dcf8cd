//! Finds the root cause: the problem that explains the others.

use podidentity_api::Reason;
use podidentity_core::account::AccountState;
use podidentity_core::assess::Case;
use podidentity_core::finding::{Finding, FindingReason, Severity};
use podidentity_core::outcome::Outcome;
use podidentity_core::slip::{self, Slip};
use podidentity_core::status;

use super::{Cause, Subject};
use crate::paint::Mark;
use crate::view::views;

/// The service account has neither a binding nor an annotation. The operator has no reason for
/// this, because it never looks at such service accounts.
pub(super) const NOT_ANNOTATED: &str = "NotAnnotated";
/// The annotation is not the ARN of a role.
pub(super) const INVALID_ROLE_ARN: &str = "InvalidRoleArn";
/// The pod has finished or is being deleted.
pub(super) const NOT_LIVE: &str = "PodNotLive";

/// Looks for the cause in the order of the steps: an earlier problem explains the later ones.
pub(super) fn of(subject: &Subject<'_>) -> Cause {
    not_live(subject)
        .or_else(|| not_the_owner(subject))
        .or_else(|| no_account(subject))
        .or_else(|| of_account(subject))
        .or_else(|| of_pod(subject))
        .or_else(|| of_pods_together(subject))
        .or_else(|| no_pods(subject))
        .unwrap_or_else(|| right(subject))
}

fn wrong(reason: impl AsRef<str>, message: impl Into<String>) -> Cause {
    Cause { mark: Mark::Wrong, reason: reason.as_ref().to_owned(), message: message.into(), next: None }
}

/// A slip in a manifest is the cause.
fn of_slip(slip: &Slip) -> Cause {
    Cause {
        mark: Mark::from(Some(slip.severity)),
        reason: slip.reason.as_str().to_owned(),
        message: slip.seen.clone(),
        next: Some(capitalized(&slip.next)),
    }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn not_live(subject: &Subject<'_>) -> Option<Cause> {
    let pod = subject.pod.as_ref().filter(|pod| !pod.is_live())?;
    let how = if pod.metadata.deletion_timestamp.is_some() { "is being deleted" } else { "has finished" };
    Some(Cause {
        mark: Mark::Idle,
        reason: NOT_LIVE.to_owned(),
        message: format!("the pod {how}, so it is neither judged nor counted"),
        next: None,
    })
}

/// The requested binding does not own the service account.
fn not_the_owner(subject: &Subject<'_>) -> Option<Cause> {
    let asked = subject.asked.as_ref()?;
    let owner = subject.assessment.owning_binding().and_then(|owner| owner.metadata.name.as_ref());
    if owner == Some(asked) {
        return None;
    }
    let view = views(subject.snapshot).into_iter().find(|view| view.binding.as_ref() == Some(asked))?;
    Some(Cause { mark: Mark::from(view.state), reason: view.reason, message: view.message, next: None })
}

fn no_account(subject: &Subject<'_>) -> Option<Cause> {
    let snapshot = subject.snapshot;
    if snapshot.service_account.is_none() {
        return Some(account_not_found(subject));
    }
    if subject.case().is_some() || subject.annotated_role().is_some() {
        return None;
    }
    let slips = slip::of_snapshot(snapshot);
    if let Some((_, slip)) = slips.first().filter(|(_, slip)| slip.severity != Severity::Info) {
        return Some(of_slip(slip));
    }
    if let Some(cause) = by_hand(subject) {
        return Some(cause);
    }
    let account = subject.account_name();
    let message = if snapshot.service_account_name == "default" {
        format!(
            "the pod names no service account and runs as {account}, which has no role: pods have no AWS identity, unless \
             they set one themselves"
        )
    } else {
        format!(
            "service account {account} is annotated with no role, and no binding names it: pods that run as it have no \
             AWS identity, unless they set one themselves"
        )
    };
    Some(Cause { mark: Mark::Idle, reason: NOT_ANNOTATED.to_owned(), message, next: None })
}

/// What is wrong with the role that the pod names itself, although its service account gives none.
fn by_hand(subject: &Subject<'_>) -> Option<Cause> {
    let finding = subject.judged.as_ref()?.verdict.findings.first()?;
    Some(Cause { message: finding.message.seen(), next: finding.message.action.clone(), ..cause(finding) })
}

fn account_not_found(subject: &Subject<'_>) -> Cause {
    let (namespace, name) = (&subject.snapshot.namespace, &subject.snapshot.service_account_name);
    let elsewhere = subject.around.elsewhere(namespace, name);
    let message = format!("service account {} does not exist", subject.account_name());
    let title = subject.asked.as_ref().map(|binding| format!("PodIdentityBinding/{binding}"));
    let namer = title.as_deref().map_or(slip::Namer::Workload(""), slip::Namer::Binding);
    let advice = !elsewhere.alike.is_empty() || !elsewhere.namespaces.is_empty();
    let slip = slip::not_found(namer, Some(namespace), name, &elsewhere, "in the cluster");
    let found = match (elsewhere.meant(name), elsewhere.namespaces.as_slice()) {
        (Some(meant), _) => format!("{message}; {meant} does"),
        (None, [_, ..]) => format!("{message}; one of that name is in {}", elsewhere.namespaces.join(", ")),
        (None, []) => message,
    };
    Cause { next: advice.then_some(slip.next), ..wrong(Reason::ServiceAccountNotFound, found) }
}

/// Why the service account does not offer the wanted identity. A pending write is not a cause: the
/// pod's own finding explains it already.
fn of_account(subject: &Subject<'_>) -> Option<Cause> {
    let case = subject.case()?;
    if let Some(invalid) = &case.invalid {
        return Some(if subject.bound {
            wrong(Reason::InvalidSpec, invalid.to_string())
        } else {
            wrong(INVALID_ROLE_ARN, invalid.problem.clone())
        });
    }
    let blocked = !case.is_permitted()
        || matches!(
            case.account.state,
            AccountState::Terminating
                | AccountState::Conflict(_)
                | AccountState::Contested { .. }
                | AccountState::Rewritten { .. }
        )
        || case.broken_by_annotating().is_some();
    let suspended = matches!(case.account.state, AccountState::Outdated { .. }) && case.binding.spec.suspend;
    if !subject.bound || !(blocked || suspended) {
        return None;
    }
    let summary = status::summary(subject.snapshot, case, &Outcome::default());
    Some(wrong(summary.reason, summary.message.to_string()))
}

fn of_pod(subject: &Subject<'_>) -> Option<Cause> {
    let findings = &subject.judged.as_ref()?.verdict.findings;
    // If nothing in the cluster injects, that explains why this pod was missed.
    let missed = findings.iter().any(|finding| finding.reason == FindingReason::InjectionMissed);
    let nowhere = missed.then(|| together(subject).into_iter().find(|it| it.reason == FindingReason::WebhookNotFound));
    nowhere.flatten().as_ref().or(findings.first()).map(cause)
}

fn of_pods_together(subject: &Subject<'_>) -> Option<Cause> {
    let owner = subject.controller();
    let found = together(subject).into_iter().filter(|finding| match &owner {
        Some(owner) => finding.object == *owner,
        None => subject.pod.as_ref().is_some_and(|pod| finding.object == format!("Pod/{}", pod.name())),
    });
    found.min_by_key(|finding| (finding.severity, finding.reason)).as_ref().map(cause)
}

fn no_pods(subject: &Subject<'_>) -> Option<Cause> {
    subject.pod.is_none().then(|| Cause {
        mark: Mark::Idle,
        reason: Reason::NoPods.into(),
        message: format!("no pod runs as service account {} yet", subject.account_name()),
        next: None,
    })
}

fn right(subject: &Subject<'_>) -> Cause {
    let role = subject.role().unwrap_or_default();
    let message = if subject.is_of_association() {
        "every container has the credentials of its association and a token that the agent can be given".to_owned()
    } else {
        format!("every container has the role {role} and a token that STS can be given")
    };
    Cause { mark: Mark::Right, reason: Reason::Verified.into(), message, next: None }
}

fn together(subject: &Subject<'_>) -> Vec<Finding> {
    let of = |case: &Case| status::findings_of_workloads(case, &subject.snapshot.namespace);
    subject.case().map(of).unwrap_or_default()
}

fn cause(finding: &Finding) -> Cause {
    Cause {
        mark: Mark::from(Some(finding.severity)),
        reason: finding.reason.as_str().to_owned(),
        message: finding.message.to_string(),
        next: None,
    }
}
