//! What has to hold: of every plan, and once things are quiet.

use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus};
use podidentity_core::assess::Assessment;
use podidentity_core::claim::Claim;
use podidentity_core::plan::{Plan, Step, plan};
use podidentity_core::rollout::WorkloadVerdict;
use podidentity_core::snapshot::Snapshot;
use proptest::prelude::*;

use crate::World;
use crate::sim::PodState;

/// What holds for every plan, whatever has happened before.
pub fn keeps_the_rules(view: &Snapshot, assessment: &Assessment, plan: &Plan) {
    let Some(case) = &assessment.owner else { return };
    let binding = &case.binding;
    let rolled: Vec<&str> = plan.steps.iter().filter_map(rolled).collect();
    let annotates = |step: &Step| matches!(step, Step::Annotate { .. });
    if binding.spec.suspend {
        assert!(rolled.is_empty() && !plan.steps.iter().any(annotates), "suspended, and yet {:?}", plan.steps);
    }
    let status = binding.status.as_ref();
    let rollback = status.and_then(|status| status.rollback.as_ref());
    let rollback = rollback.filter(|rollback| Some(rollback.generation) == binding.metadata.generation);
    let wanted = rollback.map_or(&binding.spec.role_arn, |rollback| &rollback.to);
    for step in &plan.steps {
        let Step::Annotate { annotations, .. } = step else { continue };
        let role = annotations.get("eks.amazonaws.com/role-arn");
        assert_eq!(role, Some(wanted), "only the role that is wanted now is ever written");
    }
    let under_way = case.workloads.iter().filter(|verdict| verdict.under_way).count() + rolled.len();
    let proven = case.workloads.iter().any(WorkloadVerdict::proves_injection);
    let limit = if proven { binding.spec.rollout.max_concurrent.try_into().unwrap() } else { 1 };
    assert!(rolled.is_empty() || under_way <= limit, "{under_way} under way, {limit} allowed");
    for workload in view.workloads.iter().filter(|it| rolled.contains(&it.id().name.as_str())) {
        assert!(!workload.paused && workload.desired > 0, "{} is not to be rolled", workload.id());
    }
}

fn rolled(step: &Step) -> Option<&str> {
    match step {
        Step::Roll { workload, .. } => Some(&workload.name),
        Step::SetFinalizer { .. } | Step::Annotate { .. } => None,
    }
}

/// The roles that `config/enforcement` demands for a binding, one of which a pod has to have; none: it demands nothing.
pub fn demanded_roles(binding: &PodIdentityBinding) -> Vec<&str> {
    let Some(status) = &binding.status else { return Vec::new() };
    let (None, Some(in_force)) = (&binding.metadata.deletion_timestamp, &status.role_arn) else { return Vec::new() };
    let rolled_back = status.rollback.as_ref().filter(|it| Some(it.generation) == binding.metadata.generation);
    vec![in_force, rolled_back.map_or(&binding.spec.role_arn, |it| &it.to)]
}

fn ready(status: &PodIdentityBindingStatus) -> bool {
    status.conditions.iter().any(|it| it.type_ == condition::READY && it.status == "True")
}

fn has(status: &PodIdentityBindingStatus, type_: &str) -> bool {
    status.conditions.iter().any(|it| it.type_ == type_ && it.status == "True")
}

/// What has to hold once things are quiet.
pub fn check(world: &mut World) -> Result<(), TestCaseError> {
    let view = world.cluster.snapshot();
    let last = plan(&view, &Assessment::of(&view));
    prop_assert_eq!(last.shown().collect::<Vec<_>>(), Vec::<&Step>::new(), "the next plan is empty");
    let rolls = world.cluster.rolls;
    for binding in world.cluster.bindings.values() {
        let status = binding.status.as_ref();
        prop_assert!(status.is_some(), "every binding has a status");
        let status = status.unwrap();
        prop_assert_eq!(status.observed_generation, binding.metadata.generation);
        prop_assert!(
            !has(status, condition::RECONCILING) || world.cluster.account.is_none(),
            "nothing is under way: {:?}",
            status
        );
        prop_assert!(ready(status) ^ (has(status, condition::STALLED) || has(status, condition::RECONCILING)));
        if ready(status) {
            let wanted = Some(&binding.spec.role_arn);
            let pods = world.cluster.deployments.values().flat_map(|it| &it.pods);
            let held = pods.filter(|pod| !pod.is_elsewhere()).map(PodState::role);
            for role in held {
                prop_assert_eq!(role, wanted.map(String::as_str), "Ready, so every pod has the role");
            }
            let account = world.cluster.account.as_ref().map(|it| &it.annotations);
            prop_assert_eq!(account.and_then(|it| it.get("eks.amazonaws.com/role-arn")), wanted);
            prop_assert_eq!(status.role_arn.as_ref(), wanted, "and it is there by our hand");
        }
    }
    claims_are_told(world)?;
    // One owner at most.
    prop_assert!(world.cluster.bindings.values().filter(|it| it.status.as_ref().is_some_and(ready)).count() <= 1);
    prop_assert!(world.quiesce() && world.cluster.rolls == rolls, "quiet stays quiet");
    Ok(())
}

/// The oldest binding owns; the others say so; and what the owner says of the service account is true.
fn claims_are_told(world: &World) -> Result<(), TestCaseError> {
    let claim = Claim::of(&world.cluster.snapshot().bindings);
    let Some(owner) = &claim.owner else { return Ok(()) };
    for loser in &claim.waiting {
        let stalled =
            loser.status.iter().flat_map(|status| &status.conditions).find(|it| it.type_ == condition::STALLED);
        let named = format!("{}: delete one of the two", owner.metadata.name.as_deref().unwrap());
        let told = stalled.is_some_and(|it| it.reason == "ServiceAccountClaimed" && it.message.ends_with(&named));
        prop_assert!(told, "{:?} is not told of {}", loser.metadata.name, named);
    }
    let status = owner.status.as_ref().unwrap();
    if has(status, condition::SERVICE_ACCOUNT_ANNOTATED) {
        let rollback = status.rollback.as_ref().map(|rollback| rollback.to.as_str());
        prop_assert_eq!(world.cluster.role(), Some(rollback.unwrap_or(&owner.spec.role_arn)));
    }
    Ok(())
}
