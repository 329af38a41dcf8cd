//! Taking a role away from running pods when a binding with `deletionPolicy: Revoke` is deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, RolloutPolicy, names};
use sha2::{Digest, Sha256};

use crate::account;
use crate::assess::told_roles;
use crate::injection::ROLE_ARN;
use crate::objects::{ControllerRef, Pod, PodSpec, UpdateStrategy, Workload, WorkloadId};
use crate::plan::{Step, roll};
use crate::rollout::{is_selected, rolled_at};
use crate::snapshot::Snapshot;

/// What is left to do, and what cannot be done.
#[derive(Default)]
pub(crate) struct Revocation {
    /// Whether new pods still get the role: the annotation goes first.
    pub(crate) is_offered: bool,
    /// Restarts that are to be started.
    pub(crate) rolls: Vec<Step>,
    /// Workloads that are being restarted.
    pub(crate) in_flight: Vec<WorkloadId>,
    /// Workloads and pods, as `Kind/name`, that have the role and that the operator does not restart: paused, `OnDelete`,
    /// left out by the binding's selector or policy, a restart that does not complete within its deadline, Jobs and bare
    /// pods. They do not hold the binding back.
    pub(crate) kept: Vec<String>,
    /// When to look again without any event.
    pub(crate) check_at: Option<Timestamp>,
}

impl Revocation {
    /// Whether no restart is left to be started or waited for.
    pub(crate) fn is_finished(&self) -> bool {
        !self.is_offered && self.rolls.is_empty() && self.in_flight.is_empty()
    }
}

/// Restarts those workloads whose live pods still have the role.
pub(crate) fn judge(snapshot: &Snapshot, binding: &PodIdentityBinding) -> Revocation {
    let settings = &snapshot.config.settings;
    let account = snapshot.service_account.as_deref();
    if account.and_then(|account| account::role_by_our_hand(account, settings)).is_some() {
        return Revocation { is_offered: true, ..Revocation::default() };
    }
    let mut revocation = Revocation::default();
    let roles = given_roles(binding);
    let deadline = SignedDuration::from_secs(binding.spec.rollout.progress_deadline_seconds.into());
    let mark = mark(binding);
    for workload in &snapshot.workloads {
        let id = workload.id();
        let until = rolled_at(workload).map(|rolled| rolled + deadline);
        let late = until.is_none_or(|until| until <= snapshot.now);
        let marked = workload.template_annotation(names::IDENTITY_ANNOTATION) == Some(&mark);
        let held_back = is_left_out(workload, binding)
            || workload.paused
            || matches!(workload.strategy, UpdateStrategy::OnDelete | UpdateStrategy::Elsewhere);
        let has_role = has_role(snapshot, workload, &roles);
        if has_role && held_back {
            revocation.kept.push(id.to_string());
        } else if has_role && !marked {
            revocation.rolls.push(roll(workload, mark.clone()));
        } else if has_role && late {
            revocation.kept.push(id.to_string());
        } else if has_role || (marked && !workload.rolled_out && !held_back && !late) {
            // It keeps its slot until its new pods are up, too.
            revocation.in_flight.push(id);
            revocation.check_at = revocation.check_at.into_iter().chain(until).min();
        }
    }
    revocation.kept.extend(strays(snapshot, &roles));
    revocation
}

/// The roles that pods may have by the binding: declared, in force, and proven, which differ while a role is being changed.
fn given_roles(binding: &PodIdentityBinding) -> BTreeSet<&str> {
    told_roles(binding).chain([binding.spec.role_arn.as_str()]).collect()
}

/// Whether the binding says that the workload is not to be restarted by us.
fn is_left_out(workload: &Workload, binding: &PodIdentityBinding) -> bool {
    binding.spec.rollout.policy == RolloutPolicy::Never || !is_selected(workload, binding)
}

/// The template mark of a revocation: the same for one binding, never the hash of an identity.
fn mark(binding: &PodIdentityBinding) -> String {
    let uid = binding.metadata.uid.as_deref().unwrap_or_default();
    let digest = Sha256::digest(format!("revoked by {uid}"));
    digest.iter().take(5).fold(String::from("revoked-"), |text, byte| text + &format!("{byte:02x}"))
}

fn has_role(snapshot: &Snapshot, workload: &Workload, roles: &BTreeSet<&str>) -> bool {
    let mut pods = snapshot.pods.iter().filter(|pod| pod.is_live() && is_of(pod, workload));
    pods.any(|pod| injected_role(pod, workload, roles))
}

fn is_of(pod: &Pod, workload: &Workload) -> bool {
    let id = workload.id();
    ControllerRef::of(&pod.metadata).is_some_and(|owner| owner.kind == id.kind.as_str() && owner.name == id.name)
}

/// Whether the pod has one of the roles, and not from its own template.
fn injected_role(pod: &Pod, workload: &Workload, roles: &BTreeSet<&str>) -> bool {
    let preset = roles_set(&workload.template.spec);
    roles_set(&pod.spec).difference(&preset).any(|role| roles.contains(role))
}

/// The roles that containers' variables name.
fn roles_set(spec: &PodSpec) -> BTreeSet<&str> {
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let variables = containers.flat_map(|container| &container.env).filter(|variable| variable.name == ROLE_ARN);
    variables.filter_map(|variable| variable.value.as_deref()).collect()
}

/// The controllers, or the pods themselves, of pods that have one of the roles and belong to no workload.
fn strays(snapshot: &Snapshot, roles: &BTreeSet<&str>) -> BTreeSet<String> {
    let is_stray = |pod: &&Arc<Pod>| !snapshot.workloads.iter().any(|workload| is_of(pod, workload));
    let has_role = |pod: &&Arc<Pod>| !roles_set(&pod.spec).is_disjoint(roles);
    let pods = snapshot.pods.iter().filter(|pod| pod.is_live()).filter(has_role).filter(is_stray);
    let named = pods.map(|pod| match ControllerRef::of(&pod.metadata) {
        Some(owner) => format!("{}/{}", owner.kind, owner.name),
        None => format!("Pod/{}", pod.name()),
    });
    named.collect()
}
