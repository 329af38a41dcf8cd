//! What can happen, and how often it does.

use podidentity_api::FailurePolicy;
use proptest::prelude::*;

use crate::{BINDINGS, DEPLOYMENTS, ROLES};

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    Bind(usize, usize),
    DeleteBinding(usize),
    Override(usize, bool),
    Suspend(usize, bool),
    CreateAccount,
    DeleteAccount,
    RemoveAnnotation,
    OverwriteAnnotation,
    Deploy(usize, usize),
    DeleteDeployment(usize),
    UserRollout(usize),
    Preset(usize, bool),
    Pause(usize, bool),
    /// New pods never become ready, or do again.
    Broken(usize, bool),
    NeedsRole(usize),
    /// New pods with this role never become ready.
    BrokenAs(usize, usize),
    /// The template names another service account, or this one again.
    Elsewhere(usize, bool),
    /// A node is drained.
    Drain(usize),
    Audience(usize, bool),
    OnFailure(usize, FailurePolicy),
    Revert(usize),
    PodProgress(usize),
    RolloutFinishes(usize),
    /// Everything comes to rest in between.
    Quiet,
    /// Another manager writes the value that is there already.
    CoOwn,
    Webhook(bool),
    TimePasses(i64),
    /// Reconcile on a fresh view, and carry out at most so many steps before a crash.
    Reconcile(usize),
    /// Remember the view.
    Freeze,
    /// Reconcile on the remembered view.
    ReconcileFrozen,
}

pub fn event() -> impl Strategy<Value = Event> {
    let deployment = 0..DEPLOYMENTS.len();
    let binding = 0..BINDINGS.len();
    let binding_again = binding.clone();
    let on_failure =
        prop_oneof![Just(FailurePolicy::Halt), Just(FailurePolicy::Continue), Just(FailurePolicy::Rollback)];
    prop_oneof![
        3 => (binding.clone(), 0..ROLES.len()).prop_map(|(name, role)| Event::Bind(name, role)),
        1 => binding.clone().prop_map(Event::DeleteBinding),
        1 => (binding.clone(), any::<bool>()).prop_map(|(name, on)| Event::Override(name, on)),
        1 => (binding, any::<bool>()).prop_map(|(name, on)| Event::Suspend(name, on)),
        3 => Just(Event::CreateAccount),
        1 => Just(Event::DeleteAccount),
        1 => Just(Event::RemoveAnnotation),
        1 => Just(Event::OverwriteAnnotation),
        3 => (deployment.clone(), 0..4_usize).prop_map(|(name, replicas)| Event::Deploy(name, replicas)),
        1 => deployment.clone().prop_map(Event::DeleteDeployment),
        1 => deployment.clone().prop_map(Event::UserRollout),
        1 => (deployment.clone(), any::<bool>()).prop_map(|(name, on)| Event::Preset(name, on)),
        1 => (deployment.clone(), any::<bool>()).prop_map(|(name, on)| Event::Pause(name, on)),
        1 => (deployment.clone(), any::<bool>()).prop_map(|(name, on)| Event::Broken(name, on)),
        1 => deployment.clone().prop_map(Event::NeedsRole),
        1 => deployment.clone().prop_map(Event::Revert),
        1 => (deployment.clone(), 0..ROLES.len()).prop_map(|(name, role)| Event::BrokenAs(name, role)),
        1 => (deployment.clone(), any::<bool>()).prop_map(|(name, on)| Event::Elsewhere(name, on)),
        1 => deployment.clone().prop_map(Event::Drain),
        1 => (0..BINDINGS.len(), any::<bool>()).prop_map(|(name, on)| Event::Audience(name, on)),
        1 => (binding_again, on_failure).prop_map(|(name, policy)| Event::OnFailure(name, policy)),
        6 => deployment.prop_map(Event::PodProgress),
        3 => (0..DEPLOYMENTS.len()).prop_map(Event::RolloutFinishes),
        3 => Just(Event::Quiet),
        1 => Just(Event::CoOwn),
        1 => any::<bool>().prop_map(Event::Webhook),
        4 => (0..40_i64).prop_map(Event::TimePasses),
        8 => (0..4_usize).prop_map(Event::Reconcile),
        1 => Just(Event::Freeze),
        1 => Just(Event::ReconcileFrozen),
    ]
}
