//! What is to say about restarts and rollbacks.

use podidentity_api::names::{self, reason};
use podidentity_api::{RolloutPolicy, WorkloadState};

use super::{Story, View, names_of, reconciling, stalled, suspended};
use crate::assess::Rollback;
use crate::rollout::Wait;
use crate::status::findings;

pub(super) fn halted(view: &View) -> Option<Story> {
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

pub(super) fn rolling(view: &View) -> Option<Story> {
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

pub(super) fn waits_for_operator(view: &View) -> Option<Story> {
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

pub(super) fn waits_for_person(view: &View) -> Option<Story> {
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
        (Wait::Suspended, reason::SUSPENDED, suspended("restarting {}")),
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

pub(super) fn rolled_back(view: &View) -> Option<Story> {
    let rollback = view.case.rolled_back()?;
    let (failed, restored) = view.rollback_of();
    let message = format!(
        "{failed} failed, and {restored} is in force again: {}; correct the role or its trust policy, then change the \
         spec to try again",
        rollback.message
    );
    Some(stalled(reason::ROLLED_BACK, message))
}
