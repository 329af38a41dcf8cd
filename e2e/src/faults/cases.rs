//! The cases that faults are injected into.

use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::{Value, json};

use super::case::{Case, Step, World};
use super::rules::Deed;
use crate::fixtures::{OTHER_ROLE, ROLE};

fn case(name: &str, world: World, rolls: usize, order: &[&str], steps: Vec<Step>) -> Case {
    Case { name: name.to_owned(), world, steps, roles: order.iter().map(|&role| role.to_owned()).collect(), rolls }
}

fn bind(spec: Value) -> Step {
    Step::Bind("app".to_owned(), spec)
}

fn ready(pods: i32) -> Step {
    Step::Ready("app".to_owned(), pods)
}

fn change(spec: Value) -> Step {
    Step::Change("app".to_owned(), spec)
}

fn reasoned(kind: &str, status: &str, why: Reason) -> Step {
    Step::Reason("app".to_owned(), kind.to_owned(), status.to_owned(), why.into())
}

/// A binding for running pods: annotate, roll once, verify.
pub fn bound() -> Case {
    case("bound", World::Running, 1, &[ROLE], vec![bind(json!({})), ready(2)])
}

/// The role of a binding changes.
pub fn role_changed() -> Case {
    let to_other = change(json!({"roleArn": OTHER_ROLE}));
    case("role-changed", World::Running, 2, &[ROLE, OTHER_ROLE], vec![bind(json!({})), ready(2), to_other, ready(2)])
}

/// All cases from which plans are generated.
pub fn all() -> Vec<Case> {
    vec![
        bound(),
        role_changed(),
        fleet(),
        released(),
        revoked(),
        handed_over(),
        late(),
        manual(),
        stripped(),
        suspended(),
        adopted(),
        asked(),
        repaired(),
    ]
}

/// Three workloads, one after the other, the first one as the canary.
pub fn fleet() -> Case {
    case("fleet", World::Fleet, 1, &[ROLE], vec![bind(json!({})), ready(3)])
}

/// A binding is deleted: the annotation goes, the pods stay.
pub fn released() -> Case {
    let unbind = Step::Unbind("app".to_owned());
    let gone = Step::Gone("app".to_owned());
    case("released", World::Running, 1, &[ROLE], vec![bind(json!({})), ready(2), unbind, gone])
}

/// A binding is deleted: no pod keeps the role.
pub fn revoked() -> Case {
    let spec = json!({"deletionPolicy": "Revoke"});
    let steps =
        vec![bind(spec), ready(2), Step::Unbind("app".to_owned()), Step::Gone("app".to_owned()), Step::Pods(None)];
    case("revoked", World::Running, 2, &[ROLE], steps)
}

/// Two bindings claim the service account; the older one is deleted.
pub fn handed_over() -> Case {
    let heir = || "heir".to_owned();
    let kind = condition::READY.to_owned();
    let steps = vec![
        bind(json!({})),
        ready(2),
        Step::Bind(heir(), json!({"roleArn": OTHER_ROLE})),
        Step::Reason(heir(), kind, "False".to_owned(), Reason::ServiceAccountClaimed.into()),
        Step::Unbind("app".to_owned()),
        Step::Gone("app".to_owned()),
        Step::Ready(heir(), 2),
    ];
    case("handed-over", World::Running, 2, &[ROLE, OTHER_ROLE], steps)
}

/// The service account, and then the Deployment, appear after the binding.
pub fn late() -> Case {
    let missing = reasoned(condition::SERVICE_ACCOUNT_ANNOTATED, "False", Reason::ServiceAccountNotFound);
    let steps = vec![bind(json!({})), missing, Step::CreateAccount, Step::CreateDeployment(ROLE.to_owned()), ready(2)];
    case("late", World::Empty, 0, &[ROLE], steps)
}

/// A person releases the rollout.
pub fn manual() -> Case {
    let waits = reasoned(condition::WORKLOADS_ROLLED, "False", Reason::AwaitingRelease);
    let steps = vec![bind(json!({"rollout": {"policy": "Manual"}})), waits, Step::Release("app".to_owned()), ready(2)];
    case("manual", World::Running, 1, &[ROLE], steps)
}

/// Another user removes the annotation; the operator restores it.
pub fn stripped() -> Case {
    let restored = Step::Restored("app".to_owned(), 1);
    case(
        "stripped",
        World::Running,
        1,
        &[ROLE],
        vec![bind(json!({})), ready(2), Step::NextSecond, Step::Do(Deed::StripAccount), restored, ready(2)],
    )
}

/// The role changes while the binding is suspended.
pub fn suspended() -> Case {
    let suspended = reasoned(condition::READY, "False", Reason::Suspended);
    let steps = vec![
        bind(json!({})),
        ready(2),
        change(json!({"suspend": true, "roleArn": OTHER_ROLE})),
        suspended,
        change(json!({"suspend": false})),
        ready(2),
    ];
    case("suspended", World::Running, 2, &[ROLE, OTHER_ROLE], steps)
}

/// Everything is already right: nothing restarts.
pub fn adopted() -> Case {
    case("adopted", World::Adopted, 0, &[ROLE], vec![bind(json!({})), ready(2)])
}

/// The operator asks AWS before it puts a role in force, and before it changes the role.
pub fn asked() -> Case {
    let to_other = change(json!({"roleArn": OTHER_ROLE}));
    let steps = vec![Step::Trust, bind(json!({"preflight": "Require"})), ready(2), to_other, ready(2)];
    case("asked", World::Aws, 2, &[ROLE, OTHER_ROLE], steps)
}

/// AWS refuses until the trust policy is corrected.
pub fn repaired() -> Case {
    let refused = reasoned(condition::ROLE_ASSUMABLE, "False", Reason::RoleNotAssumable);
    let steps = vec![bind(json!({"preflight": "Require"})), refused, Step::Trust, ready(2)];
    case("repaired", World::Aws, 1, &[ROLE], steps)
}
