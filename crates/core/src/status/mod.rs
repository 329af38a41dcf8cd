//! The status of every binding of a snapshot: what was done and what was proven.
//!
//! ```text
//! (Snapshot, Assessment, Outcome) ──► story (ordered checks: one reason) ──► conditions
//!                                 └─► workloads, findings, counters
//! ```

mod bounds;
mod conditions;
mod findings;
mod leaving;
mod story;
mod transitions;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::names::condition;
use podidentity_api::{
    PodIdentityBinding, PodIdentityBindingStatus, ServiceAccountStatus, WorkloadState, WorkloadStatus,
};

use crate::account::{self, AccountState};
use crate::assess::{Assessment, Case, JudgedPod};
use crate::finding::Finding;
use crate::objects::ControllerRef;
use crate::outcome::Outcome;
use crate::plan::{Step, Target};
use crate::reverts;
use crate::rollout::WorkloadVerdict;
use crate::snapshot::Snapshot;

pub use leaving::farewells;
pub use story::{Progress, Story};
pub use transitions::{Transition, transitions};

/// Lists in the status have at most this many entries; totals are given beside them.
pub const LIST_LIMIT: usize = 20;

/// A status that differs from the stored one.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The binding.
    pub binding: Target,
    /// Its new status.
    pub status: PodIdentityBindingStatus,
    /// Whether `Ready`, `Reconciling`, `Stalled`, roles or the observed generation changed, and not only details, counts
    /// and messages.
    pub urgent: bool,
    /// Whether the stored status says already that the API server refuses the new one.
    pub told_refused: bool,
}

impl Report {
    /// What is written in the place of a status that the API server refuses: so that what is stored does not go on saying
    /// that all is well. It keeps what later decisions and enforcement build on, and lists nothing.
    pub fn minimal(&self, refusal: &str, now: jiff::Timestamp) -> PodIdentityBindingStatus {
        let status = &self.status;
        let minimal = PodIdentityBindingStatus {
            conditions: vec![conditions::unknown(refusal, status.observed_generation, now)],
            workloads: Vec::new(),
            workloads_truncated: 0,
            findings: Vec::new(),
            ..status.clone()
        };
        bounds::bounded(minimal)
    }
}

/// The statuses to write. `snapshot` and `assessment` are of the time after the plan was carried out, `outcome` tells how
/// that went.
pub fn reports(snapshot: &Snapshot, assessment: &Assessment, outcome: &Outcome) -> Vec<Report> {
    let leaving = leaving::statuses(snapshot, assessment, outcome);
    let leaving = leaving.map(|(binding, status)| (binding, bounds::bounded(status)));
    statuses(snapshot, assessment, outcome)
        .into_iter()
        .chain(leaving)
        .filter(|(binding, status)| binding.status.as_ref() != Some(status))
        .map(|(binding, status)| Report {
            binding: Target::of(&binding.metadata),
            urgent: is_urgent(binding.status.as_ref(), &status),
            told_refused: binding.status.as_ref().is_some_and(|old| conditions::tells_refused(old, &status)),
            status,
        })
        .collect()
}

/// The status of every binding that is not being deleted, the owner's first.
pub fn statuses<'a>(
    snapshot: &Snapshot,
    assessment: &'a Assessment,
    outcome: &Outcome,
) -> Vec<(&'a Arc<PodIdentityBinding>, PodIdentityBindingStatus)> {
    let owned = assessment.case.iter().map(|case| (&case.binding, of_owner(snapshot, case, outcome)));
    let lost = assessment.claim.losers.iter().enumerate().map(|(index, binding)| {
        // Of a thousand bindings not all are to be written anew when another one of them becomes the owner.
        let oldest = assessment.claim.owner.as_deref().filter(|_| index < LIST_LIMIT);
        (binding, bare(snapshot, binding, &story::of_loser(snapshot, oldest)))
    });
    owned.chain(lost).map(|(binding, status)| (binding, bounds::bounded(status))).collect()
}

