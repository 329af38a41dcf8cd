//! Bindings that are being deleted: what still keeps them, and which events they leave.

use std::sync::Arc;

use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus};
use podidentity_api::{Reason, names};

use super::summary::{Progress, Summary};
use super::{Transition, conditions};
use crate::assess::{Assessment, Deletion};
use crate::message::{Message, counted};
use crate::outcome::{Outcome, ProblemKind};
use crate::plan::has_finalizer;
use crate::revoke::{Due, Revocation};
use crate::snapshot::Snapshot;
use crate::step::Step;

/// The statuses of bindings that stay for a while after their deletion is requested.
pub(super) fn statuses<'a>(
    snapshot: &'a Snapshot,
    assessment: &'a Assessment,
    outcome: &'a Outcome,
) -> impl Iterator<Item = (&'a Arc<PodIdentityBinding>, PodIdentityBindingStatus)> {
    // Without another binding, all writes are those of the deletion.
    let alone = !assessment.is_handed_over();
    let revoked = move |deletion: &'a Deletion| {
        deletion.revocation.as_ref().filter(|_| !snapshot.namespace_terminating()).and_then(what_it_waits_for)
    };
    let deleting = assessment.deleting.iter().filter(move |it| alone && has_finalizer(&it.binding.metadata));
    deleting.filter_map(move |deletion| {
        let binding = &deletion.binding;
        let summary = refused(outcome).or_else(|| revoked(deletion))?;
        let old = binding.status.clone().unwrap_or_default();
        let generation = binding.metadata.generation;
        let released = deletion.revocation.as_ref().is_some_and(|revocation| !revocation.is_offered);
        let conditions = conditions::deleting(&summary, released, &old.conditions, generation, snapshot.now);
        Some((binding, PodIdentityBindingStatus { observed_generation: generation, conditions, ..old }))
    })
}

fn refused(outcome: &Outcome) -> Option<Summary> {
    let problem = outcome.first(ProblemKind::Refused)?;
    let action = format!(
        "it is tried again every few minutes, and if you remove the finalizer {} the binding goes without that",
        names::FINALIZER
    );
    let message = problem.told(&action).prefixed("being deleted, but the API server refuses to write ");
    Some(Summary { progress: Progress::Stalled, reason: Reason::WriteRefused, message })
}

/// What a revocation waits for. `None`: for nothing, it is finished.
fn what_it_waits_for(revocation: &Revocation) -> Option<Summary> {
    let mut rolling: Vec<String> = revocation.under_way.iter().map(|(id, _)| id.to_string()).collect();
    let is_next = |due: &&Due| due.recorded && revocation.later().is_none();
    rolling.extend(revocation.due.iter().filter(is_next).map(|due| due.workload.id().to_string()));
    let next = revocation.due.iter().filter(|due| !is_next(due)).count();
    let rolling = rolling.join(", ");
    let later = revocation.later().map(|later| format!(": {later}")).unwrap_or_default();
    let message = match (rolling.is_empty(), next, revocation.refused.first()) {
        (true, 0, None) => {
            let id = revocation.leaving.first()?;
            format!("being deleted: waiting for pods of {id} to go that still have the role (scaleDownDelaySeconds)")
        }
        (true, 0, Some((refused, until))) => {
            let why = refused.refused.as_ref().map_or("", |refused| refused.message.as_str());
            let restart = format!("restart of {}/{}", refused.kind, refused.name);
            let message = Message::new(format!("being deleted, but the API server refuses the {restart}"))
                .because(why)
                .action(format!("change what refuses it (tried again at {until})"));
            return Some(Summary { progress: Progress::Stalled, reason: Reason::WriteRefused, message });
        }
        (true, _, _) if revocation.settles_at.is_some() => format!(
            "being deleted: waiting for the webhook's cache to forget the annotation before the restart of {}",
            counted(next, "workload")
        ),
        (true, _, _) => {
            let next = counted(next, "workload");
            format!("being deleted: a restart that takes the role from the pods of {next} is to follow{later}")
        }
        (false, 0, _) => format!("being deleted: restarting {rolling}, whose pods still have the role"),
        (false, _, _) => {
            format!("being deleted: restarting {rolling}, whose pods still have the role, and then {next} more{later}")
        }
    };
    Some(Summary { progress: Progress::Reconciling, reason: Reason::Revoking, message: Message::new(message) })
}

/// The events about released annotations and completed deletions, which no status reports.
/// `snapshot`: the snapshot that the plan was made from.
pub fn deletion_events(
    snapshot: &Snapshot,
    assessment: &Assessment,
    outcome: &Outcome,
) -> Vec<(Arc<PodIdentityBinding>, Transition)> {
    let released =
        outcome.done.iter().any(|it| matches!(it, Step::Annotate { annotations, .. } if annotations.is_empty()));
    let mut all = Vec::new();
    for deletion in &assessment.deleting {
        let binding = &deletion.binding;
        let mut say = |warning, reason, note| {
            all.push((Arc::clone(binding), Transition { warning, reason, note, workload: None }));
        };
        let account = &snapshot.service_account_name;
        if released {
            say(false, Reason::Released, format!("gave up the annotations of service account {account}"));
        }
        let lets_go = |step: &Step| matches!(step, Step::SetFinalizer { binding: it, present: false } if Some(&it.name) == binding.metadata.name.as_ref());
        if assessment.is_handed_over() || !outcome.done.iter().any(lets_go) {
            continue;
        }
        if binding.spec.suspend && !snapshot.namespace_terminating() {
            say(false, Reason::Retained, format!("suspended, so service account {account} keeps its annotations"));
        }
        let Some(revocation) = deletion.revocation.as_ref().filter(|_| !snapshot.namespace_terminating()) else {
            continue;
        };
        if !revocation.associated.is_empty() {
            let note = format!(
                "not revoked: an association of EKS Pod Identity gives pods of {} a role as long as it exists: delete it, then \
                 restart them",
                revocation.associated.join(", ")
            );
            say(true, Reason::RoleKept, note);
        }
        if revocation.kept.is_empty() {
            continue;
        }
        let kept = revocation.kept.join(", ");
        let note = match &revocation.kept_by {
            Some(manager) => format!(
                "not revoked: {manager} keeps the role on service account {account}, so pods of {kept} keep it \
                 as well: remove the annotation there, then restart them"
            ),
            None => {
                format!("not revoked: pods of {kept} keep the role until they are replaced; restart or delete them")
            }
        };
        say(true, Reason::RoleKept, note);
    }
    all
}
