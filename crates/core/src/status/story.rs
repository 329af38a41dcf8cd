//! The one thing to say about a binding: ordered checks, of which the first that applies gives reason and message.

use podidentity_api::names::{self, reason};
use podidentity_api::{PodIdentityBinding, RolloutPolicy, WorkloadState};

use super::{Counts, findings};
use crate::account::AccountState;
use crate::assess::{Case, Rollback, last_verified};
use crate::finding::{Finding, Severity};
use crate::grants::Grant;
use crate::objects::ControllerRef;
use crate::outcome::{Outcome, ProblemKind};
use crate::plan::Step;
use crate::rollout::{Wait, WorkloadVerdict};
use crate::snapshot::Snapshot;
use crate::wanted::Wanted;

/// How a binding is doing, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Who has to do something.
    pub progress: Progress,
    /// CamelCase reason.
    pub reason: &'static str,
    /// What is wrong, which object, what it means, what to do.
    pub message: String,
}

/// Who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody: all is as declared and proven.
    Done,
    /// The operator: kstatus `Reconciling`.
    Reconciling,
    /// A person: kstatus `Stalled`.
    Stalled,
}

type Check = fn(&View) -> Option<Story>;

/// From what makes everything else moot to what is merely unfinished.
const CHECKS: &[Check] = &[
    namespace_terminating,
    invalid_spec,
    only_shown,
    role_not_granted,
    write_refused,
    write_failed,
    account_missing,
    account_owned_by_others,
    account_outdated,
    rollout_halted,
    rolling,
    rollout_waits_for_operator,
    rollout_waits_for_person,
    pods_not_verified,
    rolled_back,
    no_pods,
];

struct View<'a> {
    snapshot: &'a Snapshot,
    case: &'a Case,
    counts: &'a Counts,
    outcome: &'a Outcome,
}

/// The story of the binding that owns the service account.
pub(super) fn of_owner(snapshot: &Snapshot, case: &Case, counts: &Counts, outcome: &Outcome) -> Story {
    let view = View { snapshot, case, counts, outcome };
    let story = CHECKS.iter().find_map(|check| check(&view)).unwrap_or_else(|| Story {
        progress: Progress::Done,
        reason: reason::VERIFIED,
        message: match counts.pods {
            1 => format!("the pod of {} acts as {}", view.account_name(), case.wanted.role_arn),
            pods => format!("all {pods} pods of {} act as {}", view.account_name(), case.wanted.role_arn),
        },
    });
    view.in_a_rollback(story)
}

/// The story of a binding that another one keeps from the service account.
pub(super) fn of_loser(snapshot: &Snapshot, owner: Option<&PodIdentityBinding>) -> Story {
    let owner = owner.and_then(|owner| owner.metadata.name.as_deref()).unwrap_or_default();
    let name = &snapshot.service_account_name;
    stalled(
        reason::SERVICE_ACCOUNT_CLAIMED,
        format!("service account {name} is bound by the older PodIdentityBinding {owner}: delete one of the two"),
    )
}

fn stalled(reason: &'static str, message: String) -> Story {
    Story { progress: Progress::Stalled, reason, message }
}

fn reconciling(reason: &'static str, message: String) -> Story {
    Story { progress: Progress::Reconciling, reason, message }
}

impl View<'_> {
    fn account_name(&self) -> String {
        format!("service account {}/{}", self.snapshot.namespace, self.snapshot.service_account_name)
    }

    /// A story about work that the operator would do: a suspended binding needs a person instead.
    fn unless_suspended(&self, story: Story) -> Story {
        if self.case.binding.spec.suspend {
            stalled(reason::SUSPENDED, format!("suspended; when resumed: {}", story.message))
        } else {
            story
        }
    }

    /// Whatever the story is: in a rollback it begins with what failed.
    fn in_a_rollback(&self, story: Story) -> Story {
        if self.case.rolled_back().is_none() || story.reason == reason::ROLLED_BACK {
            return story;
        }
        let (failed, restored) = self.rollback_of();
        Story { message: format!("{failed} failed, returning to {restored}: {}", story.message), ..story }
    }

    /// What failed, and what is returned to.
    fn rollback_of(&self) -> (String, String) {
        let failed = Wanted::of(&self.case.binding.spec);
        let restored = last_verified(&self.case.binding).unwrap_or_else(|| self.case.wanted.clone());
        let before = if failed.role_arn == restored.role_arn { "what was verified before" } else { &restored.role_arn };
        (failed.told_from(&restored), before.to_owned())
    }

    fn waiting(&self, wait: Wait) -> Vec<&WorkloadVerdict> {
        self.case.workloads.iter().filter(|verdict| verdict.wait == Some(wait)).collect()
    }

    fn in_state(&self, state: WorkloadState) -> Vec<&WorkloadVerdict> {
        self.case.workloads.iter().filter(|verdict| verdict.state == state).collect()
    }
}

