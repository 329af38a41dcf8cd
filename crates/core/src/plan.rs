//! What to do next, as data.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::{DeletionPolicy, FailurePolicy, PodIdentityBinding, names};

use crate::account::{self, AccountState};
use crate::assess::{Assessment, Case, Rollback};
use crate::objects::{Workload, WorkloadId};
use crate::revoke;
use crate::snapshot::Snapshot;

/// The next writes, and when to look again without any event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Writes, in order; a step that fails ends the run.
    pub steps: Vec<Step>,
    /// When something becomes due that no event announces.
    pub check_at: Option<Timestamp>,
    /// Restarts of ours that are under way, without those of `steps`.
    pub in_flight: usize,
    /// Whether the operator-wide limit keeps further restarts from being among `steps`.
    pub wants_slots: bool,
}

/// One write. Each is conditional on the object being as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds our finalizer to a binding or removes it.
    SetFinalizer {
        /// The binding.
        binding: Target,
        /// Whether it shall be there.
        present: bool,
    },
    /// Makes exactly these annotations ours on the service account; others that were ours are given up.
    Annotate {
        /// The service account.
        account: Target,
        /// All annotations that shall be ours; empty gives up all.
        annotations: BTreeMap<String, String>,
        /// Whether to take over what another field manager owns with another value.
        force: bool,
        /// Set if this takes away or replaces a role that we had written, perhaps for a later declaration than this one,
        /// which then is looked up once more.
        declared: Option<Declared>,
    },
    /// Sets our pod-template annotation, which makes the workload's controller replace the pods.
    Roll {
        /// Kind and name.
        workload: WorkloadId,
        /// The workload.
        target: Target,
        /// Value of the annotation.
        mark: String,
    },
}

impl Step {
    /// Whether it rolls this workload.
    pub fn is_roll_of(&self, id: &WorkloadId) -> bool {
        match self {
            Self::Roll { workload, .. } => workload == id,
            Self::SetFinalizer { .. } | Self::Annotate { .. } => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetFinalizer { binding, present: true } => write!(f, "set finalizer of binding {}", binding.name),
            Self::SetFinalizer { binding, present: false } => write!(f, "remove finalizer of binding {}", binding.name),
            Self::Annotate { account, annotations, .. } if annotations.is_empty() => {
                write!(f, "release service account {}", account.name)
            }
            Self::Annotate { account, annotations, .. } => {
                write!(f, "annotate service account {}: {annotations:?}", account.name)
            }
            Self::Roll { workload, mark, .. } => write!(f, "roll {workload} as {mark}"),
        }
    }
}

/// What a user declared, as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name of the binding.
    pub binding: String,
    /// Its UID.
    pub uid: String,
    /// Its generation: changes of the spec count, and the deletion, and nothing else.
    pub generation: i64,
}

impl Declared {
    /// The binding as observed.
    pub fn by(meta: &ObjectMeta) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self { binding: text(&meta.name), uid: text(&meta.uid), generation: meta.generation.unwrap_or_default() }
    }
}

/// An object as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name.
    pub name: String,
    /// UID: an object that was deleted and created again is another one.
    pub uid: String,
    /// Resource version: the object has not changed since.
    pub resource_version: String,
}

impl Target {
    /// The object as observed.
    pub fn of(meta: &ObjectMeta) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self { name: text(&meta.name), uid: text(&meta.uid), resource_version: text(&meta.resource_version) }
    }
}

/// Plans the next writes.
pub fn plan(snapshot: &Snapshot, assessment: &Assessment) -> Plan {
    let mut plan = Plan::default();
    for binding in &assessment.claim.deleting {
        if has_finalizer(&binding.metadata) {
            plan_deletion(&mut plan, snapshot, assessment, binding);
        }
    }
    if let Some(case) = &assessment.case
        && !snapshot.namespace_terminating()
    {
        plan_case(&mut plan, snapshot, case);
    }
    plan
}

