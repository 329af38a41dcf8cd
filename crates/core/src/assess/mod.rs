//! The identity as a whole: claim, service account, and every pod's verdict, grouped by workload.

mod counted_pods;
mod failed_identity;
mod rollback;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::{
    DeletionPolicy, FailurePolicy, InvalidSpec, Mechanism, PodIdentityBinding, PodIdentityBindingStatus, RollbackStatus,
};

use crate::account::{self, Account, AccountState};
use crate::claim::Claim;
use crate::desired_identity::DesiredIdentity;
use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::grants::Grant;
use crate::injection::{Entry, Given};
use crate::invalid;
use crate::objects::{ControllerRef, Pod, RoleObjectKind, ServiceAccount};
use crate::preflight::{self, Preflight};
use crate::restart_record::Records;
use crate::revoke::{self, Revocation, recorded_roles};
use crate::role;
use crate::rollout::{Judge, Phase, WorkloadVerdict, is_released, settled_at};
use crate::schedule::{self, Schedule};
use crate::settings::Settings;
use crate::slip;
use crate::snapshot::Snapshot;
use crate::verify::{JudgedPod, verify_pod};
use crate::windows::{Gate, Pace};

use counted_pods::{OwnedPods, PodsByOwner};
use failed_identity::FailedIdentity;
pub use rollback::Rollback;
pub(crate) use rollback::last_verified;
use rollback::{due_rollback, recorded_rollback};

/// The verdicts on everything in a snapshot.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The case of the binding that owns the service account, if there is one.
    pub owner: Option<Case>,
    /// Bindings that wait until the owner is gone.
    pub waiting: Vec<Arc<PodIdentityBinding>>,
    /// Bindings that are being deleted.
    pub deleting: Vec<Deletion>,
}

/// A binding that is being deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// The binding.
    pub binding: Arc<PodIdentityBinding>,
    /// What the operator still has to revoke from pods. `None` unless the deletion policy is
    /// `Revoke` and the binding is not suspended.
    pub revocation: Option<Revocation>,
}

impl Deletion {
    fn of(snapshot: &Snapshot, binding: Arc<PodIdentityBinding>) -> Self {
        let revokes = binding.spec.deletion_policy == DeletionPolicy::Revoke && !binding.spec.suspend;
        Self { revocation: revokes.then(|| revoke::judge(snapshot, &binding)), binding }
    }
}

/// All verdicts for the owning binding.
#[derive(Clone, Debug)]
pub struct Case {
    /// The binding.
    pub binding: Arc<PodIdentityBinding>,
    /// Why the operator cannot act on the stored spec, if it cannot.
    pub invalid: Option<InvalidSpec>,
    /// What pods are expected to have: the declared identity, or during and after a rollback the
    /// identity that was verified before.
    pub expected: Expectation,
    /// Whether the namespace grants the wanted role.
    pub grant: Grant,
    /// The rollback of this generation: in force, or due and not yet recorded.
    pub rollback: Option<Rollback>,
    /// The service account.
    pub account: Account,
    /// Whether the operator asks AWS before it annotates the service account, and what AWS
    /// answered.
    pub preflight: Preflight,
    /// Workloads, by kind and name.
    pub workloads: Vec<WorkloadVerdict>,
    /// Live pods that belong to no workload the operator can restart, by controller (`None`: bare
    /// pods).
    pub unmanaged: BTreeMap<Option<ControllerRef>, Vec<JudgedPod>>,
    /// Slips: settings on the service account, templates and namespace that lack the intended
    /// effect.
    pub slips: Vec<Finding>,
    /// When the newest pod that got the identity by injection was created.
    pub injected_at: Option<Timestamp>,
    /// What holds back restarts, except those that take back a failed identity.
    pub pace: Pace,
    /// How injection is configured.
    pub settings: Settings,
}

impl Assessment {
    /// Judges a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let Claim { owner, waiting, deleting } = Claim::of(&snapshot.bindings);
        Self {
            owner: owner.map(|binding| Case::of(snapshot, binding)),
            waiting,
            deleting: deleting.into_iter().map(|binding| Deletion::of(snapshot, binding)).collect(),
        }
    }

    /// The binding that owns the service account.
    pub fn owning_binding(&self) -> Option<&Arc<PodIdentityBinding>> {
        self.owner.as_ref().map(|case| &case.binding)
    }

    /// Whether another binding takes over the annotations that a binding leaves on the service
    /// account when it is deleted. A suspended binding takes over when it is resumed; nothing is
    /// written until then.
    pub fn is_handed_over(&self) -> bool {
        self.owner.as_ref().is_some_and(Case::is_permitted)
    }
}

/// The entry of the webhook's ConfigMap, if that and no annotation gives the service account the
/// role.
fn listed<'a>(account: &'a ServiceAccount, identity: &DesiredIdentity, settings: &'a Settings) -> Option<&'a Entry> {
    match Given::on(account, settings) {
        Given::Entry(entry) => Some(entry).filter(|entry| entry.role_arn == identity.role_arn),
        Given::Annotations(_) | Given::Association(_) => None,
    }
}