fn namespace_terminating(view: &View) -> Option<Story> {
    view.snapshot.namespace_terminating().then(|| {
        reconciling(
            reason::NAMESPACE_TERMINATING,
            format!("namespace {} is being deleted: nothing is written any more", view.snapshot.namespace),
        )
    })
}

fn invalid_spec(view: &View) -> Option<Story> {
    let problem = view.case.invalid.as_ref()?;
    Some(stalled(reason::INVALID_SPEC, format!("{problem}: correct the binding")))
}

fn role_not_granted(view: &View) -> Option<Story> {
    let namespace = &view.snapshot.namespace;
    let granted = match &view.case.grant {
        Grant::NotRequired | Grant::Given => return None,
        Grant::Unknown => {
            let message = format!("namespace {namespace} has not been seen yet, so what it grants is not known");
            return Some(reconciling(reason::NAMESPACE_NOT_FOUND, message));
        }
        Grant::Missing(grants) => grants.entries(),
    };
    let (role, key) = (&view.case.wanted.role_arn, names::ALLOWED_ROLES_ANNOTATION);
    let all: Vec<&str> = granted.iter().chain([role]).map(String::as_str).collect();
    let grants = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
    let kept = match &view.case.account.role_in_force {
        Some(kept) => format!("; {} keeps {kept}", view.account_name()),
        None => String::new(),
    };
    Some(stalled(
        reason::ROLE_NOT_ALLOWED,
        format!(
            "namespace {namespace} does not grant the role {role} (it grants {grants}): nothing is written{kept}. Name \
             another role, or let an administrator grant it: kubectl annotate --overwrite namespace {namespace} {key}='{}'",
            all.join(",")
        ),
    ))
}

fn only_shown(view: &View) -> Option<Story> {
    let withheld = &view.outcome.withheld;
    if withheld.is_empty() {
        return None;
    }
    let steps: Vec<String> = withheld.iter().map(Step::to_string).collect();
    let rolls = |verdict: &&WorkloadVerdict| withheld.iter().any(|step| step.is_roll_of(&verdict.workload.id()));
    let later: Vec<_> = view.in_state(WorkloadState::Pending).into_iter().filter(|verdict| !rolls(verdict)).collect();
    let later = match later.len() {
        0 => String::new(),
        1 => format!("; after that a restart of {}", names_of(&later)),
        n => format!("; after that restarts of {n} workloads: {}", names_of(&later)),
    };
    let message = format!("the operator only shows what it would do (--dry-run): {}{later}", steps.join("; "));
    Some(stalled(reason::DRY_RUN, message))
}

fn write_refused(view: &View) -> Option<Story> {
    if let Some(problem) = view.outcome.first(ProblemKind::Conflict) {
        let message = format!("{}: {}; agree on one owner, or set onConflict: Override", problem.what, problem.message);
        return Some(stalled(reason::ANNOTATION_CONFLICT, message));
    }
    let problem = view.outcome.first(ProblemKind::Refused)?;
    let message = format!(
        "the API server refuses to write {}: {}; it is tried again every few minutes",
        problem.what, problem.message
    );
    Some(stalled(reason::WRITE_REFUSED, message))
}

