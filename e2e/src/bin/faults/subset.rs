//! The quick part of the campaign: a few plans from most classes of faults.

use e2e::faults::plan::Plan;

/// Plans by the beginning of their names.
const CHOSEN: &[&str] = &[
    "crash before a write/bound/",
    "crash after a write/role-changed/patch-deployments",
    "crash after a write/released/patch-podidentitybindings",
    "answer lost/bound/",
    "answer lost/revoked/patch-deployments",
    "write refused/handed-over/patch-serviceaccounts",
    "restart in the past/role-changed/patch-serviceaccounts",
    "restart in the past/fleet/patch-deployments",
    "somebody else was faster/bound/",
    "change not observed/bound/event-deployments",
    "overloaded server/fleet/",
    "bad network/role-changed/",
    "first list broken/bound/list-pods",
    "first list broken/bound/list-podidentitybindings",
    "first watch broken/bound/watch-pods",
    "a watch refused for ever/bound/watch-statefulsets",
    "two operators/bound/",
    "recreate account mid-way/bound/patch-serviceaccounts",
    "recreate deployment mid-way/bound/patch-deployments",
    "another manager at work/bound/",
    "spec changed/spec/audience-from-null",
    "spec changed/spec/deletionPolicy-from--Release",
    "spec changed/spec/roleArn-to-",
    "lease renewal refused/bound/",
    "lease stolen/fleet/",
    "leader killed/role-changed/",
    "crash after a write/asked/create-serviceaccounts.token",
    "write refused/repaired/create-serviceaccounts.token",
    "AWS in trouble/asked/throttled",
];

/// The prefixes that match no plan, so that a renamed plan is not silently omitted.
pub(crate) fn missing(plans: &[Plan]) -> Vec<&'static str> {
    let is_missing = |chosen: &&&str| !plans.iter().any(|plan| plan.id.starts_with(**chosen));
    CHOSEN.iter().filter(is_missing).copied().collect()
}

/// Whether the plan belongs to the subset.
pub(crate) fn has(plan: &Plan) -> bool {
    CHOSEN.iter().any(|chosen| plan.id.starts_with(chosen))
}
