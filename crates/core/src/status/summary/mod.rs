//! The summary of a binding. The first check in an ordered list that applies gives the reason and
//! the message.

mod account;
mod pods;
mod preflight;
mod rollout;

use podidentity_api::{PodIdentityBinding, Reason, Unresolved, WorkloadState, names};

use super::{Counts, workloads};
use crate::assess::{Case, last_verified};
use crate::desired_identity::DesiredIdentity;
use crate::finding::{Finding, FindingReason, Severity};
use crate::foreign::list;
use crate::grants::Grant;
use crate::message::{Message, counted};
use crate::objects::ControllerRef;
use crate::outcome::{Outcome, ProblemKind};
use crate::rollout::{Phase, Wait, WorkloadVerdict};
use crate::snapshot::Snapshot;
use crate::step::Step;
use crate::verify::JudgedPod;

pub(super) use preflight::assumable;

/// How a binding is doing, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Who has to act.
    pub progress: Progress,
    /// Reason of the condition.
    pub reason: Reason,
    /// What is so, and what to do if a person has to act.
    pub message: Message,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody: everything is as declared, and verified.
    Done,
    /// The operator: kstatus `Reconciling`.
    Reconciling,
    /// A person: kstatus `Stalled`.
    Stalled,
}

type Check = fn(&View) -> Option<Summary>;

/// The order goes from problems that make everything else moot to work that is merely unfinished.
const CHECKS: &[Check] = &[
    namespace_terminating,
    invalid_spec,
    role_not_resolved,
    only_shown,
    role_not_granted,
    write_refused,
    write_failed,
    account::missing,
    account::owned_by_others,
    account::breaks_pods,
    preflight::forbidden,
    preflight::pending,
    account::outdated,
    rollout::halted,
    rollout::rolling,
    rollout::waits_for_its_time,
    rollout::waits_for_operator,
    rollout::refused,
    rollout::waits_for_person,
    rollout::lapsed,
    pods::nothing_selected,
    pods_not_verified,
    pods::next_refused,
    pods::missing,
    rollout::rolled_back,
    pods::none_selected,
    pods::none,
];

struct View<'a> {
    snapshot: &'a Snapshot,
    case: &'a Case,
    counts: &'a Counts,
    outcome: &'a Outcome,
}

/// The summary of the binding that owns the service account.
pub(super) fn of_owner(snapshot: &Snapshot, case: &Case, counts: &Counts, outcome: &Outcome) -> Summary {
    let view = View { snapshot, case, counts, outcome };
    let summary = CHECKS.iter().find_map(|check| check(&view)).unwrap_or_else(|| Summary {
        progress: Progress::Done,
        reason: Reason::Verified,
        message: Message::new(pods::verified(&view)),
    });
    view.in_a_rollback(preflight::told_beside(case, summary))
}

/// The summary of a binding that waits because another one owns the service account.
pub(super) fn of_waiting(snapshot: &Snapshot, owner: Option<&PodIdentityBinding>) -> Summary {
    let name = &snapshot.service_account_name;
    let (what, action) = match owner.and_then(|owner| owner.metadata.name.as_deref()) {
        Some(owner) => (
            format!("service account {name} is bound by the older PodIdentityBinding {owner}"),
            "delete one of the two",
        ),
        None => (format!("service account {name} is bound by an older PodIdentityBinding"), "delete all but one"),
    };
    stalled(Reason::ServiceAccountClaimed, Message::new(what).action(action))
}

/// A summary for a person, whose message has to say what to do.
fn stalled(reason: Reason, message: Message) -> Summary {
    debug_assert!(message.action.is_some(), "{reason:?} does not say what to do: {message}");
    Summary { progress: Progress::Stalled, reason, message }
}

fn reconciling<M: Into<Message>>(reason: Reason, message: M) -> Summary {
    Summary { progress: Progress::Reconciling, reason, message: message.into() }
}

fn done(reason: Reason, message: String) -> Summary {
    Summary { progress: Progress::Done, reason, message: Message::new(message) }
}

