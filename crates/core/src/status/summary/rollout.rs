//! Summaries about restarts and rollbacks.

use podidentity_api::{Reason, names};
use podidentity_api::{RolloutPolicy, WorkloadState};

use super::{Summary, View, names_of, reconciling, stalled, suspended};
use crate::assess::Rollback;
use crate::message::Message;
use crate::restart_mark::RestartMark;
use crate::role::release_value;
use crate::rollout::{Phase, Wait, WorkloadVerdict};
use crate::schedule::Waits;
use crate::status::{findings, workloads};

pub(super) fn halted(view: &View) -> Option<Summary> {
    if let Some(Rollback::Due(rollback)) = &view.case.rollback {
        let (failed, restored) = view.rollback_of();
        let what = format!("{failed} failed, returning to {restored}");
        let message = Message::new(what).because(&rollback.message);
        return Some(reconciling(Reason::RollingBack, message));
    }
    let failed = view.case.workloads.iter().find(|verdict| verdict.failed())?;
    let nothing_injects = findings::webhook_not_found(view.case, &view.snapshot.namespace);
    let message = match nothing_injects {
        Some(finding) => finding.message,
        None => failed.message()?.clone(),
    };
    let hash = view.case.expected.identity.hash();
    let waiting = view.in_state(WorkloadState::Pending).into_iter().filter(|it| !was_restarted(it, &hash)).count();
    let rest = match waiting {
        0 => String::new(),
        n => format!("; {n} more {} not been restarted", if n == 1 { "workload has" } else { "workloads have" }),
    };
    // If the other workloads go on, the rollout is not over yet. A workload that is paused in the
    // middle of its restart waits for a person.
    let comes_forward = |it: &WorkloadVerdict| it.under_way && !it.is_held_back();
    let going_on = is_next(view) || waits(view).is_some() || view.case.workloads.iter().any(comes_forward);
    let summary = if going_on && !view.case.halts() { reconciling::<Message> } else { stalled };
    let message = message.explains(failed.workload.id().to_string());
    let why = message.why.map(|why| format!("{why}{rest}"));
    Some(summary(Reason::RolloutHalted, Message { why, ..message }))
}

/// Whether the workload was restarted for this identity, whatever the result.
fn was_restarted(verdict: &WorkloadVerdict, hash: &str) -> bool {
    let mark = verdict.workload.template_annotation(names::IDENTITY_ANNOTATION);
    mark.is_some_and(|mark| RestartMark::is_for(mark, hash))
}

fn is_due(verdict: &WorkloadVerdict) -> bool {
    matches!(verdict.phase, Phase::Due { .. })
}

/// Whether a next restart waits only for a slot of the operator-wide limit.
fn is_next(view: &View) -> bool {
    workloads::next(view.case, view.snapshot.now).next().is_some()
}

pub(super) fn rolling(view: &View) -> Option<Summary> {
    let rolling = view.in_state(WorkloadState::Rolling);
    let first = rolling.first()?;
    let verified = first.pods.iter().filter(|judged| judged.verdict.is_verified()).count();
    let others = match rolling.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let pods = match first.pods.len() {
        0 => "none of its pods exists yet".to_owned(),
        all => format!("{verified} of its {all} pods verified"),
    };
    let message = format!(
        "restarting {}{others}: {pods}; {} of {} workloads done",
        first.workload.id(),
        view.counts.workloads_current,
        view.counts.workloads
    );
    let rolls_back = view.case.rolled_back().is_some();
    Some(reconciling(if rolls_back { Reason::RollingBack } else { Reason::Rolling }, message))
}

/// Restarts that wait only for a window or the interval.
pub(super) fn waits_for_its_time(view: &View) -> Option<Summary> {
    let message = match waits(view)? {
        Waits::Window(opening) => {
            let due: Vec<_> = view.case.workloads.iter().filter(|verdict| is_due(verdict)).collect();
            let restart = if due.len() == 1 { "restarts" } else { "restart" };
            format!(
                "waiting for the next restart window, which opens on {opening}: then {} {restart}; pods that are created \
                 before get the role already",
                names_of(&due)
            )
        }
        Waits::Interval(next, at) => {
            let id = next.workload.id();
            format!("waiting before the next restart: {id} restarts at {at} (rollout.interval)")
        }
    };
    Some(reconciling(Reason::RolloutPending, message))
}

fn waits<'a>(view: &View<'a>) -> Option<Waits<'a>> {
    workloads::waits(view.case, view.snapshot.now)
}

