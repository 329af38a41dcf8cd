//! The status of every binding of a snapshot: what was done and what was proven.
//!
//! ```text
//! (Snapshot, Assessment, Plan, Outcome) ──► recorded (intents, refusals) ──► summary (ordered checks: one reason) ──► conditions
//!                                                                        └─► workloads, restarts, findings, counters
//! ```

mod bounds;
mod conditions;
mod counts;
mod deleting;
mod events;
mod findings;
mod recorded;
mod summary;
#[cfg(test)]
mod tests;
mod workloads;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::names::condition;
use podidentity_api::{Mechanism, PodIdentityBinding, PodIdentityBindingStatus, Reason, ServiceAccountStatus};

use crate::account::{self, AccountState};
use crate::assess::{Assessment, Case};
use crate::finding::{Finding, FindingReason};
use crate::outcome::{Outcome, ProblemKind};
use crate::plan::Plan;
use crate::reverts::{self, Done};
use crate::rollout::{Phase, WorkloadVerdict};
use crate::settings::IdentityAnnotation;
use crate::snapshot::Snapshot;
use crate::step::{Step, Target};
use crate::time::whole_seconds;
use crate::verify::JudgedPod;

pub(crate) use counts::Counts;
pub use deleting::deletion_events;
pub use events::{Transition, step_events, transitions};
pub use summary::{Progress, Summary};

/// Maximum number of entries in a list of the status. The totals have fields of their own.
pub const LIST_LIMIT: usize = 20;

/// A status that differs from the stored one.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The binding.
    pub binding: Target,
    /// Its new status.
    pub status: PodIdentityBindingStatus,
    /// Whether `Ready`, `Reconciling`, `Stalled`, roles or the observed generation changed, and not
    /// only details, counts and messages.
    pub urgent: bool,
    /// Whether the stored status already says that the API server refuses the new one.
    pub refusal_recorded: bool,
}

impl Report {
    /// The status to write if the API server refuses the full one, so that the stored status stops
    /// saying that all is well. It keeps the fields that later decisions and enforcement depend on,
    /// and has no lists of workloads and findings.
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

/// The statuses to write. `snapshot`, `assessment` and `plan` date from after the last plan was
/// carried out. `outcome` is the outcome of that plan.
pub fn reports(snapshot: &Snapshot, assessment: &Assessment, plan: &Plan, outcome: &Outcome) -> Vec<Report> {
    // The status also reports upcoming restarts, refused restarts, and the answer from AWS.
    if let Some(told) = recorded::with(snapshot, plan, outcome) {
        return changed(snapshot, &told, &Assessment::of(&told), outcome);
    }
    changed(snapshot, snapshot, assessment, outcome)
}

fn changed(stored: &Snapshot, snapshot: &Snapshot, assessment: &Assessment, outcome: &Outcome) -> Vec<Report> {
    let deleting = deleting::statuses(snapshot, assessment, outcome);
    let deleting = deleting.map(|(binding, status)| (binding, bounds::bounded(status)));
    let all = statuses(snapshot, assessment, outcome).into_iter().chain(deleting);
    let reports = all.filter_map(|(binding, status)| {
        let name = &binding.metadata.name;
        let before = stored.bindings.iter().find(|it| it.metadata.name == *name)?.status.as_ref();
        (before != Some(&status)).then(|| Report {
            binding: Target::of(&binding.metadata),
            urgent: is_urgent(before, &status),
            refusal_recorded: before.is_some_and(|old| conditions::tells_refused(old, &status)),
            status,
        })
    });
    reports.collect()
}

/// The status of every binding that is not being deleted, the owner's first.
pub fn statuses<'a>(
    snapshot: &Snapshot,
    assessment: &'a Assessment,
    outcome: &Outcome,
) -> Vec<(&'a Arc<PodIdentityBinding>, PodIdentityBindingStatus)> {
    let of_case = assessment.owner.iter().map(|case| {
        let status = if case.knows_no_role() {
            bare(snapshot, &case.binding, &summary(snapshot, case, outcome))
        } else {
            of_owner(snapshot, case, outcome)
        };
        (&case.binding, status)
    });
    let waiting = assessment.waiting.iter().enumerate().map(|(index, binding)| {
        // If a thousand bindings wait, a new owner must not cause a write to each of them. So only
        // the first ones name the owner.
        let owner = assessment.owning_binding().filter(|_| index < LIST_LIMIT).map(|binding| &**binding);
        (binding, bare(snapshot, binding, &summary::of_waiting(snapshot, owner)))
    });
    of_case.chain(waiting).map(|(binding, status)| (binding, bounds::bounded(status))).collect()
}

