//! The causes in the world that keep a workload or a binding from being well. Without a cause,
//! everything is well.

use podidentity_api::names::{self, condition};
use podidentity_api::{FailurePolicy, Mechanism, RolloutPolicy};
use podidentity_core::account::AccountState;
use podidentity_core::assess::{Assessment, Case};
use podidentity_core::role::release_value;
use podidentity_core::rollout::{Cause, Phase, WorkloadVerdict};
use proptest::prelude::*;

use crate::rest::{has, is_ready};
use crate::sim::{AUDIENCE_KEY, PodState, ROLE_KEY, Strategy, Workload};
use crate::world::World;

/// At rest, each workload without a cause has the identity, and a binding that is not Ready has a
/// cause.
pub fn explain_everything(world: &World) -> Result<(), TestCaseError> {
    let Some(case) = Assessment::of(&world.view()).owner else { return Ok(()) };
    let mut causes = of_binding(world, &case);
    let stopped = !causes.is_empty();
    for verdict in &case.workloads {
        let workload = &world.cluster.workloads[&verdict.workload.id().name];
        let own = of_workload(world, &case, workload);
        let well = verdict.is_current() || verdict.phase == Phase::Excluded;
        prop_assert!(
            well || stopped || !own.is_empty(),
            "{} is {:?} without a cause: {:?}, {:?}",
            workload.name,
            verdict.phase,
            workload,
            case.binding.status
        );
        causes.extend(own);
    }
    causes.extend(of_unmanaged(world, &case));
    let status = case.binding.status.as_ref();
    if let Some(status) = status.filter(|status| !is_ready(status)) {
        prop_assert!(!causes.is_empty(), "not Ready without a cause: {:?}", status.conditions);
        let reconciles = has(status, condition::RECONCILING);
        prop_assert!(!reconciles || causes.iter().any(|cause| lasts(cause)), "{causes:?}: {:?}", status.conditions);
    }
    Ok(())
}

/// Whether work is left for the operator, or for someone who acts without being told.
fn lasts(cause: &str) -> bool {
    [REFUSED_BY_AWS, NO_ROLE, NO_ACCOUNT, UNMANAGED, SHORT, UNREADY, DOWN, ENDLESS].contains(&cause)
}

const REFUSED_BY_AWS: &str = "AWS does not let it assume the role, or cannot be asked";
const NO_ROLE: &str = "what it refers to has no role";
const NO_ACCOUNT: &str = "the service account does not exist";
const UNMANAGED: &str = "a pod of no workload lacks the identity";
const SHORT: &str = "pods are missing";
const UNREADY: &str = "a pod is not ready";
const ENDLESS: &str = "a pod does not end";
const DOWN: &str = "a node is down";

/// What keeps the operator, by its promises, from restarting anything.
fn of_binding(world: &World, case: &Case) -> Vec<&'static str> {
    let rollout = &case.binding.spec.rollout;
    let failed = |verdict: &WorkloadVerdict| matches!(verdict.phase, Phase::Failed { .. });
    let pauses = case.workloads.iter().any(|verdict| verdict.under_way && verdict.is_held_back());
    let breaks = world.cluster.workloads.values().any(|it| it.template.mounts && !it.template.elsewhere);
    let causes = [
        (case.binding.spec.suspend, "it is suspended"),
        (rollout.policy == RolloutPolicy::Never, "it never restarts"),
        (rollout.policy == RolloutPolicy::Manual && !is_released(case), "it waits to be released"),
        (case.binding.spec.unresolved.is_some(), NO_ROLE),
        (case.preflight.forbids(), REFUSED_BY_AWS),
        (world.cluster.account.is_none(), NO_ACCOUNT),
        (is_foreign(world), "somebody else owns the annotation"),
        (world.cluster.role_rewritten.is_some(), "admission rewrites the role"),
        (world.cluster.faults.account_refused, "the service account cannot be written"),
        (breaks && case.account.state != AccountState::InForce, "annotating would break a workload"),
        (rollout.on_failure != FailurePolicy::Continue && case.workloads.iter().any(failed), "a restart failed"),
        (case.rolled_back().is_some(), "the role was rolled back"),
        (pauses, "a restart is paused"),
        (
            world.cluster.workloads.values().any(|it| it.left_out) && !rollout.workload_selector.is_empty(),
            "some are left out",
        ),
    ];
    causes.into_iter().filter(|(holds, _)| *holds).map(|(_, cause)| cause).collect()
}

