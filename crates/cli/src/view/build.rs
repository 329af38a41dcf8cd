//! Builds views from a snapshot.

use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus, Reason, WorkloadState};
use podidentity_core::account::annotated_at;
use podidentity_core::assess::{Assessment, Case};
use podidentity_core::finding::Severity;
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::has_finalizer;
use podidentity_core::slip;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::status;
use podidentity_core::unbound::as_if_bound;
use podidentity_core::verify::JudgedPod;

use super::{FindingView, PodView, PreflightView, State, View, WorkloadView};

/// The views of an identity: one for each binding, or one for a service account that is annotated
/// without a binding.
pub(crate) fn views(snapshot: &Snapshot) -> Vec<View> {
    if snapshot.bindings.is_empty() {
        let annotated = as_if_bound(snapshot).and_then(|assumed| unbound(&assumed));
        return annotated.or_else(|| meant(snapshot)).into_iter().collect();
    }
    let assessment = Assessment::of(snapshot);
    let owner = assessment.owning_binding();
    let claiming = status::statuses(snapshot, &assessment, &Outcome::default());
    let claiming = claiming.into_iter().map(|(binding, status)| {
        let case = assessment.owner.as_ref().filter(|_| owner.is_some_and(|owner| Arc::ptr_eq(owner, binding)));
        of_binding(snapshot, binding, case, &status)
    });
    let deleting = assessment.deleting.iter().map(|deletion| deleted(snapshot, &deletion.binding));
    claiming.chain(deleting).collect()
}

fn of_binding(
    snapshot: &Snapshot,
    binding: &PodIdentityBinding,
    case: Option<&Case>,
    status: &PodIdentityBindingStatus,
) -> View {
    let (state, reason, message) = verdict(binding, status);
    let view = empty(snapshot, binding);
    let view = match case {
        Some(case) if !case.knows_no_role() => filled(view, snapshot, case, status),
        _ => view,
    };
    let idle = state == State::Verified && status.pods_total == 0;
    View { state: if idle { State::Idle } else { state }, reason, message, ..view }
}

/// The state, with the reason and message of the condition `Ready`. Combines what the cluster shows
/// with what only the operator knows.
fn verdict(binding: &PodIdentityBinding, status: &PodIdentityBindingStatus) -> (State, String, String) {
    let seen = overall(status);
    // Only the operator knows that a write was refused. From outside, the work merely looks
    // unfinished.
    let stored = recorded(binding, &[Reason::WriteRefused, Reason::WriteFailed]);
    stored.filter(|_| seen.0 == State::Working).unwrap_or(seen)
}

/// The verdict of the stored status, if the status is about the binding as it is now and has one of
/// these reasons.
fn recorded(binding: &PodIdentityBinding, reasons: &[Reason]) -> Option<(State, String, String)> {
    let status = binding.status.as_ref().filter(|_| is_observed(binding))?;
    let (state, reason, message) = overall(status);
    reasons.iter().any(|known| known.is(&reason)).then_some((state, reason, message))
}

/// The state, with the reason and message of the condition `Ready`.
fn overall(status: &PodIdentityBindingStatus) -> (State, String, String) {
    let find = |type_| status.conditions.iter().find(|it| it.type_ == type_);
    let state = match (find(condition::STALLED), find(condition::RECONCILING)) {
        (Some(_), _) => State::Failing,
        (None, Some(_)) => State::Working,
        (None, None) => State::Verified,
    };
    let ready = find(condition::READY).map(|it| (it.reason.clone(), it.message.clone()));
    let (reason, message) = ready.unwrap_or_default();
    (state, reason, message)
}

/// The view of a service account without a binding, as if there were one.
fn unbound(assumed: &Snapshot) -> Option<View> {
    let assessment = Assessment::of(assumed);
    let case = assessment.owner.as_ref()?;
    let statuses = status::statuses(assumed, &assessment, &Outcome::default());
    let (binding, status) = statuses.first()?;
    let mut view = View { binding: None, ..filled(empty(assumed, binding), assumed, case, status) };
    view.created = assumed.service_account.as_ref().and_then(|account| created(&account.metadata));
    for workload in &mut view.workloads {
        // No operator will restart this workload.
        if workload.state == "Pending" {
            "NeedsRestart".clone_into(&mut workload.state);
        }
    }
    let error = view.all_findings().find(|finding| finding.severity == Severity::Error);
    let (state, reason, message) = if let Some(invalid) = &case.invalid {
        (State::Failing, "InvalidRoleArn".to_owned(), format!("the service account's annotation: {}", invalid.problem))
    } else if let Some(error) = error {
        (State::Failing, error.reason.clone(), error.message.clone())
    } else if view.pods_total == 0 {
        (State::Idle, Reason::NoPods.into(), "no pod runs as the service account yet".to_owned())
    } else {
        let pods =
            if view.pods_total == 1 { "the pod is".to_owned() } else { format!("all {} pods are", view.pods_total) };
        (State::Verified, Reason::Verified.into(), format!("{pods} set up to act as {}", view.role_arn))
    };
    Some(View { state, observed: true, reason, message, ..view })
}

