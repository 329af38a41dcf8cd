//! Findings of a binding: those of single pods, and those that need a view of all pods.

use podidentity_api::{FindingStatus, names};

use super::LIST_LIMIT;
use super::counts::count;
use crate::assess::Case;
use crate::finding::{Finding, FindingReason, Severity};
use crate::message::Message;
use crate::objects::WorkloadKind;
use crate::restart_record::Records;
use crate::reverts;
use crate::rollout::{Phase, WorkloadVerdict};
use crate::verify::next_pod_refused;

/// The findings for the status, worst first, and how many there are in all.
pub(super) fn listed(case: &Case, namespace: &str) -> (Vec<FindingStatus>, i32) {
    let mut all = all(case, namespace);
    all.sort_by(|a, b| {
        (a.severity, a.reason, &a.object, &a.container).cmp(&(b.severity, b.reason, &b.object, &b.container))
    });
    let total = count(all.iter());
    all.truncate(LIST_LIMIT);
    (all.into_iter().map(listed_finding).collect(), total)
}

/// All findings, in no particular order.
pub(super) fn all(case: &Case, namespace: &str) -> Vec<Finding> {
    let of_pods = case.pods().flat_map(|judged| judged.verdict.findings.iter().cloned());
    of_pods.chain(of_workloads(case, namespace)).collect()
}

/// The findings that need a view of all pods.
pub(super) fn of_workloads(case: &Case, namespace: &str) -> impl Iterator<Item = Finding> {
    let hash = case.expected.identity.hash();
    let records = Records::of(&case.binding);
    let reverted = case.workloads.iter().filter_map(move |workload| reverted(workload, &records, &hash));
    let slips = case.slips.iter().cloned();
    let refused = injections_refused(case);
    reverted.chain(refused).chain(unmanaged(case)).chain(webhook_not_found(case, namespace)).chain(slips)
}

/// The workloads whose next pods the API server would refuse.
pub(super) fn injections_refused(case: &Case) -> impl Iterator<Item = Finding> {
    let annotated = case.account.is_annotated;
    case.workloads.iter().filter_map(move |verdict| {
        let refusal = verdict.refusal.as_ref()?;
        Some(next_pod_refused(verdict.workload.id().to_string(), refusal, &case.expected, &case.settings, annotated))
    })
}

fn listed_finding(finding: Finding) -> FindingStatus {
    FindingStatus {
        severity: finding.severity,
        reason: finding.reason.as_str().to_owned(),
        object: finding.object,
        container: finding.container,
        message: finding.message.to_string(),
    }
}

/// Pods carry the mark of our restart, but the template has lost it.
fn reverted(verdict: &WorkloadVerdict, records: &Records<'_>, hash: &str) -> Option<Finding> {
    reverts::has_pods_of_undone_restart(verdict, records, hash).then(|| Finding {
        severity: Severity::Warning,
        reason: FindingReason::RolloutReverted,
        object: verdict.workload.id().to_string(),
        container: None,
        message: Message::new(format!(
            "another manager removed or replaced the annotation {} of the pod template, which restarts the workload once more",
            names::IDENTITY_ANNOTATION
        ))
        .action("let it ignore that key (see the pages on Argo CD and Flux)"),
        restart_cures: false,
    })
}

fn unmanaged(case: &Case) -> impl Iterator<Item = Finding> {
    case.unmanaged.iter().flat_map(|(owner, pods)| {
        let objects: Vec<(String, &str)> = match owner {
            Some(owner) if owner.kind == WorkloadKind::Rollout.as_str() => {
                vec![(
                    format!("{}/{}", owner.kind, owner.name),
                    "its pod template is another workload's (spec.workloadRef): change or restart it there",
                )]
            }
            Some(owner) if owner.direct => vec![(
                format!("{}/{}", owner.kind, owner.name),
                "it owns the pods itself, so they are not of its ReplicaSets: whatever made them has to replace them",
            )],
            Some(owner) if ["Deployment", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) => vec![(
                format!("{}/{}", owner.kind, owner.name),
                "none of this name has the service account in its pod template; if that was changed, these pods go as it \
                 is rolled out",
            )],
            Some(owner) => vec![(format!("{}/{}", owner.kind, owner.name), "its controller is not one that is")],
            None => pods.iter().map(|judged| (format!("Pod/{}", judged.pod.name()), "it has no controller")).collect(),
        };
        objects.into_iter().map(|(object, why)| Finding {
            severity: Severity::Info,
            reason: FindingReason::WorkloadUnmanaged,
            message: Message::new(format!("{object} runs as the service account and is verified, but never restarted"))
                .because(why),
            object,
            container: None,
            restart_cures: false,
        })
    })
}

/// All attempts are used up and no pod has the identity: nothing injects in this cluster.
pub(super) fn webhook_not_found(case: &Case, namespace: &str) -> Option<Finding> {
    let of_association = case.expected.identity.is_of_association();
    let missing = if of_association { FindingReason::PodIdentityMissing } else { FindingReason::InjectionMissed };
    let missed = |verdict: &&WorkloadVerdict| {
        matches!(verdict.phase, Phase::Failed { .. })
            && verdict.pods.iter().any(|judged| judged.verdict.findings.iter().any(|finding| finding.reason == missing))
    };
    let failed = case.workloads.iter().find(missed)?;
    if case.pods().any(|judged| judged.verdict.is_verified()) {
        return None;
    }
    let no_pod = format!("no pod in namespace {namespace} that runs as the service account was given");
    Some(Finding {
        severity: Severity::Error,
        reason: FindingReason::WebhookNotFound,
        object: failed.workload.id().to_string(),
        container: None,
        message: if of_association {
            Message::new(format!("{no_pod} credentials of EKS Pod Identity, however often it was restarted"))
                .because("the cluster has no association for it, or nothing injects it")
                .action("look at aws eks list-pod-identity-associations, and whether the cluster is of EKS")
        } else {
            Message::new(format!("{no_pod} the role, however often it was restarted"))
                .because("nothing injects it in this cluster")
                .action("install the EKS pod identity webhook or the injection policy")
        },
        restart_cures: false,
    })
}