impl View<'_> {
    fn account_name(&self) -> String {
        format!("service account {}/{}", self.snapshot.namespace, self.snapshot.service_account_name)
    }

    /// The role that the service account keeps while nothing is written, or nothing:
    /// `; service account shop/web keeps ARN`.
    fn kept(&self) -> String {
        let role = self.case.account.role_in_force.as_ref();
        role.map(|role| format!("; {} keeps {role}", self.account_name())).unwrap_or_default()
    }

    /// A summary of work for the operator. If the binding is suspended, it becomes a summary for a
    /// person.
    fn unless_suspended(&self, summary: Summary) -> Summary {
        if self.case.binding.spec.suspend { suspended(&summary.message.to_string()) } else { summary }
    }

    /// During a rollback, puts the failed identity at the beginning of the summary.
    fn in_a_rollback(&self, summary: Summary) -> Summary {
        if self.case.rolled_back().is_none() || summary.reason == Reason::RolledBack {
            return summary;
        }
        let (failed, restored) = self.rollback_of();
        Summary { message: summary.message.explains(format!("{failed} failed, returning to {restored}")), ..summary }
    }

    /// The failed identity, and the identity that the rollback returns to, as text.
    fn rollback_of(&self) -> (String, String) {
        let failed = DesiredIdentity::of(&self.case.binding.spec);
        let restored = last_verified(&self.case.binding).unwrap_or_else(|| self.case.expected.identity.clone());
        let before = if failed.role_arn == restored.role_arn { "what was verified before" } else { &restored.role_arn };
        (failed.differences_from(&restored), before.to_owned())
    }

    fn waiting(&self, wait: Wait) -> Vec<&WorkloadVerdict> {
        self.case.workloads.iter().filter(|verdict| verdict.wait() == Some(wait)).collect()
    }

    fn in_state(&self, state: WorkloadState) -> Vec<&WorkloadVerdict> {
        let of_case = self.case.workloads.iter();
        of_case.filter(|verdict| workloads::state(self.case, verdict, self.snapshot.now) == state).collect()
    }
}

fn namespace_terminating(view: &View) -> Option<Summary> {
    view.snapshot.namespace_terminating().then(|| {
        reconciling(
            Reason::NamespaceTerminating,
            format!("namespace {} is being deleted: nothing is written any more", view.snapshot.namespace),
        )
    })
}

fn invalid_spec(view: &View) -> Option<Summary> {
    let problem = view.case.invalid.as_ref()?;
    Some(stalled(Reason::InvalidSpec, Message::new(problem.to_string()).action("correct the binding")))
}

fn role_not_resolved(view: &View) -> Option<Summary> {
    let Unresolved { problem, action } = view.case.binding.spec.unresolved.as_ref()?;
    let kept = view.kept();
    let message = Message::new("the role is not known, and nothing is written").because(format!("{problem}{kept}"));
    Some(match action {
        Some(action) => stalled(Reason::RoleNotResolved, message.action(action)),
        None => reconciling(Reason::RoleNotResolved, message),
    })
}

fn role_not_granted(view: &View) -> Option<Summary> {
    let namespace = &view.snapshot.namespace;
    let granted = match &view.case.grant {
        Grant::NotRequired | Grant::Given => return None,
        Grant::Unknown => {
            let message = format!("namespace {namespace} has not been seen yet, so what it grants is not known");
            return Some(reconciling(Reason::NamespaceNotFound, message));
        }
        Grant::Missing(grants) => grants,
    };
    let (role, key) = (&view.case.expected.identity.role_arn, names::ALLOWED_ROLES_ANNOTATION);
    let how = match granted.and(role) {
        Some(all) => format!(": kubectl annotate --overwrite namespace {namespace} {key}='{all}'"),
        None if role.contains(',') => {
            format!(" by its annotation {key}: with * for the comma, which separates grants")
        }
        None => format!(" by its annotation {key}"),
    };
    let grants = if granted.entries().is_empty() { "none".to_owned() } else { list(granted.entries()) };
    let kept = view.kept();
    let what = format!("namespace {namespace} does not grant the role {role} (it grants {grants})");
    let message = Message::new(what)
        .because(format!("nothing is written{kept}"))
        .action(format!("name another role, or let an administrator grant it{how}"));
    Some(stalled(Reason::RoleNotAllowed, message))
}

fn only_shown(view: &View) -> Option<Summary> {
    let withheld = &view.outcome.withheld;
    if withheld.is_empty() {
        return None;
    }
    let steps: Vec<String> = withheld.iter().map(Step::to_string).collect();
    let rolls = |verdict: &&WorkloadVerdict| withheld.iter().any(|step| step.is_restart_of(&verdict.workload.id()));
    let later: Vec<_> = view.in_state(WorkloadState::Pending).into_iter().filter(|verdict| !rolls(verdict)).collect();
    let later = match later.len() {
        0 => String::new(),
        1 => format!("; after that a restart of {}", names_of(&later)),
        n => format!("; after that restarts of {n} workloads: {}", names_of(&later)),
    };
    let message = Message::new("the operator only shows what it would do (--dry-run)")
        .because(format!("{}{later}", steps.join("; ")))
        .action("start it without --dry-run to have this done");
    Some(stalled(Reason::DryRun, message))
}