/// The view of a service account that has no role, although it or a workload that runs as it is
/// meant to have one.
fn meant(snapshot: &Snapshot) -> Option<View> {
    let slips = slip::of_snapshot(snapshot);
    let (_, first) = slips.first().filter(|(_, slip)| slip.severity == Severity::Error)?;
    let pods = snapshot.pods.iter().filter(|pod| pod.is_live()).count();
    Some(View {
        namespace: snapshot.namespace.clone(),
        binding: None,
        service_account: snapshot.service_account_name.clone(),
        role_arn: String::new(),
        state: State::Failing,
        observed: true,
        reason: first.reason.as_str().to_owned(),
        message: first.message().to_string(),
        preflight: None,
        created: snapshot.service_account.as_ref().and_then(|account| created(&account.metadata)),
        annotated_at: None,
        workloads_total: snapshot.workloads.len(),
        workloads_current: 0,
        pods_total: pods,
        pods_verified: 0,
        workloads: Vec::new(),
        findings: slips.iter().map(|(object, slip)| FindingView::from(slip.finding(object))).collect(),
    })
}

/// The view of a binding that is being deleted but that finalizers keep. Only the stored status
/// shows what the operator still does about it.
fn deleted(snapshot: &Snapshot, binding: &PodIdentityBinding) -> View {
    let view = empty(snapshot, binding);
    let finalizers = binding.metadata.finalizers.as_deref().unwrap_or_default();
    let deleting = |message: String| (State::Working, "Deleting".to_owned(), format!("is being deleted: {message}"));
    let is_ours = has_finalizer(&binding.metadata);
    let (state, reason, message) = if is_ours {
        recorded(binding, &[Reason::Revoking, Reason::WriteRefused])
            .unwrap_or_else(|| deleting("the operator removes its finalizer once it has nothing left to do".to_owned()))
    } else {
        deleting(format!(
            "kept by a finalizer of somebody else ({}), who has to remove it; the operator has nothing left to do",
            finalizers.join(", ")
        ))
    };
    // The operator does not report on a binding after it has removed its finalizer.
    View { state, reason, message, observed: view.observed || !is_ours, ..view }
}

fn empty(snapshot: &Snapshot, binding: &PodIdentityBinding) -> View {
    View {
        namespace: snapshot.namespace.clone(),
        binding: binding.metadata.name.clone(),
        service_account: snapshot.service_account_name.clone(),
        role_arn: binding.spec.role_arn.clone(),
        state: State::Working,
        observed: is_observed(binding),
        reason: String::new(),
        message: String::new(),
        preflight: None,
        created: created(&binding.metadata),
        annotated_at: None,
        workloads_total: 0,
        workloads_current: 0,
        pods_total: 0,
        pods_verified: 0,
        workloads: Vec::new(),
        findings: Vec::new(),
    }
}

fn filled(view: View, snapshot: &Snapshot, case: &Case, status: &PodIdentityBindingStatus) -> View {
    let count = |number: i32| usize::try_from(number).unwrap_or_default();
    let others = status::findings_of_workloads(case, &snapshot.namespace);
    let account = snapshot.service_account.as_ref();
    View {
        role_arn: case.expected.identity.role_arn.clone(),
        preflight: preflight(status),
        annotated_at: account.and_then(|account| annotated_at(account, &snapshot.config.settings)),
        workloads_total: count(status.workloads_total),
        workloads_current: count(status.workloads_current),
        pods_total: count(status.pods_total),
        pods_verified: count(status.pods_verified),
        workloads: workloads(case),
        findings: others.into_iter().map(FindingView::from).collect(),
        ..view
    }
}

fn preflight(status: &PodIdentityBindingStatus) -> Option<PreflightView> {
    let found = status.conditions.iter().find(|it| it.type_ == condition::ROLE_ASSUMABLE)?;
    let (status, reason, message) = (found.status.clone(), found.reason.clone(), found.message.clone());
    Some(PreflightView { status, reason, message })
}

/// Whether an operator has reported on the binding as it is now.
fn is_observed(binding: &PodIdentityBinding) -> bool {
    binding.status.as_ref().is_some_and(|status| status.observed_generation == binding.metadata.generation)
}

fn workloads(case: &Case) -> Vec<WorkloadView> {
    let managed = case.workloads.iter().map(|verdict| {
        let id = verdict.workload.id();
        WorkloadView {
            kind: id.kind.as_str().to_owned(),
            name: id.name,
            state: state_name(verdict.state()),
            message: verdict.message().map(ToString::to_string),
            pods: verdict.pods.iter().map(pod).collect(),
        }
    });
    let unmanaged = case.unmanaged.iter().flat_map(|(owner, pods)| {
        let workload = |kind: &str, name: &str, pods: &[JudgedPod]| WorkloadView {
            kind: kind.to_owned(),
            name: name.to_owned(),
            state: state_name(WorkloadState::Unmanaged),
            message: None,
            pods: pods.iter().map(pod).collect(),
        };
        match owner {
            Some(owner) => vec![workload(&owner.kind, &owner.name, pods)],
            None => pods.iter().map(|it| workload("Pod", it.pod.name(), std::slice::from_ref(it))).collect(),
        }
    });
    managed.chain(unmanaged).collect()
}

/// The state as a binding's status spells it.
fn state_name(state: WorkloadState) -> String {
    format!("{state:?}")
}

fn pod(judged: &JudgedPod) -> PodView {
    let containers = judged.pod.spec.all_containers();
    PodView {
        name: judged.pod.name().to_owned(),
        verified: judged.verdict.is_verified(),
        created: judged.pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        containers: containers.map(|container| container.name.clone()).collect(),
        findings: judged.verdict.findings.iter().cloned().map(FindingView::from).collect(),
    }
}

fn created(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Option<Timestamp> {
    meta.creation_timestamp.as_ref().map(|time| time.0)
}