impl Case {
    /// Judges everything for one binding.
    pub fn of(snapshot: &Snapshot, binding: Arc<PodIdentityBinding>) -> Self {
        let settings = &snapshot.config.settings;
        let recorded = recorded_rollback(&binding);
        let identity = declared_or_rolled_back(&binding, recorded.as_ref());
        let service_account = snapshot.service_account.as_deref();
        let account = Account::judge(service_account, &binding, &identity, settings, snapshot.now);
        let undeclared = service_account.filter(|_| identity.audience.is_none());
        // The time of another role's annotation says nothing about pods that lack this one.
        let of_association = identity.is_of_association();
        let in_force = !of_association && account.role_in_force.as_ref() == Some(&identity.role_arn);
        let listed = service_account.and_then(|it| listed(it, &identity, settings));
        let expected = Expectation {
            identity,
            foreign_audience: match listed {
                Some(entry) => entry.audience.is_empty().then(String::new),
                None => undeclared.and_then(|it| account::foreign_audience(it, settings)),
            },
            listed: listed.is_some(),
            annotated_at: account.annotated_at.filter(|_| in_force),
            earlier_roles: earlier_roles(&binding),
            left_association: !of_association && declared_association(&binding),
        };
        let subject = preflight::Subject {
            binding: &binding,
            account: service_account,
            judged: &account,
            expected: &expected,
            rolled_back: recorded.is_some(),
        };
        let mut case = Self {
            preflight: Preflight::judge(&subject, &snapshot.config, snapshot.now),
            invalid: invalid::invalid(&binding),
            grant: Grant::of(snapshot, &expected.identity.role_arn),
            pace: Pace::of(&binding.spec.rollout, snapshot.now),
            rollback: recorded.map(Rollback::InForce),
            workloads: Vec::new(),
            unmanaged: BTreeMap::new(),
            slips: slip::findings(snapshot).collect(),
            injected_at: None,
            settings: settings.clone(),
            binding,
            expected,
            account,
        };
        case.judge_pods(snapshot);
        if case.rollback.is_none() {
            case.rollback = due_rollback(&case).map(Rollback::Due);
        }
        case
    }

    fn judge_pods(&mut self, snapshot: &Snapshot) {
        let settings = &snapshot.config.settings;
        let judged = |pods: &[Arc<Pod>], template: Option<_>| -> Vec<JudgedPod> {
            let judged = |pod: &Arc<Pod>| JudgedPod {
                verdict: verify_pod(pod, template, &self.expected, settings),
                pod: Arc::clone(pod),
            };
            pods.iter().map(judged).collect()
        };
        let mut pods = PodsByOwner::of(snapshot);
        let judge = self.restart_judge(snapshot, &self.pace.gate);
        let undoing = self.restart_judge(snapshot, &Gate::Always);
        let failed = FailedIdentity::of(self);
        let workloads = snapshot.workloads.iter().map(|workload| {
            let OwnedPods { live, terminating } = pods.by_workload.remove(&workload.id()).unwrap_or_default();
            let undoes = failed.as_ref().is_some_and(|failed| failed.is_on(workload, &live, settings));
            let judge = if undoes { &undoing } else { &judge };
            let verdict = judge.judge(Arc::clone(workload), judged(&live, Some(&workload.template)), terminating);
            WorkloadVerdict { undoes, ..verdict }
        });
        let workloads: Vec<_> = workloads.collect();
        let unmanaged = pods.unmanaged.into_iter().map(|(owner, pods)| (owner, judged(&pods, None))).collect();
        (self.workloads, self.unmanaged) = (workloads, unmanaged);
        self.injected_at = schedule::injected_at(self.pods());
    }