/// The summary of a suspended binding. `what`: what it would do otherwise.
fn suspended(what: &str) -> Summary {
    let message =
        Message::new(format!("suspended; when resumed: {what}")).action("set spec.suspend to false to resume");
    stalled(Reason::Suspended, message)
}

/// Writes that the API server refused, except restarts: `rollout::refused` reports those.
fn write_refused(view: &View) -> Option<Summary> {
    if let Some(problem) = view.outcome.first_but_restarts(ProblemKind::Conflict) {
        let action = "agree on one owner, or set onConflict: Override";
        return Some(stalled(Reason::AnnotationConflict, problem.told(action)));
    }
    if let Some(problem) = view.outcome.first_but_restarts(ProblemKind::Rewritten) {
        let action = "let the admission policy or webhook leave that annotation alone";
        return Some(stalled(Reason::AnnotationConflict, problem.told(action)));
    }
    let problem = view.outcome.first_but_restarts(ProblemKind::Refused)?;
    let action = "give the operator that right (its roles are in config/rbac), or change the admission policy that refuses \
                  it; it is tried again every few minutes";
    let message = problem.told(action).prefixed("the API server refuses to write ");
    Some(stalled(Reason::WriteRefused, message))
}

fn write_failed(view: &View) -> Option<Summary> {
    let problem = view.outcome.first(ProblemKind::Failed)?;
    let what = format!("writing {} failed and is tried again", problem.what);
    Some(reconciling(Reason::WriteFailed, Message::new(what).because(&problem.message)))
}

fn pods_not_verified(view: &View) -> Option<Summary> {
    let managed = view.case.workloads.iter().filter(|verdict| verdict.phase != Phase::Excluded);
    let managed = managed.flat_map(|verdict| &verdict.pods);
    let (of_jobs, others): (Vec<_>, Vec<_>) = view.case.unmanaged.iter().partition(|(owner, _)| is_job(owner.as_ref()));
    let lasting = managed.chain(others.into_iter().flat_map(|(_, pods)| pods)).flat_map(errors);
    let of_jobs: Vec<&Finding> = of_jobs.into_iter().flat_map(|(_, pods)| pods).flat_map(errors).collect();
    // A Job ends by itself. Its next pods get what the service account offers, unless the Job's own
    // template prevents it.
    let (passing, by_template): (Vec<&Finding>, Vec<_>) = of_jobs.into_iter().partition(|finding| passes(finding));
    let errors: Vec<&Finding> = lasting.chain(by_template).collect();
    let more = |count: usize| match count.saturating_sub(1) {
        0 => String::new(),
        n => format!(" ({} of this kind or another)", counted(n, "more finding")),
    };
    if let Some(first) = errors.first() {
        let more = more(errors.len() + passing.len());
        let message = first.message.clone();
        let action = message.action.as_ref().map(|action| format!("{action}{more}"));
        return Some(stalled(Reason::VerificationFailed, Message { action, ..message }));
    }
    let first = passing.first()?;
    let message = format!(
        "{}{} A Job is not restarted: this ends with the Job, whose next pods get the role",
        first.message,
        more(passing.len())
    );
    Some(reconciling(Reason::WaitingForJobs, message))
}

fn errors(judged: &JudgedPod) -> impl Iterator<Item = &Finding> {
    judged.verdict.findings.iter().filter(|finding| finding.severity == Severity::Error)
}

/// Whether the finding goes away with the next pod of the same template.
fn passes(finding: &Finding) -> bool {
    use FindingReason::{InjectionMissed, PodIdentityMissing, PodPredatesBinding, StaleRole, WebIdentityInstead};
    let by_age = [PodPredatesBinding, InjectionMissed, StaleRole, PodIdentityMissing, WebIdentityInstead];
    by_age.contains(&finding.reason)
}

fn is_job(owner: Option<&ControllerRef>) -> bool {
    owner.is_some_and(|owner| owner.kind == "Job")
}

/// `Deployment/a, Deployment/b and 3 more`.
fn names_of(workloads: &[&WorkloadVerdict]) -> String {
    let shown: Vec<String> = workloads.iter().take(3).map(|verdict| verdict.workload.id().to_string()).collect();
    let shown = shown.join(", ");
    match workloads.len().saturating_sub(3) {
        0 => shown,
        n => format!("{shown} and {n} more"),
    }
}