/// The one thing to say about the binding that owns the service account.
pub fn story(snapshot: &Snapshot, case: &Case, outcome: &Outcome) -> Story {
    story::of_owner(snapshot, case, &Counts::of(case), outcome)
}

/// The findings that only show when all pods are looked at together, in no particular order.
pub fn findings_of_workloads(case: &Case, namespace: &str) -> Vec<Finding> {
    findings::of_workloads(case, namespace).collect()
}

/// The conditions that people and tools wait for. The others may lag a moment while these stay as they are: during a
/// rollout the pods are verified just before it counts as complete.
const SUMMARIES: [&str; 3] = [condition::READY, condition::RECONCILING, condition::STALLED];

fn is_urgent(old: Option<&PodIdentityBindingStatus>, new: &PodIdentityBindingStatus) -> bool {
    let Some(old) = old else { return true };
    let essence = |status: &PodIdentityBindingStatus| {
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .filter(|condition| SUMMARIES.contains(&condition.type_.as_str()))
            .map(|condition| (condition.type_.clone(), condition.status.clone(), condition.reason.clone()))
            .collect();
        (
            conditions,
            status.observed_generation,
            status.role_arn.clone(),
            status.service_account.clone(),
            status.rollback.clone(),
            status.reverted.clone(),
        )
    };
    essence(old) != essence(new)
}

/// A status that says only who and why.
fn bare(snapshot: &Snapshot, binding: &PodIdentityBinding, story: &Story) -> PodIdentityBindingStatus {
    let old = binding.status.clone().unwrap_or_default();
    let generation = binding.metadata.generation;
    PodIdentityBindingStatus {
        observed_generation: generation,
        conditions: conditions::bare(story, &old.conditions, generation, snapshot.now),
        last_verified_role_arn: old.last_verified_role_arn,
        last_verified_identity: old.last_verified_identity,
        ..PodIdentityBindingStatus::default()
    }
}

fn of_owner(snapshot: &Snapshot, case: &Case, outcome: &Outcome) -> PodIdentityBindingStatus {
    let binding = &case.binding;
    let old = binding.status.clone().unwrap_or_default();
    let generation = binding.metadata.generation;
    let counts = Counts::of(case);
    let story = story::of_owner(snapshot, case, &counts, outcome);
    let (findings, findings_total) = findings::listed(case, &snapshot.namespace);
    let (workloads, workloads_truncated) = listed_workloads(case);
    let settings = &snapshot.config.settings;
    let proven = is_proven(case, &counts);

    PodIdentityBindingStatus {
        observed_generation: generation,
        conditions: conditions::of(&story, case, &counts, &old.conditions, generation, snapshot.now),
        role_arn: case.account.role_in_force.clone(),
        last_verified_role_arn: if proven { Some(case.wanted.role_arn.clone()) } else { old.last_verified_role_arn },
        last_verified_identity: if proven { Some(case.wanted.identity()) } else { old.last_verified_identity },
        subject: Some(snapshot.subject()),
        audience: Some(case.wanted.effective_audience(settings).to_owned()),
        issuer: snapshot.config.issuer.clone(),
        service_account: service_account(snapshot, case, was_restored(case, outcome)),
        rollback: case.rollback.as_ref().map(|rollback| rollback.recorded().clone()),
        reverted: reverts::counted(case, outcome, snapshot.now),
        workloads,
        workloads_truncated,
        workloads_total: counts.workloads,
        workloads_current: counts.workloads_current,
        pods_total: counts.pods,
        pods_verified: counts.pods_verified,
        rolled: Some(format!("{}/{}", counts.workloads_current, counts.workloads)),
        verified: Some(format!("{}/{}", counts.pods_verified, counts.pods)),
        findings,
        findings_total,
    }
}

