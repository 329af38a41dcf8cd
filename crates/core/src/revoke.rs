//! Taking a role away from running pods when a binding with `deletionPolicy: Revoke` is deleted.

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, names};
use sha2::{Digest, Sha256};

use crate::account;
use crate::objects::{Pod, UpdateStrategy, Workload, field_owners};
use crate::plan::{Step, Target};
use crate::snapshot::Snapshot;

/// What is left to do.
pub(crate) struct Revocation {
    /// Restarts to start now.
    pub(crate) rolls: Vec<Step>,
    /// Whether no restart is left to be started or waited for.
    pub(crate) finished: bool,
    /// When to look again without any event.
    pub(crate) check_at: Option<Timestamp>,
}

/// Restarts those workloads whose live pods still have the role, `rollout.maxConcurrent` at a time. What the operator
/// cannot restart (paused, `OnDelete`, a restart that does not complete within its deadline) does not hold the binding
/// back.
pub(crate) fn next(snapshot: &Snapshot, binding: &PodIdentityBinding) -> Revocation {
    let mut revocation = Revocation { rolls: Vec::new(), finished: true, check_at: None };
    let settings = &snapshot.config.settings;
    if snapshot.service_account.as_deref().and_then(|account| account::role_by_our_hand(account, settings)).is_some() {
        // New pods would get the role again: the annotation goes first.
        revocation.finished = false;
        return revocation;
    }
    let role = binding.status.as_ref().and_then(|status| status.role_arn.as_deref());
    let role = role.unwrap_or(&binding.spec.role_arn);
    let mark = mark(binding);
    let mut free = usize::try_from(binding.spec.rollout.max_concurrent).unwrap_or(1);
    let deadline = SignedDuration::from_secs(binding.spec.rollout.progress_deadline_seconds.into());
    for workload in &snapshot.workloads {
        if !has_role(snapshot, workload, role)
            || workload.paused
            || matches!(workload.strategy, UpdateStrategy::OnDelete | UpdateStrategy::Elsewhere)
        {
            continue;
        }
        let marked = workload.template_annotation(names::IDENTITY_ANNOTATION) == Some(&mark);
        let until = rolled_at(workload).map(|rolled| rolled + deadline);
        if marked && until.is_none_or(|until| until <= snapshot.now) {
            continue;
        }
        revocation.finished = false;
        if marked {
            free = free.saturating_sub(1);
            revocation.check_at = revocation.check_at.into_iter().chain(until).min();
        } else if free > 0 {
            free -= 1;
            revocation.rolls.push(Step::Roll {
                workload: workload.id(),
                target: Target::of(&workload.metadata),
                mark: mark.clone(),
            });
        }
    }
    revocation
}

/// The template mark of a revocation: the same for one binding, never the hash of an identity.
fn mark(binding: &PodIdentityBinding) -> String {
    let uid = binding.metadata.uid.as_deref().unwrap_or_default();
    let digest = Sha256::digest(format!("revoked by {uid}"));
    digest.iter().take(5).fold(String::from("revoked-"), |text, byte| text + &format!("{byte:02x}"))
}

fn has_role(snapshot: &Snapshot, workload: &Workload, role: &str) -> bool {
    let id = workload.id();
    let belongs =
        |pod: &Pod| pod.controller().is_some_and(|owner| owner.kind == id.kind.as_str() && owner.name == id.name);
    snapshot.pods.iter().filter(|pod| pod.is_live() && belongs(pod)).any(|pod| injected_role(pod, workload, role))
}

/// Whether the pod has the role, and not from its own template.
fn injected_role(pod: &Pod, workload: &Workload, role: &str) -> bool {
    let sets_role = |containers: &[crate::objects::Container]| {
        containers
            .iter()
            .flat_map(|container| &container.env)
            .any(|variable| variable.name == "AWS_ROLE_ARN" && variable.value.as_deref() == Some(role))
    };
    let has = sets_role(&pod.spec.containers) || sets_role(&pod.spec.init_containers);
    let template = &workload.template.spec;
    has && !sets_role(&template.containers) && !sets_role(&template.init_containers)
}

fn rolled_at(workload: &Workload) -> Option<Timestamp> {
    field_owners(&workload.metadata, names::IDENTITY_ANNOTATION, true)
        .find(|owner| owner.manager == names::FIELD_MANAGER)?
        .time
}