pub(super) fn waits_for_operator(view: &View) -> Option<Summary> {
    let missed = if view.case.expected.identity.is_of_association() {
        "new pods were not given credentials of EKS Pod Identity (is there an association?); waiting before restarting once more:"
    } else if view.case.expected.left_association {
        "new pods were not given the role (is the association of EKS Pod Identity deleted?); waiting before restarting once more:"
    } else {
        "injection missed pods; waiting before restarting once more:"
    };
    let waits = [
        (Wait::Settling, Reason::Settling, "waiting for the webhook's cache to learn the annotation before restarting"),
        (Wait::OwnRollout, Reason::RolloutPending, "waiting for a rollout that is under way to finish:"),
        (Wait::Retry, Reason::Rolling, missed),
        (
            Wait::Leaving,
            Reason::RolloutPending,
            "waiting for pods of an earlier template to go (scaleDownDelaySeconds):",
        ),
    ];
    let waiting = waits.iter().find_map(|(wait, reason, text)| {
        let workloads = view.waiting(*wait);
        (!workloads.is_empty()).then(|| reconciling(*reason, format!("{text} {}", names_of(&workloads))))
    });
    waiting.or_else(|| {
        let due: Vec<_> = view.case.workloads.iter().filter(|verdict| is_due(verdict)).collect();
        let text = "waiting for a rollout slot:";
        is_next(view).then(|| reconciling(Reason::RolloutPending, format!("{text} {}", names_of(&due))))
    })
}

/// The API server refuses restarts, and nothing else is left to do.
pub(super) fn refused(view: &View) -> Option<Summary> {
    let refused = view.in_state(WorkloadState::Refused);
    let first = refused.first()?;
    let others = match refused.len() - 1 {
        0 => String::new(),
        n => format!(" ({n} more are refused)"),
    };
    let message = first.message()?.explains(format!("{}{others}", first.workload.id()));
    Some(stalled(Reason::WriteRefused, message))
}

/// A workload did not come up after a restart, but not because of the restart.
pub(super) fn lapsed(view: &View) -> Option<Summary> {
    let lapsed = view.case.workloads.iter().find(|verdict| matches!(verdict.phase, Phase::Lapsed { .. }))?;
    Some(stalled(Reason::RolloutHalted, lapsed.message()?.explains(lapsed.workload.id().to_string())))
}

pub(super) fn waits_for_person(view: &View) -> Option<Summary> {
    let paused = view.case.workloads.iter().find(|verdict| matches!(verdict.phase, Phase::Paused { .. }));
    if let Some(paused) = paused {
        return own_message(Reason::RestartRequired, paused);
    }
    // The waits that only a person can end, in the order in which they are reported.
    let first = |wait| view.waiting(wait).into_iter().next();
    let waits = [
        awaiting_release(view),
        restarts_when_resumed(view),
        restarts_by_hand(view),
        first(Wait::HeldBack).and_then(|it| own_message(Reason::RestartRequired, it)),
        first(Wait::Reverted).and_then(|it| own_message(Reason::RolloutReverted, it)),
    ];
    waits.into_iter().flatten().next()
}

fn restarts_when_resumed(view: &View) -> Option<Summary> {
    let waiting = view.waiting(Wait::Suspended);
    (!waiting.is_empty()).then(|| suspended(&format!("restarting {}", names_of(&waiting))))
}

fn restarts_by_hand(view: &View) -> Option<Summary> {
    let waiting = view.waiting(Wait::Policy);
    let (names, never) = (names_of(&waiting), RolloutPolicy::Never);
    let message = Message::new(format!("{names} must be restarted, but rollout.policy is {never:?}"))
        .action("restart by hand (kubectl rollout restart)");
    (!waiting.is_empty()).then(|| stalled(Reason::RolloutDisabled, message))
}

fn awaiting_release(view: &View) -> Option<Summary> {
    let waiting = view.waiting(Wait::Release);
    let value = release_value(&view.case.binding);
    let name = view.case.binding.metadata.name.as_deref().unwrap_or_default();
    // Under kubectl's own field manager, Flux would take the annotation for a manual change and
    // undo it.
    let (namespace, key) = (&view.snapshot.namespace, names::RELEASE_ANNOTATION);
    let message = Message::new(format!("would restart {}", names_of(&waiting))).action(format!(
        "release it with: kubectl -n {namespace} annotate --overwrite --field-manager=release pib {name} {key}={value}"
    ));
    (!waiting.is_empty()).then(|| stalled(Reason::AwaitingRelease, message))
}

/// The workload's own message.
fn own_message(reason: Reason, verdict: &WorkloadVerdict) -> Option<Summary> {
    let message = verdict.message()?.clone();
    Some(stalled(reason, message.prefixed(&format!("{} ", verdict.workload.id()))))
}

pub(super) fn rolled_back(view: &View) -> Option<Summary> {
    let rollback = view.case.rolled_back()?;
    let (failed, restored) = view.rollback_of();
    let message = Message::new(format!("{failed} failed, and {restored} is in force again"))
        .because(&rollback.message)
        .action("correct the role or its trust policy, then change the spec to try again");
    Some(stalled(Reason::RolledBack, message))
}
