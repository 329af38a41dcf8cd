//! The identity as a whole: claim, service account, and every pod's verdict, grouped by workload.

use std::collections::BTreeMap;
use std::sync::Arc;

use podidentity_api::{FailurePolicy, PodIdentityBinding, RollbackStatus};

use crate::account::{self, Account};
use crate::claim::Claim;
use crate::finding::Finding;
use crate::grants::Grant;
use crate::invalid;
use crate::objects::{ControllerRef, Pod, WorkloadId};
use crate::rollout::{self, WorkloadVerdict};
use crate::slip;
use crate::snapshot::Snapshot;
use crate::verify::{PodVerdict, verify_pod};
use crate::wanted::Wanted;

/// What a snapshot means.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Whose the service account is.
    pub claim: Claim,
    /// The owning binding's case, if there is one.
    pub case: Option<Case>,
}

/// Everything judged for the owning binding.
#[derive(Clone, Debug)]
pub struct Case {
    /// The binding.
    pub binding: Arc<PodIdentityBinding>,
    /// Why the stored spec cannot be acted on, if so.
    pub invalid: Option<String>,
    /// What it wants; during and after a rollback, what was verified before.
    pub wanted: Wanted,
    /// Whether the namespace grants the wanted role.
    pub grant: Grant,
    /// The rollback that is in force for this generation, or that has become due and is to be recorded first.
    pub rollback: Option<Rollback>,
    /// The service account.
    pub account: Account,
    /// Workloads, by kind and name.
    pub workloads: Vec<WorkloadVerdict>,
    /// Live pods of no workload that can be rolled, by controller (`None`: bare pods).
    pub strays: BTreeMap<Option<ControllerRef>, Vec<JudgedPod>>,
    /// What stands on service account, templates and namespace without the effect that is meant.
    pub slips: Vec<Finding>,
}

/// The return from a role that failed to the one before.
#[derive(Clone, Debug, PartialEq)]
pub enum Rollback {
    /// Has become due: it takes effect once the status has recorded it, so that a crash cannot lose it.
    Due(RollbackStatus),
    /// Is recorded: what is wanted is the role before.
    InForce(RollbackStatus),
}

impl Rollback {
    /// What the status records of it.
    pub fn recorded(&self) -> &RollbackStatus {
        match self {
            Self::Due(rollback) | Self::InForce(rollback) => rollback,
        }
    }
}

/// A live pod and what was found in it.
#[derive(Clone, Debug)]
pub struct JudgedPod {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What was found.
    pub verdict: PodVerdict,
}

impl Assessment {
    /// Judges a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let claim = Claim::of(&snapshot.bindings);
        let case = claim.owner.clone().map(|binding| Case::of(snapshot, binding));
        Self { claim, case }
    }

    /// Whether a binding takes over what one that is being deleted leaves on the service account: a suspended one when it is
    /// resumed, and nothing is written until then.
    pub fn is_handed_over(&self) -> bool {
        self.case.as_ref().is_some_and(Case::is_permitted)
    }
}

impl Case {
    /// Judges everything for one binding.
    pub fn of(snapshot: &Snapshot, binding: Arc<PodIdentityBinding>) -> Self {
        let settings = &snapshot.config.settings;
        let mut wanted = Wanted::of(&binding.spec);
        let recorded = recorded_rollback(&binding);
        if let Some(rollback) = &recorded {
            wanted = last_verified(&binding).unwrap_or(wanted);
            wanted.role_arn.clone_from(&rollback.to);
        }
        let account = Account::judge(snapshot.service_account.as_deref(), &binding, &wanted, settings, snapshot.now);
        if wanted.audience.is_none() {
            let account = snapshot.service_account.as_deref();
            wanted.foreign_audience = account.and_then(|account| account::foreign_audience(account, settings));
        }
        // The time of another role's annotation says nothing about pods that lack this one.
        let in_force = account.role_in_force.as_ref() == Some(&wanted.role_arn);
        wanted.annotated_at = account.annotated_at.filter(|_| in_force);
        wanted.earlier_roles = earlier_roles(&binding);

        let (by_workload, strays) = group_pods(snapshot);
        let mut case = Self {
            invalid: invalid::reason(&binding),
            grant: Grant::of(snapshot, &wanted.role_arn),
            rollback: recorded.map(Rollback::InForce),
            workloads: Vec::new(),
            strays: BTreeMap::new(),
            slips: slip::findings(snapshot).collect(),
            binding,
            wanted,
            account,
        };
        let judge = |pods: &[Arc<Pod>], template: Option<_>| -> Vec<JudgedPod> {
            let judged = |pod: &Arc<Pod>| JudgedPod {
                verdict: verify_pod(pod, template, &case.wanted, settings),
                pod: Arc::clone(pod),
            };
            pods.iter().map(judged).collect()
        };
        let strays = strays.into_iter().map(|(owner, pods)| (owner, judge(&pods, None))).collect();
        let workloads = snapshot.workloads.iter().map(|workload| {
            let pods = by_workload.get(&workload.id()).map_or(&[][..], Vec::as_slice);
            let pods = judge(pods, Some(&workload.template));
            rollout::judge(Arc::clone(workload), pods, &case, snapshot.now)
        });
        case.workloads = workloads.collect();
        case.strays = strays;
        if case.rollback.is_none() {
            case.rollback = due_rollback(&case).map(Rollback::Due);
        }
        case
    }

