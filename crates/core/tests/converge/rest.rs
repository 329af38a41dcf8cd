//! What must hold once things are quiet.

use podidentity_api::names::condition;
use podidentity_api::{Mechanism, PodIdentityBinding, PodIdentityBindingStatus};
use podidentity_core::assess::Assessment;
use podidentity_core::claim::Claim;
use podidentity_core::plan::{Step, plan};
use proptest::prelude::*;

use crate::causes;
use crate::sim::{AUDIENCE_KEY, PodState, ROLE_KEY, Workload};
use crate::world::World;

pub fn is_ready(status: &PodIdentityBindingStatus) -> bool {
    has(status, condition::READY)
}

pub fn has(status: &PodIdentityBindingStatus, type_: &str) -> bool {
    status.conditions.iter().any(|it| it.type_ == type_ && it.status == "True")
}

/// Checks what must hold once everything is well.
pub fn check(world: &mut World) -> Result<(), TestCaseError> {
    let view = world.view();
    let last = plan(&view, &Assessment::of(&view));
    prop_assert_eq!(last.shown().collect::<Vec<_>>(), Vec::<&Step>::new(), "the next plan is empty");
    let rolls = world.cluster.rolls;
    for binding in world.cluster.bindings.values() {
        status_is_true(world, &world.cluster.roles.resolved(binding))?;
    }
    claims_are_told(world)?;
    causes::explain_everything(world)?;
    // At most one owner.
    let ready = world.cluster.bindings.values().filter(|it| it.status.as_ref().is_some_and(is_ready));
    prop_assert!(ready.count() <= 1);
    prop_assert!(world.quiesce() && world.cluster.rolls == rolls, "quiet stays quiet");
    Ok(())
}

/// The status is true.
fn status_is_true(world: &World, binding: &PodIdentityBinding) -> Result<(), TestCaseError> {
    let Some(status) = binding.status.as_ref() else {
        return Err(TestCaseError::fail("every binding has a status"));
    };
    crate::survey::meets(|| format!("at rest:{}", status.conditions[0].reason));
    prop_assert_eq!(status.observed_generation, binding.metadata.generation);
    prop_assert!(is_ready(status) ^ (has(status, condition::STALLED) || has(status, condition::RECONCILING)));
    if !is_ready(status) {
        return Ok(());
    }
    let wanted = &binding.spec.role_arn;
    let account = world.cluster.account.as_ref().map(|it| &it.annotations);
    // An audience that the binding does not declare is left to whoever set it.
    let set = account.and_then(|it| it.get(AUDIENCE_KEY)).filter(|audience| !audience.is_empty());
    let audience = binding.spec.audience.as_ref().or(set).map(String::as_str);
    let selects_all = binding.spec.rollout.workload_selector.is_empty();
    let counted = world.cluster.workloads.values().filter(|it| selects_all || !it.left_out);
    let pods = counted.flat_map(|it| &it.pods).chain(world.cluster.unmanaged.iter().map(|it| &it.pod));
    for pod in pods.filter(|pod| pod.is_live() && !pod.is_elsewhere()) {
        if binding.spec.mechanism == Mechanism::PodIdentity {
            // A role alone, without a token file, has no effect in an SDK.
            prop_assert!(pod.is_associated(), "Ready, so every pod has the credentials");
            continue;
        }
        prop_assert_eq!(pod.role(), Some(wanted.as_str()), "Ready, so every pod has the role");
        prop_assert_eq!(pod.audience(), audience, "and the audience");
    }
    if binding.spec.mechanism == Mechanism::PodIdentity {
        // Pods that are left out, or do not come up, may need the annotation.
        let is_well = |pod: &PodState| pod.is_associated() && pod.is_ready();
        let lacks = |it: &Workload| !it.live().all(is_well) || it.live().count() < it.replicas;
        let keeps = status.pods_total == 0 || binding.spec.suspend || world.cluster.workloads.values().any(lacks);
        prop_assert!(status.role_arn.is_none() || keeps, "nothing is left by our hand");
        return Ok(());
    }
    prop_assert_eq!(account.and_then(|it| it.get(ROLE_KEY)), Some(wanted));
    prop_assert_eq!(status.role_arn.as_ref(), Some(wanted), "and it is there by our hand");
    Ok(())
}

/// The oldest binding owns the service account, the others report this, and the owner's report
/// about the service account is true.
fn claims_are_told(world: &World) -> Result<(), TestCaseError> {
    let claim = Claim::of(&world.view().bindings);
    let Some(owner) = &claim.owner else { return Ok(()) };
    for loser in &claim.waiting {
        let stalled =
            loser.status.iter().flat_map(|status| &status.conditions).find(|it| it.type_ == condition::STALLED);
        let named = format!("{}; delete one of the two", owner.metadata.name.as_deref().unwrap());
        let told = stalled.is_some_and(|it| it.reason == "ServiceAccountClaimed" && it.message.ends_with(&named));
        prop_assert!(told, "{:?} is not told of {}", loser.metadata.name, named);
    }
    let status = owner.status.as_ref().unwrap();
    if has(status, condition::SERVICE_ACCOUNT_ANNOTATED) {
        let rollback = status.rollback.as_ref().map(|rollback| rollback.to.as_str());
        // While the declared role is unknown, the previous one stays.
        let known = owner.spec.unresolved.is_none();
        prop_assert!(!known || world.cluster.role() == Some(rollback.unwrap_or(&owner.spec.role_arn)));
    }
    Ok(())
}