fn is_released(case: &Case) -> bool {
    let annotations = case.binding.metadata.annotations.as_ref();
    let released = annotations.and_then(|all| all.get(names::RELEASE_ANNOTATION));
    released.is_some_and(|released| *released == release_value(&case.binding))
}

/// Whether another manager owns the role or the audience, or owned it when the operator last saw the
/// service account.
fn is_foreign(world: &World) -> bool {
    let account = world.cluster.account.as_ref();
    account.is_some_and(|account| [ROLE_KEY, AUDIENCE_KEY].iter().any(|key| account.is_shared(key)))
}

/// What keeps one workload from coming up with the identity.
fn of_workload(world: &World, case: &Case, workload: &Workload) -> Vec<&'static str> {
    let cluster = &world.cluster;
    let unready = workload.live().any(|pod| !pod.is_ready());
    let undeclared = !case.expected.identity.is_of_association() && !case.expected.left_association;
    let of_association = undeclared && workload.live().any(PodState::is_associated);
    let missed = case.workloads.iter().any(|it| is_missed(case, it)) && workload.template.mark.is_some();
    let causes = [
        (workload.paused, "it is paused"),
        (workload.quota, "its pods cannot be created"),
        (workload.template.preset, "its template sets a role"),
        (workload.template.mounts, "its template mounts something at the token's path"),
        (matches!(workload.strategy, Strategy::OnDelete | Strategy::Partition(_)), "its pods are not all replaced"),
        (workload.waits_for_a_person(), "it waits to be promoted"),
        (cluster.refused.contains(&workload.name), "its restart is refused"),
        (cluster.rewritten.contains_key(&workload.name), "admission rewrites its mark"),
        (missed || !cluster.webhook, "injection was missed"),
        (of_association, "its pods are of an association that nobody declared"),
        (workload.live().count() < workload.replicas, SHORT),
        (workload.pods.iter().any(|pod| !pod.is_live() && !pod.is_finished()), ENDLESS),
        (!workload.down.is_empty(), DOWN),
        (unready, UNREADY),
    ];
    causes.into_iter().filter(|(holds, _)| *holds).map(|(_, cause)| cause).collect()
}

/// Whether the attempts are used up and nothing shows that injection is back. In that case, the
/// operator does not repeat other restarts either.
fn is_missed(case: &Case, verdict: &WorkloadVerdict) -> bool {
    match &verdict.phase {
        Phase::Failed { cause: Cause::InjectionMissed { at, .. }, .. } => case.injected_at <= *at,
        _ => false,
    }
}

/// Pods that the operator does not restart, including those of a template that now names another
/// service account.
fn of_unmanaged(world: &World, case: &Case) -> Option<&'static str> {
    let wanted = Some(case.expected.identity.role_arn.as_str());
    let audience = case.expected.identity.audience.as_ref().or(case.expected.foreign_audience.as_ref());
    let audience = audience.map(String::as_str);
    let lacks = |pod: &PodState| match case.expected.identity.mechanism {
        Mechanism::Irsa => pod.role() != wanted || pod.audience() != audience,
        Mechanism::PodIdentity => !pod.is_associated(),
    };
    let left = world.cluster.workloads.values().filter(|it| it.template.elsewhere).flat_map(|it| &it.pods);
    let mut all = world.cluster.unmanaged.iter().map(|unmanaged| &unmanaged.pod).chain(left);
    all.any(|pod| pod.is_live() && !pod.is_elsewhere() && lacks(pod)).then_some(UNMANAGED)
}