/// The summary of the binding that owns the service account.
pub fn summary(snapshot: &Snapshot, case: &Case, outcome: &Outcome) -> Summary {
    summary::of_owner(snapshot, case, &Counts::of(case), outcome)
}

/// The findings that need a view of all pods, in no particular order.
pub fn findings_of_workloads(case: &Case, namespace: &str) -> Vec<Finding> {
    findings::of_workloads(case, namespace).collect()
}

/// The conditions that people and tools wait for. If only other conditions change, the write may
/// wait a moment: during a rollout, the pods are verified just before the rollout counts as
/// complete.
const SUMMARIES: [&str; 3] = [condition::READY, condition::RECONCILING, condition::STALLED];

fn is_urgent(old: Option<&PodIdentityBindingStatus>, new: &PodIdentityBindingStatus) -> bool {
    let Some(old) = old else { return true };
    // A pod that is being replaced is missing for a moment, which is not urgent.
    let passes = is_reconciling_for(new, Reason::PodsMissing);
    let essence = |status: &PodIdentityBindingStatus| {
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .filter(|condition| SUMMARIES.contains(&condition.type_.as_str()) && !passes)
            .map(|condition| (condition.type_.clone(), condition.status.clone(), condition.reason.clone()))
            .collect();
        (
            conditions,
            status.observed_generation,
            (status.declared_role_arn.clone(), status.mechanism, status.role_arn.clone()),
            status.service_account.clone(),
            status.rollback.clone(),
            status.reverted.clone(),
            status.restarts.clone(),
            status.preflight.clone(),
        )
    };
    essence(old) != essence(new)
}

fn is_reconciling_for(status: &PodIdentityBindingStatus, reason: Reason) -> bool {
    status.conditions.iter().any(|it| it.type_ == condition::RECONCILING && reason.is(&it.reason))
}

/// A status without details: conditions and roles only.
fn bare(snapshot: &Snapshot, binding: &PodIdentityBinding, summary: &Summary) -> PodIdentityBindingStatus {
    let old = binding.status.clone().unwrap_or_default();
    let generation = binding.metadata.generation;
    PodIdentityBindingStatus {
        observed_generation: generation,
        conditions: conditions::bare(summary, &old.conditions, generation, snapshot.now),
        declared_role_arn: declared_role(binding),
        last_verified_role_arn: old.last_verified_role_arn,
        last_verified_identity: old.last_verified_identity,
        ..PodIdentityBindingStatus::default()
    }
}

/// The ARN of the declared role, if it is known. The status keeps that of an association while the
/// association cannot be read, because nothing else in the cluster has it.
fn declared_role(binding: &PodIdentityBinding) -> Option<String> {
    let declared = Some(&binding.spec.role_arn).filter(|role| !role.is_empty()).cloned();
    let by_association = binding.spec.mechanism == Mechanism::PodIdentity && binding.spec.unresolved.is_some();
    let recorded = || binding.status.as_ref().filter(|_| by_association)?.declared_role_arn.clone();
    declared.or_else(recorded)
}

/// How pods get the role, if not by IRSA. After a move back to IRSA it stays as long as pods have,
/// or may yet get, the credentials of the association that the binding declared.
fn mechanism(case: &Case, summary: &Summary, old: Option<Mechanism>) -> Option<Mechanism> {
    let is_done = || summary.progress == Progress::Done && !case.pods().any(has_association);
    match case.expected.identity.mechanism {
        Mechanism::PodIdentity if case.may_write() => Some(Mechanism::PodIdentity),
        Mechanism::Irsa if is_done() => None,
        Mechanism::PodIdentity | Mechanism::Irsa => old,
    }
}

/// Whether a pod of an IRSA binding has the credentials of an association.
fn has_association(judged: &JudgedPod) -> bool {
    let by_association = [FindingReason::PodIdentityInstead, FindingReason::PodIdentityActive];
    judged.verdict.findings.iter().any(|finding| by_association.contains(&finding.reason))
}