/// Whether every live pod has the identity, and every workload has come up with it: pods of a role that does not work
/// have it as well, until the workload is given up.
fn is_proven(case: &Case, counts: &Counts) -> bool {
    let in_force = case.account.state == AccountState::InForce;
    let mut counted = case.workloads.iter().filter(|workload| workload.state != WorkloadState::Excluded);
    let all_up = counts.workloads == counts.workloads_current && counted.all(WorkloadVerdict::is_up);
    in_force && all_up && counts.pods > 0 && counts.pods == counts.pods_verified
}

/// Whether the annotation was restored: in this very moment, or before and nobody was told.
fn was_restored(case: &Case, outcome: &Outcome) -> bool {
    let annotated = outcome.done.iter().any(|step| matches!(step, Step::Annotate { .. }));
    if annotated { outcome.restored.is_some() } else { account::was_restored_untold(&case.account, &case.binding) }
}

fn service_account(snapshot: &Snapshot, case: &Case, restored: bool) -> Option<ServiceAccountStatus> {
    let account = snapshot.service_account.as_ref()?;
    let old = case.binding.status.as_ref().and_then(|status| status.service_account.clone());
    let old = old.filter(|old| old.uid == account.metadata.uid).unwrap_or_default();
    let (restored, restored_at) = if restored {
        (account::restorations_with_this_one(&case.binding, snapshot.now), Some(Time(whole_seconds(snapshot.now))))
    } else {
        (old.restored, old.restored_at)
    };
    Some(ServiceAccountStatus {
        uid: account.metadata.uid.clone(),
        annotated_at: case.account.annotated_at.map(Time),
        written_role_arn: case.account.role_in_force.clone().or(old.written_role_arn),
        restored,
        restored_at,
    })
}

/// Times on the wire have whole seconds; with more, a status would never equal its stored self.
pub(crate) fn whole_seconds(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What the counters count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    workloads: i32,
    workloads_current: i32,
    pods: i32,
    pods_verified: i32,
}

impl Counts {
    fn of(case: &Case) -> Self {
        let counted = || case.workloads.iter().filter(|workload| workload.state != WorkloadState::Excluded);
        let is_current = |state| matches!(state, WorkloadState::Current | WorkloadState::ScaledToZero);
        let pods = || counted().flat_map(|workload| &workload.pods).chain(case.strays.values().flatten());
        Self {
            workloads: count(counted()),
            workloads_current: count(counted().filter(|workload| is_current(workload.state))),
            pods: count(pods()),
            pods_verified: count(pods().filter(|judged| judged.verdict.is_verified())),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap_or(i32::MAX)
}

fn listed_workloads(case: &Case) -> (Vec<WorkloadStatus>, i32) {
    let managed = case.workloads.iter().map(|verdict| {
        let id = verdict.workload.id();
        entry(id.kind.as_str(), &id.name, verdict.state, verdict.message.clone(), &verdict.pods)
    });
    let strays = case.strays.iter().flat_map(|(owner, pods)| stray_entries(owner.as_ref(), pods));
    let mut all: Vec<_> = managed.chain(strays).collect();
    all.sort_by(|a, b| (a.state, &a.kind, &a.name).cmp(&(b.state, &b.kind, &b.name)));
    let truncated = count(all.iter().skip(LIST_LIMIT));
    all.truncate(LIST_LIMIT);
    (all, truncated)
}

fn stray_entries(owner: Option<&ControllerRef>, pods: &[JudgedPod]) -> Vec<WorkloadStatus> {
    let unmanaged = WorkloadState::Unmanaged;
    match owner {
        Some(owner) => vec![entry(&owner.kind, &owner.name, unmanaged, None, pods)],
        None => {
            pods.iter().map(|pod| entry("Pod", pod.pod.name(), unmanaged, None, std::slice::from_ref(pod))).collect()
        }
    }
}

fn entry(kind: &str, name: &str, state: WorkloadState, message: Option<String>, pods: &[JudgedPod]) -> WorkloadStatus {
    WorkloadStatus {
        kind: kind.to_owned(),
        name: name.to_owned(),
        state,
        message,
        pods_verified: count(pods.iter().filter(|judged| judged.verdict.is_verified())),
        pods_total: count(pods.iter()),
    }
}