    fn restart_judge<'a>(&'a self, snapshot: &'a Snapshot, gate: &'a Gate) -> Judge<'a> {
        let rollout = &self.binding.spec.rollout;
        Judge {
            rollout,
            suspended: self.binding.spec.suspend,
            expected: &self.expected,
            settings: &snapshot.config.settings,
            is_offered: self.is_permitted() && self.account.state == AccountState::InForce,
            settled_at: settled_at(self.account.written_at, rollout.settle_seconds),
            is_released: is_released(&self.binding),
            records: Records::of(&self.binding),
            reverted: self.binding.status.as_ref().and_then(|status| status.reverted.as_ref()),
            gate,
            now: snapshot.now,
        }
    }

    /// Whether a failed restart keeps others from starting. A rollback goes back to what worked, so
    /// one workload that does not come up keeps no other from returning.
    pub(crate) fn halts(&self) -> bool {
        self.binding.spec.rollout.on_failure != FailurePolicy::Continue && self.rolled_back().is_none()
    }

    /// The restarts to make now. `slots`: the number of free slots of the operator-wide limit.
    pub fn schedule(&self, slots: usize, now: Timestamp) -> Schedule<'_> {
        let rollout = &self.binding.spec.rollout;
        let inputs = schedule::Inputs {
            workloads: &self.workloads,
            injected_at: self.injected_at,
            rollout,
            pace: &self.pace,
            halts: self.halts(),
        };
        schedule::schedule(&inputs, slots, now)
    }

    /// A workload that breaks if the operator annotates the service account: the API server accepts
    /// its pods now, but would refuse its next pods.
    pub fn broken_by_annotating(&self) -> Option<&WorkloadVerdict> {
        let changes = matches!(self.account.state, AccountState::Outdated { .. } | AccountState::Missing);
        // If the account already names a role, the API server already refuses these pods.
        let breaks = changes && !self.account.is_annotated;
        let by_role = |verdict: &WorkloadVerdict| verdict.refusal.as_ref().is_some_and(|refusal| !refusal.is_own());
        self.workloads.iter().find(|verdict| breaks && by_role(verdict))
    }

    /// Whether the operator gives up the annotations that are left from IRSA after a move to EKS
    /// Pod Identity. It does so once all pods have the credentials of the association. Until then,
    /// a new pod without these credentials gets the role by annotation.
    pub fn gives_up_annotations(&self) -> bool {
        let mut counted = self.workloads.iter().filter(|verdict| verdict.phase != Phase::Excluded);
        let ahead = self.account.provenance.as_ref().is_some_and(|written| written.is_ahead_of(&self.binding));
        self.account.has_leftovers
            && !ahead
            && self.rollback.is_none()
            && counted.all(|verdict| verdict.is_current() && verdict.is_up())
            && self.pods().next().is_some()
            && self.pods().all(|judged| judged.verdict.is_verified())
    }

    /// Whether the wanted role comes from a `roleRef` to the association that gives it to pods.
    pub fn names_association(&self) -> bool {
        let reference = self.binding.spec.role_ref.as_ref();
        reference.and_then(RoleObjectKind::of) == Some(RoleObjectKind::AckAssociation) && self.rollback.is_none()
    }

    /// Whether the service account carries the wanted identity.
    pub fn is_in_force(&self) -> bool {
        self.account.state == AccountState::InForce
    }

    /// Whether what the binding declares is valid, known, and granted.
    pub fn is_permitted(&self) -> bool {
        self.invalid.is_none() && self.binding.spec.unresolved.is_none() && self.grant.permits()
    }

    /// Whether the operator may write what the binding declares.
    pub fn may_write(&self) -> bool {
        self.is_permitted() && !self.binding.spec.suspend
    }

    /// Whether no role is known, neither declared nor in force. Pods cannot be judged without one.
    pub fn knows_no_role(&self) -> bool {
        self.binding.spec.unresolved.is_some() && self.expected.identity.role_arn.is_empty()
    }

    /// Whether the status has to record the declared role first. If the spec does not contain the
    /// ARN, admission policies read it from the status.
    pub fn records_role_first(&self) -> bool {
        let declared = &self.binding.spec.role_arn;
        let recorded = self.binding.status.as_ref().and_then(|status| status.declared_role_arn.as_ref());
        role::is_indirect(&self.binding) && recorded != Some(declared)
    }

    /// The rollback that is in force.
    pub fn rolled_back(&self) -> Option<&RollbackStatus> {
        match &self.rollback {
            Some(Rollback::InForce(rollback)) => Some(rollback),
            Some(Rollback::Due(_)) | None => None,
        }
    }

    /// The live pods that belong to no workload the operator can restart.
    pub fn pods_of_no_workload(&self) -> impl Iterator<Item = &JudgedPod> {
        self.unmanaged.values().flatten()
    }

    /// All live pods with their verdicts.
    pub fn pods(&self) -> impl Iterator<Item = &JudgedPod> {
        self.workloads.iter().flat_map(|workload| &workload.pods).chain(self.pods_of_no_workload())
    }
}

/// The desired identity: what the binding declares, or, after a rollback, what was verified before. While the declared
/// role is not known, pods are judged by the role in force.
fn declared_or_rolled_back(binding: &PodIdentityBinding, rollback: Option<&RollbackStatus>) -> DesiredIdentity {
    let mut declared = DesiredIdentity::of(&binding.spec);
    if binding.spec.unresolved.is_some() {
        // The status has no role in force for an association, only the one that it named.
        let known = |status: &PodIdentityBindingStatus| match declared.mechanism {
            Mechanism::Irsa => status.role_arn.clone(),
            Mechanism::PodIdentity => status.declared_role_arn.clone(),
        };
        declared.role_arn = binding.status.as_ref().and_then(known).unwrap_or_default();
    }
    let Some(rollback) = rollback else { return declared };
    DesiredIdentity { role_arn: rollback.to.clone(), ..last_verified(binding).unwrap_or(declared) }
}

/// Whether the binding has declared an association, so that pods may still have its credentials.
fn declared_association(binding: &PodIdentityBinding) -> bool {
    binding.status.as_ref().and_then(|status| status.mechanism) == Some(Mechanism::PodIdentity)
}

fn earlier_roles(binding: &PodIdentityBinding) -> Vec<String> {
    let mut roles: Vec<String> = recorded_roles(binding).map(str::to_owned).collect();
    roles.dedup();
    roles
}