fn write_failed(view: &View) -> Option<Story> {
    let problem = view.outcome.first(ProblemKind::Failed)?;
    let message = format!("writing {} failed and is tried again: {}", problem.what, problem.message);
    Some(reconciling(reason::WRITE_FAILED, message))
}

fn account_missing(view: &View) -> Option<Story> {
    let state = match view.case.account.state {
        AccountState::Missing => "does not exist",
        AccountState::Terminating => "is being deleted",
        _ => return None,
    };
    Some(reconciling(
        reason::SERVICE_ACCOUNT_NOT_FOUND,
        format!(
            "{} {state}: once it exists the binding goes on by itself; if its name is wrong, delete this binding and \
             bind the right one",
            view.account_name()
        ),
    ))
}

fn account_owned_by_others(view: &View) -> Option<Story> {
    let account = view.account_name();
    match &view.case.account.state {
        AccountState::Conflict(foreign) => Some(stalled(
            reason::ANNOTATION_CONFLICT,
            format!(
                "{} of {account} is set to {:?} by {}: remove it there, or set onConflict: Override to take it over",
                foreign.key,
                foreign.value,
                foreign.named()
            ),
        )),
        AccountState::Contested { drift, silence, .. } => Some(stalled(
            reason::CONTESTED,
            format!(
                "{account}: {drift}, again and again after it was restored: stop that; it is left alone until nobody \
                 has touched it for {} s",
                silence.as_secs()
            ),
        )),
        _ => None,
    }
}

fn account_outdated(view: &View) -> Option<Story> {
    let AccountState::Outdated { drift, .. } = &view.case.account.state else { return None };
    let account = view.account_name();
    let message = match drift {
        Some(drift) => format!("restoring {account}: {drift}"),
        None => format!("annotating {account} with {}", view.case.wanted.role_arn),
    };
    let reason = if drift.is_some() { reason::ANNOTATION_REMOVED } else { reason::ANNOTATING };
    Some(view.unless_suspended(reconciling(reason, message)))
}

fn rollout_halted(view: &View) -> Option<Story> {
    if let Some(Rollback::Due(rollback)) = &view.case.rollback {
        let (failed, restored) = view.rollback_of();
        let message = format!("{failed} failed, returning to {restored}: {}", rollback.message);
        return Some(reconciling(reason::ROLLING_BACK, message));
    }
    let failed = view.case.workloads.iter().find(|verdict| verdict.failed)?;
    let nothing_injects = findings::webhook_not_found(view.case, &view.snapshot.namespace);
    let message = match nothing_injects {
        Some(finding) => finding.message,
        None => failed.message.clone().unwrap_or_default(),
    };
    let waiting = view.in_state(WorkloadState::Pending).len();
    let rest = match waiting {
        0 => String::new(),
        n => format!("; {n} more {} not been restarted", if n == 1 { "workload has" } else { "workloads have" }),
    };
    // Under onFailure: Continue the others go on, and then it is not over yet.
    let going_on = view.case.workloads.iter().any(|verdict| verdict.in_flight || verdict.next.is_some());
    let continues = view.case.binding.spec.rollout.on_failure == podidentity_api::FailurePolicy::Continue;
    let story = if going_on && continues { reconciling } else { stalled };
    Some(story(reason::ROLLOUT_HALTED, format!("{}: {message}{rest}", failed.workload.id())))
}

fn rolling(view: &View) -> Option<Story> {
    let rolling = view.in_state(WorkloadState::Rolling);
    let first = rolling.first()?;
    let verified = first.pods.iter().filter(|judged| judged.verdict.is_verified()).count();
    let others = match rolling.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let message = format!(
        "restarting {}{others}: {verified} of its {} pods verified; {} of {} workloads done",
        first.workload.id(),
        first.pods.len(),
        view.counts.workloads_current,
        view.counts.workloads
    );
    let rolls_back = view.case.rolled_back().is_some();
    Some(reconciling(if rolls_back { reason::ROLLING_BACK } else { reason::ROLLING }, message))
}

