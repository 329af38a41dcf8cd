//! What it comes down to: of all that is wrong, what is the cause of the rest.

use podidentity_api::names::reason;
use podidentity_core::account::AccountState;
use podidentity_core::assess::Case;
use podidentity_core::finding::{Finding, FindingReason};
use podidentity_core::outcome::Outcome;
use podidentity_core::status;

use super::{Cause, Subject};
use crate::paint::Mark;
use crate::view::views;

/// No binding and no annotation: this is not among the operator's reasons, since it never looks at these.
pub(super) const NOT_ANNOTATED: &str = "NotAnnotated";
/// The annotation is not the ARN of a role.
pub(super) const INVALID_ROLE_ARN: &str = "InvalidRoleArn";
/// The pod has ended, or is about to.
const NOT_LIVE: &str = "PodNotLive";

/// The cause, in the order of the story: what comes earlier explains what comes later.
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

fn wrong(reason: &str, message: impl Into<String>) -> Cause {
    Cause { mark: Mark::Wrong, reason: reason.to_owned(), message: message.into() }
}

fn not_live(subject: &Subject<'_>) -> Option<Cause> {
    let pod = subject.pod.as_ref().filter(|pod| !pod.is_live())?;
    let how = if pod.metadata.deletion_timestamp.is_some() { "is being deleted" } else { "has finished" };
    Some(Cause {
        mark: Mark::Idle,
        reason: NOT_LIVE.to_owned(),
        message: format!("the pod {how}, so it is neither judged nor counted"),
    })
}

/// The binding that is asked for is not the one that counts.
fn not_the_owner(subject: &Subject<'_>) -> Option<Cause> {
    let asked = subject.asked.as_ref()?;
    let owner = subject.assessment.owning_binding().and_then(|owner| owner.metadata.name.as_ref());
    if owner == Some(asked) {
        return None;
    }
    let view = views(subject.snapshot).into_iter().find(|view| view.binding.as_ref() == Some(asked))?;
    Some(Cause { mark: Mark::from(view.state), reason: view.reason, message: view.message })
}

fn no_account(subject: &Subject<'_>) -> Option<Cause> {
    let account = subject.account_name();
    if subject.snapshot.service_account.is_none() {
        let message = format!("service account {account} does not exist");
        return Some(wrong(reason::SERVICE_ACCOUNT_NOT_FOUND, message));
    }
    if subject.case().is_none() && subject.annotated_role().is_none() {
        let message = format!(
            "service account {account} is annotated with no role, and no binding names it: pods that run as it have no \
             AWS identity, unless they set one themselves"
        );
        return Some(Cause { mark: Mark::Idle, reason: NOT_ANNOTATED.to_owned(), message });
    }
    None
}

/// Why the service account does not offer what is wanted. That it has not been written yet explains nothing that the
/// pod's own finding does not.
fn of_account(subject: &Subject<'_>) -> Option<Cause> {
    let case = subject.case()?;
    if let Some(problem) = &case.invalid {
        return Some(if subject.bound {
            wrong(reason::INVALID_SPEC, problem)
        } else {
            wrong(INVALID_ROLE_ARN, problem.trim_start_matches("spec.roleArn: "))
        });
    }
    let blocked = !case.grant.permits()
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
    let story = status::story(subject.snapshot, case, &Outcome::default());
    Some(wrong(story.reason, story.message))
}

fn of_pod(subject: &Subject<'_>) -> Option<Cause> {
    let findings = &subject.judged.as_ref()?.verdict.findings;
    // That nothing injects in the whole cluster explains that this pod was missed.
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
        reason: reason::NO_PODS.to_owned(),
        message: format!("no pod runs as service account {} yet", subject.account_name()),
    })
}

fn right(subject: &Subject<'_>) -> Cause {
    let role = subject.role().unwrap_or_default();
    Cause {
        mark: Mark::Right,
        reason: reason::VERIFIED.to_owned(),
        message: format!("every container has the role {role} and a token that STS can be given"),
    }
}

fn together(subject: &Subject<'_>) -> Vec<Finding> {
    let of = |case: &Case| status::findings_of_workloads(case, &subject.snapshot.namespace);
    subject.case().map(of).unwrap_or_default()
}

fn cause(finding: &Finding) -> Cause {
    Cause {
        mark: Mark::from(Some(finding.severity)),
        reason: finding.reason.as_str().to_owned(),
        message: finding.message.clone(),
    }
}