    /// Whether what the binding declares is valid, and granted.
    pub fn is_permitted(&self) -> bool {
        self.invalid.is_none() && self.grant.permits()
    }

    /// Whether the operator may write what the binding declares.
    pub fn may_write(&self) -> bool {
        self.is_permitted() && !self.binding.spec.suspend
    }

    /// The rollback that is in force.
    pub fn rolled_back(&self) -> Option<&RollbackStatus> {
        match &self.rollback {
            Some(Rollback::InForce(rollback)) => Some(rollback),
            Some(Rollback::Due(_)) | None => None,
        }
    }

    /// All live pods with their verdicts.
    pub fn pods(&self) -> impl Iterator<Item = &JudgedPod> {
        self.workloads.iter().flat_map(|workload| &workload.pods).chain(self.strays.values().flatten())
    }
}

/// The rollback that the status has recorded for the present generation.
fn recorded_rollback(binding: &PodIdentityBinding) -> Option<RollbackStatus> {
    let recorded = binding.status.as_ref()?.rollback.clone()?;
    (Some(recorded.generation) == binding.metadata.generation).then_some(recorded)
}

/// The identity that was proven last.
pub(crate) fn last_verified(binding: &PodIdentityBinding) -> Option<Wanted> {
    let status = binding.status.as_ref()?;
    let identity = status.last_verified_identity.clone()?;
    Some(Wanted::of(&binding.spec).with(identity))
}

fn due_rollback(case: &Case) -> Option<RollbackStatus> {
    let binding = &case.binding;
    if binding.spec.rollout.on_failure != FailurePolicy::Rollback || binding.spec.suspend {
        return None;
    }
    let failed = case.workloads.iter().find(|workload| workload.failed)?;
    let before = last_verified(binding)?;
    (before.hash() != case.wanted.hash()).then(|| RollbackStatus {
        generation: binding.metadata.generation.unwrap_or_default(),
        from: case.wanted.role_arn.clone(),
        to: before.role_arn,
        message: format!("{}: {}", failed.workload.id(), failed.message.as_deref().unwrap_or("failed")),
    })
}

fn earlier_roles(binding: &PodIdentityBinding) -> Vec<String> {
    let mut roles: Vec<String> = told_roles(binding).map(str::to_owned).collect();
    roles.dedup();
    roles
}

/// The roles that the status names: the one in force, and the one that was proven last.
pub(crate) fn told_roles(binding: &PodIdentityBinding) -> impl Iterator<Item = &str> {
    let status = binding.status.iter();
    status.flat_map(|status| [&status.role_arn, &status.last_verified_role_arn]).flatten().map(String::as_str)
}

type PodsByWorkload = BTreeMap<WorkloadId, Vec<Arc<Pod>>>;
type PodsByController = BTreeMap<Option<ControllerRef>, Vec<Arc<Pod>>>;

/// Live pods by the workload of the snapshot that they belong to, and the rest by controller.
fn group_pods(snapshot: &Snapshot) -> (PodsByWorkload, PodsByController) {
    let ids: BTreeMap<(&str, String), WorkloadId> = snapshot
        .workloads
        .iter()
        .map(|workload| workload.id())
        .map(|id| ((id.kind.as_str(), id.name.clone()), id))
        .collect();
    let mut by_workload = PodsByWorkload::new();
    let mut strays = PodsByController::new();
    for pod in snapshot.pods.iter().filter(|pod| pod.is_live()) {
        let controller = pod.controller();
        let id = controller.and_then(|owner| ids.get(&(owner.kind.as_str(), owner.name.clone())));
        match id {
            Some(id) => by_workload.entry(id.clone()).or_default().push(Arc::clone(pod)),
            None => strays.entry(controller.cloned()).or_default().push(Arc::clone(pod)),
        }
    }
    (by_workload, strays)
}