fn of_owner(snapshot: &Snapshot, case: &Case, outcome: &Outcome) -> PodIdentityBindingStatus {
    let binding = &case.binding;
    let old = binding.status.clone().unwrap_or_default();
    let generation = binding.metadata.generation;
    let counts = Counts::of(case);
    let summary = summary::of_owner(snapshot, case, &counts, outcome);
    let (findings, findings_total) = findings::listed(case, &snapshot.namespace);
    let (workloads, workloads_truncated) = workloads::listed(case, snapshot.now);
    let settings = &snapshot.config.settings;
    let proven = is_proven(case, &counts);
    let done = Done {
        restarted: &outcome.restarted(),
        again: outcome.restarted_again,
        stale: outcome.first(ProblemKind::Stale).is_some(),
    };

    PodIdentityBindingStatus {
        observed_generation: generation,
        conditions: conditions::of(&summary, case, &counts, &old.conditions, generation, snapshot.now),
        declared_role_arn: declared_role(binding),
        mechanism: mechanism(case, &summary, old.mechanism),
        role_arn: case.account.role_in_force.clone(),
        // Pods do not show which role an association gives them.
        last_verified_role_arn: if proven && !case.expected.identity.is_of_association() {
            Some(case.expected.identity.role_arn.clone())
        } else {
            old.last_verified_role_arn
        },
        last_verified_identity: if proven {
            Some(case.expected.identity.clone().into())
        } else {
            old.last_verified_identity
        },
        subject: Some(snapshot.subject()),
        audience: Some(case.expected.effective_audience(settings).to_owned()),
        issuer: snapshot.config.issuer.clone(),
        service_account: service_account(snapshot, case, was_restored(case, outcome)),
        rollback: case.rollback.as_ref().map(|rollback| rollback.recorded().clone()),
        restarts: case.workloads.iter().filter_map(|verdict| verdict.record.clone()).collect(),
        reverted: reverts::counted(binding, &case.workloads, &case.expected.identity.hash(), done, snapshot.now),
        preflight: case.preflight.status(),
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

/// Whether the identity works: every workload has come up with it, and all of its pods have it.
/// Pods that have the identity are not enough: with a role that does not work, they have it too,
/// until the operator gives up the workload. Pods that the operator does not restart count only if
/// there is nothing else, because such a pod keeps an earlier role for as long as it runs. Such a pod
/// has to be ready: until then, nobody knows whether it starts with the role.
fn is_proven(case: &Case, counts: &Counts) -> bool {
    let in_force = case.account.state == AccountState::InForce;
    let mut counted = case.workloads.iter().filter(|workload| workload.phase != Phase::Excluded);
    let all_up = counts.workloads == counts.workloads_current && counted.all(WorkloadVerdict::is_up);
    let managed = counted_pods(case).count();
    let verified = if managed > 0 {
        counted_pods(case).all(|judged| judged.verdict.is_verified())
    } else {
        let mut pods = case.pods_of_no_workload();
        let any = counts.pods > 0 && !counts.selects_nothing();
        any && pods.all(|judged| judged.verdict.is_verified() && judged.pod.is_ready())
    };
    in_force && all_up && verified
}

/// The pods of the workloads that are not excluded.
fn counted_pods(case: &Case) -> impl Iterator<Item = &crate::verify::JudgedPod> {
    case.workloads.iter().filter(|it| it.phase != Phase::Excluded).flat_map(|it| &it.pods)
}

/// Whether the annotation was restored: in this reconcile, or in an earlier one that did not report
/// it.
fn was_restored(case: &Case, outcome: &Outcome) -> bool {
    let annotated = outcome.done.iter().any(|step| matches!(step, Step::Annotate { .. }));
    if annotated {
        outcome.restored.is_some()
    } else {
        account::has_unreported_restoration(&case.account, &case.binding)
    }
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
    // With EKS Pod Identity the operator releases the annotation itself: nobody else removed it.
    let written = old.written_role_arn.filter(|_| !case.expected.identity.is_of_association());
    // A manager that has changed the annotation since is not a co-owner.
    let (co_owners, co_owners_of) = if case.account.state == AccountState::InForce {
        let mut all = case.account.co_owners.clone();
        (all.remove(IdentityAnnotation::RoleArn.name()).unwrap_or_default(), all)
    } else {
        (old.co_owners, old.co_owners_of)
    };
    Some(ServiceAccountStatus {
        uid: account.metadata.uid.clone(),
        annotated_at: case.account.annotated_at.map(Time),
        written_role_arn: case.account.role_in_force.clone().or(written),
        restored,
        restored_at,
        co_owners,
        co_owners_of,
    })
}
