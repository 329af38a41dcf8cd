//! Bindings that are being deleted: what keeps them, and what is said when they go.

use std::sync::Arc;

use podidentity_api::names::{self, reason};
use podidentity_api::{DeletionPolicy, PodIdentityBinding, PodIdentityBindingStatus};

use super::story::{Progress, Story};
use super::{Transition, conditions};
use crate::assess::Assessment;
use crate::outcome::{Outcome, ProblemKind};
use crate::plan::{Step, has_finalizer};
use crate::revoke::{self, Revocation};
use crate::snapshot::Snapshot;

/// The statuses of bindings that stay for a while after their deletion.
pub(super) fn statuses<'a>(
    snapshot: &'a Snapshot,
    assessment: &'a Assessment,
    outcome: &'a Outcome,
) -> impl Iterator<Item = (&'a Arc<PodIdentityBinding>, PodIdentityBindingStatus)> {
    let undone = !assessment.is_handed_over() && !snapshot.namespace_terminating();
    let leaving = assessment.claim.deleting.iter().filter(move |binding| undone && has_finalizer(&binding.metadata));
    leaving.filter_map(|binding| {
        let story = what_keeps(snapshot, binding, outcome)?;
        let old = binding.status.clone().unwrap_or_default();
        let generation = binding.metadata.generation;
        let conditions = conditions::bare(&story, &old.conditions, generation, snapshot.now);
        Some((binding, PodIdentityBindingStatus { observed_generation: generation, conditions, ..old }))
    })
}

fn what_keeps(snapshot: &Snapshot, binding: &PodIdentityBinding, outcome: &Outcome) -> Option<Story> {
    if let Some(problem) = outcome.first(ProblemKind::Refused) {
        let message = format!(
            "being deleted, but the API server refuses to write {}: {}; it is tried again every few minutes, and if you \
             remove the finalizer {} the binding goes without that",
            problem.what,
            problem.message,
            names::FINALIZER
        );
        return Some(Story { progress: Progress::Stalled, reason: reason::WRITE_REFUSED, message });
    }
    let revocation = revocation_of(snapshot, binding)?;
    let rolling: Vec<String> = revocation.in_flight.iter().map(ToString::to_string).collect();
    let next = revocation.rolls.len();
    let message = match (rolling.as_slice(), next) {
        ([], 0) => return None,
        ([], _) => format!("being deleted: {next} workloads wait for a restart that takes the role from their pods"),
        (_, 0) => format!("being deleted: restarting {}, whose pods still have the role", rolling.join(", ")),
        _ => format!(
            "being deleted: restarting {}, whose pods still have the role, and then {next} more",
            rolling.join(", ")
        ),
    };
    Some(Story { progress: Progress::Reconciling, reason: reason::REVOKING, message })
}

fn revocation_of(snapshot: &Snapshot, binding: &PodIdentityBinding) -> Option<Revocation> {
    let revokes = binding.spec.deletion_policy == DeletionPolicy::Revoke && !binding.spec.suspend;
    revokes.then(|| revoke::judge(snapshot, binding))
}

/// What is to be said of bindings that were let go, since no status will: given the snapshot that the plan was made on.
pub fn farewells(
    snapshot: &Snapshot,
    assessment: &Assessment,
    outcome: &Outcome,
) -> Vec<(Arc<PodIdentityBinding>, Transition)> {
    let released =
        outcome.done.iter().any(|it| matches!(it, Step::Annotate { annotations, .. } if annotations.is_empty()));
    let mut all = Vec::new();
    for binding in &assessment.claim.deleting {
        let mut say = |warning, reason, note| {
            all.push((Arc::clone(binding), Transition { warning, reason, note, workload: None }));
        };
        let account = &snapshot.service_account_name;
        if released {
            say(false, reason::RELEASED, format!("gave up the annotations of service account {account}"));
        }
        let lets_go = |step: &Step| matches!(step, Step::SetFinalizer { binding: it, present: false } if Some(&it.name) == binding.metadata.name.as_ref());
        if assessment.is_handed_over() || !outcome.done.iter().any(lets_go) {
            continue;
        }
        if binding.spec.suspend && !snapshot.namespace_terminating() {
            say(false, reason::RETAINED, format!("suspended, so service account {account} keeps its annotations"));
        }
        let kept = revocation_of(snapshot, binding).map(|revocation| revocation.kept).unwrap_or_default();
        if !kept.is_empty() && !snapshot.namespace_terminating() {
            let note =
                format!("not revoked: pods of {} keep the role until they are replaced; restart them", kept.join(", "));
            say(true, reason::ROLE_KEPT, note);
        }
    }
    all
}
