//! What holds for questions to AWS at any time, whatever has happened before.

use podidentity_api::{PreflightPolicy, PreflightResult};
use podidentity_core::assess::{Assessment, Case};
use podidentity_core::plan::{Plan, Step};
use podidentity_core::step::Question;

use crate::sim::ROLE_KEY;
use crate::world::World;

/// The most questions in a day: at least 5 minutes apart except for the first ones, for each of two
/// bindings.
const MOST_IN_A_DAY: usize = 2 * (24 * 12 + 10);

/// If an answer is required, the operator annotates a role that the service account has not had
/// only after AWS has confirmed the role, or if it could not ask and may proceed.
pub fn annotates_what_was_asked(world: &World, assessment: &Assessment, plan: &Plan) {
    let Some(case) = assessment.owner.as_ref().filter(|_| world.sees_all()) else { return };
    let policy = case.binding.spec.preflight.unwrap_or(world.cluster.preflight);
    if policy != PreflightPolicy::Require {
        return;
    }
    for step in &plan.steps {
        let Step::Annotate { annotations, .. } = step else { continue };
        let Some(role) = annotations.get(ROLE_KEY).filter(|role| changes(world, case, role)) else { continue };
        let recorded = case.binding.status.as_ref().and_then(|status| status.preflight.as_ref());
        let failed = recorded.and_then(|it| it.failed.as_ref()).filter(|it| it.role_arn == *role);
        let passed_over = failed.is_some_and(|it| it.result == PreflightResult::Unavailable);
        let allowed = world.cluster.sts.asked.iter().rfind(|asked| asked.question.role_arn == *role);
        let allowed = allowed.is_some_and(|asked| asked.passed)
            || recorded.and_then(|it| it.passed.as_ref()).is_some_and(|it| it.role_arn == *role);
        assert!(
            allowed || (world.cluster.proceed_unasked && passed_over),
            "{role} is annotated, and AWS has not let it through: {recorded:?}"
        );
    }
}

/// Whether the plan goes on to change what is on the service account. A question changes nothing.
/// The question's answer also reports what a crash left behind, and that report is checked. The
/// first step is done.
pub fn goes_on(steps: &[Step]) -> bool {
    let asks = |step: &Step| matches!(step, Step::Preflight(_));
    let replaces = |step: &Step| matches!(step, Step::Annotate { .. });
    steps.iter().any(asks) || steps.iter().skip(1).any(replaces)
}

/// Whether the service account has another role than this one, and the operator had written another
/// one.
fn changes(world: &World, case: &Case, role: &str) -> bool {
    let Some(account) = &world.cluster.account else { return false };
    let stands = account.annotations.get(ROLE_KEY).map(String::as_str) == Some(role);
    let had = account.written.as_deref() == Some(role);
    // If a crash kept a later role from being reported, and that role has not stayed, the operator
    // restores the last reported role.
    let told = case.binding.status.as_ref().and_then(|status| status.service_account.as_ref());
    let told = told.and_then(|told| told.written_role_arn.as_deref()) == Some(role);
    let restored = told && account.role_by_our_hand().is_none();
    !stands && !had && !restored && case.rolled_back().is_none()
}

/// The operator does not repeat a recorded question: a pass only after the recheck interval, a
/// refusal not before its next attempt, unless the spec has changed.
pub fn is_new(world: &World, question: &Question) {
    let binding = world.cluster.bindings.get(&question.declared.binding);
    let Some(status) = binding.filter(|_| world.sees_all()).and_then(|it| it.status.as_ref()) else { return };
    let recorded = status.preflight.clone().unwrap_or_default();
    let is_same = |role: &str, audience: &str, uid: Option<&String>| {
        role == question.role_arn && audience == question.audience && uid == Some(&question.account.uid)
    };
    if let Some(passed) = &recorded.passed {
        let same = is_same(&passed.role_arn, &passed.audience, passed.service_account_uid.as_ref());
        let rechecked = world.cluster.recheck.is_some_and(|it| passed.at.0 + it <= world.cluster.now);
        assert!(!same || rechecked, "asked again: {question:?}");
    }
    if let Some(failed) = &recorded.failed {
        let same = is_same(&failed.role_arn, &failed.audience, failed.service_account_uid.as_ref());
        let early = same && failed.generation == question.declared.generation && failed.next_at.0 > world.cluster.now;
        assert!(!early, "asked before {}: {question:?}", failed.next_at.0);
    }
}

/// Since the world was left alone, the operator has asked AWS no more often than a day allows.
pub fn questions_are_bounded(world: &World) {
    let asked = world.cluster.sts.asked.len();
    assert!(asked <= MOST_IN_A_DAY, "AWS was asked {asked} times: {:?}", world.cluster.bindings);
}