fn plan_case(plan: &mut Plan, snapshot: &Snapshot, case: &Case) {
    let binding = &case.binding;
    let in_flight = case.workloads.iter().filter(|workload| workload.in_flight).count();
    plan.in_flight += in_flight;
    // Also where nothing is written: a restart that is under way may fail.
    for at in case.workloads.iter().filter_map(|workload| workload.check_at) {
        plan.look_again_at(at);
    }
    if !case.may_write() {
        return;
    }
    let wants_finalizer = binding.spec.deletion_policy != DeletionPolicy::Retain;
    if wants_finalizer != has_finalizer(&binding.metadata) {
        plan.steps.push(Step::SetFinalizer { binding: Target::of(&binding.metadata), present: wants_finalizer });
    }
    if matches!(case.rollback, Some(Rollback::Due(_))) {
        return; // What failed is written no more; the status records that first.
    }
    match &case.account.state {
        AccountState::Outdated { force, .. } => {
            if let Some(account) = &snapshot.service_account {
                plan.steps.push(Step::Annotate {
                    account: Target::of(&account.metadata),
                    annotations: case.wanted.annotations(&snapshot.config.settings),
                    force: *force,
                    declared: replaces_ours(case).then(|| Declared::by(&binding.metadata)),
                });
            }
        }
        AccountState::Contested { retry_at, .. } => plan.look_again_at(*retry_at),
        AccountState::Missing | AccountState::Terminating | AccountState::InForce | AccountState::Conflict(_) => {}
    }
    let ready = case.workloads.iter().filter_map(|workload| Some((&workload.workload, workload.next.as_ref()?)));
    let rolls = ready.map(|(workload, mark)| roll(workload, mark.to_string()));
    plan.roll(rolls.collect(), limit(case).saturating_sub(in_flight), snapshot.rollout_slots);
}

/// Whether another role stands on the service account by our hand.
fn replaces_ours(case: &Case) -> bool {
    case.account.role_in_force.as_ref().is_some_and(|role| *role != case.wanted.role_arn)
}

/// How many workloads may be rolled at the same time. Until one has proven that the identity arrives, only one is: the
/// canary.
fn limit(case: &Case) -> usize {
    let rollout = &case.binding.spec.rollout;
    let halted = rollout.on_failure != FailurePolicy::Continue && case.workloads.iter().any(|workload| workload.failed);
    let proven = case.workloads.iter().any(crate::rollout::WorkloadVerdict::proves_injection);
    if halted {
        0
    } else if proven {
        most_at_once(&case.binding)
    } else {
        1
    }
}

/// `rollout.maxConcurrent`; at least one, also in a spec from before the validation.
pub(crate) fn most_at_once(binding: &PodIdentityBinding) -> usize {
    usize::try_from(binding.spec.rollout.max_concurrent).unwrap_or(1).max(1)
}

pub(crate) fn roll(workload: &Workload, mark: String) -> Step {
    Step::Roll { workload: workload.id(), target: Target::of(&workload.metadata), mark }
}

fn plan_deletion(plan: &mut Plan, snapshot: &Snapshot, assessment: &Assessment, binding: &PodIdentityBinding) {
    let done = Step::SetFinalizer { binding: Target::of(&binding.metadata), present: false };
    // Another binding takes over without a gap; and where everything is on its way out there is nothing to undo.
    let account = snapshot.service_account.as_ref().filter(|account| account.metadata.deletion_timestamp.is_none());
    let leaves_everything = binding.spec.suspend || binding.spec.deletion_policy == DeletionPolicy::Retain;
    if assessment.is_handed_over() || snapshot.namespace_terminating() || leaves_everything {
        plan.steps.push(done);
        return;
    }
    let settings = &snapshot.config.settings;
    if let Some(account) = account
        && account::owned_keys(account, settings).next().is_some()
    {
        plan.steps.push(Step::Annotate {
            account: Target::of(&account.metadata),
            annotations: BTreeMap::new(),
            force: false,
            declared: Some(Declared::by(&binding.metadata)),
        });
    }
    if binding.spec.deletion_policy == DeletionPolicy::Revoke {
        let revocation = revoke::judge(snapshot, binding);
        if let Some(at) = revocation.check_at {
            plan.look_again_at(at);
        }
        let finished = revocation.is_finished();
        let in_flight = revocation.in_flight.len();
        plan.in_flight += in_flight;
        plan.roll(revocation.rolls, most_at_once(binding).saturating_sub(in_flight), snapshot.rollout_slots);
        if !finished {
            return;
        }
    }
    plan.steps.push(done);
}

/// Whether the binding with this metadata has our finalizer.
pub fn has_finalizer(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|finalizer| finalizer == names::FINALIZER)
}

impl Plan {
    /// How many restarts are among the steps.
    pub fn rolls(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Roll { .. })).count()
    }

    /// Adds the first of the rolls: at most `free` of them, and no more than there are slots.
    fn roll(&mut self, rolls: Vec<Step>, free: usize, slots: usize) {
        let slots = slots.saturating_sub(self.rolls());
        let allowed = free.min(rolls.len());
        self.wants_slots |= allowed > slots;
        self.steps.extend(rolls.into_iter().take(allowed.min(slots)));
    }

    fn look_again_at(&mut self, at: Timestamp) {
        self.check_at = Some(self.check_at.map_or(at, |present| present.min(at)));
    }
}