fn rollout_waits_for_operator(view: &View) -> Option<Story> {
    let waits = [
        (Wait::Settling, reason::SETTLING, "waiting for the webhook's cache to learn the annotation before restarting"),
        (Wait::OwnRollout, reason::ROLLOUT_PENDING, "waiting for a rollout that is under way to finish:"),
        (Wait::Slot, reason::ROLLOUT_PENDING, "waiting for a rollout slot:"),
        (Wait::Retry, reason::ROLLING, "injection missed pods; waiting before restarting once more:"),
    ];
    waits.iter().find_map(|(wait, reason, text)| {
        let workloads = view.waiting(*wait);
        (!workloads.is_empty()).then(|| reconciling(reason, format!("{text} {}", names_of(&workloads))))
    })
}

fn rollout_waits_for_person(view: &View) -> Option<Story> {
    let generation = view.case.binding.metadata.generation.unwrap_or_default();
    let name = view.case.binding.metadata.name.as_deref().unwrap_or_default();
    let namespace = &view.snapshot.namespace;
    let waits = [
        (
            Wait::Release,
            reason::AWAITING_RELEASE,
            // Under kubectl's own name Flux would take the annotation for a change by hand, and undo it.
            format!(
                "would restart {{}}; release it with: kubectl -n {namespace} annotate --overwrite --field-manager=release \
                 pib {name} {}={generation}",
                names::RELEASE_ANNOTATION
            ),
        ),
        (Wait::Suspended, reason::SUSPENDED, "suspended; when resumed: restarting {}".to_owned()),
        (
            Wait::Policy,
            reason::ROLLOUT_DISABLED,
            format!(
                "{{}} must be restarted, but rollout.policy is {:?}: restart by hand (kubectl rollout restart)",
                RolloutPolicy::Never
            ),
        ),
        (Wait::HeldBack, reason::RESTART_REQUIRED, String::new()),
        (Wait::Reverted, reason::ROLLOUT_REVERTED, String::new()),
    ];
    waits.iter().find_map(|(wait, reason, text)| {
        let workloads = view.waiting(*wait);
        let first = workloads.first()?;
        let message = if text.is_empty() {
            format!("{} {}", first.workload.id(), first.message.as_deref().unwrap_or_default())
        } else {
            text.replace("{}", &names_of(&workloads))
        };
        Some(stalled(reason, message))
    })
}

fn pods_not_verified(view: &View) -> Option<Story> {
    let pods = view.case.workloads.iter().filter(|verdict| verdict.state != WorkloadState::Excluded);
    let pods = pods.flat_map(|verdict| &verdict.pods).chain(view.case.strays.values().flatten());
    let errors: Vec<&Finding> = pods
        .flat_map(|judged| &judged.verdict.findings)
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    let first = errors.first()?;
    let more = match errors.len() - 1 {
        0 => String::new(),
        n => format!(" ({n} more findings of this kind or another)"),
    };
    let short_lived = view.case.strays.iter().any(|(owner, pods)| is_job(owner.as_ref()) && has_error(pods));
    let hint = if short_lived { "; a Job's next pods will get the role" } else { "" };
    Some(stalled(reason::VERIFICATION_FAILED, format!("{}{more}{hint}", first.message)))
}

fn rolled_back(view: &View) -> Option<Story> {
    let rollback = view.case.rolled_back()?;
    let (failed, restored) = view.rollback_of();
    let message = format!(
        "{failed} failed, and {restored} is in force again: {}; correct the role or its trust policy, then change the \
         spec to try again",
        rollback.message
    );
    Some(stalled(reason::ROLLED_BACK, message))
}

fn is_job(owner: Option<&ControllerRef>) -> bool {
    owner.is_some_and(|owner| owner.kind == "Job")
}

fn has_error(pods: &[crate::assess::JudgedPod]) -> bool {
    pods.iter().any(|judged| !judged.verdict.is_verified())
}

fn no_pods(view: &View) -> Option<Story> {
    (view.counts.pods == 0).then(|| Story {
        progress: Progress::Done,
        reason: reason::NO_PODS,
        message: format!(
            "{} is annotated with {}; no pod runs as it yet, so there was nothing to verify",
            view.account_name(),
            view.case.wanted.role_arn
        ),
    })
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
