//! An identity as users see it: binding, service account, workloads, pods, containers, and what is wrong.
//!
//! ```text
//! Snapshot ──► core's assessment and status ──► View ──► status, verify, report
//! ```
//!
//! A view says what the operator would say about the cluster as it is now. Views are small, because
//! a command holds many of them at once.

mod build;
mod totals;

use jiff::Timestamp;
use podidentity_api::Reason;
use podidentity_core::finding::{Finding, Severity};
use serde::Serialize;

pub(crate) use build::views;
pub(crate) use totals::Totals;

/// A binding, or a service account that is annotated without a binding.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) namespace: String,
    /// Absent if no binding names the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<String>,
    pub(crate) service_account: String,
    /// The wanted role.
    pub(crate) role_arn: String,
    pub(crate) state: State,
    /// Whether an operator has reported on the binding as it is now. True if there is no binding.
    pub(crate) observed: bool,
    /// In CamelCase: the reason of the condition `Ready`, or of the worst finding.
    pub(crate) reason: String,
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// What AWS answered when the operator asked it. Absent if the operator is not to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preflight: Option<PreflightView>,
    /// When the binding was created. Without a binding, when the service account was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Timestamp>,
    /// When the annotation in force was written, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) annotated_at: Option<Timestamp>,
    pub(crate) workloads_total: usize,
    pub(crate) workloads_current: usize,
    pub(crate) pods_total: usize,
    pub(crate) pods_verified: usize,
    pub(crate) workloads: Vec<WorkloadView>,
    /// Findings that are not about a pod in [`View::workloads`]. Findings about pods are stored
    /// with their pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<FindingView>,
}

/// The state of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum State {
    /// A person has to do something.
    Failing,
    /// The operator is working, or waits for something that needs no person.
    Working,
    /// Nothing is wrong, but no running pod proves it.
    Idle,
    /// Every pod was proven to have the role.
    Verified,
}

/// The condition `RoleAssumable`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreflightView {
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl PreflightView {
    /// Whether the operator was to ask AWS, and AWS did not agree.
    pub(crate) fn is_wrong(&self) -> bool {
        self.status != "True"
            && ![Reason::NotAsked, Reason::PreflightPending].iter().any(|reason| reason.is(&self.reason))
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadView {
    /// For example `Deployment`, or `Pod` for a pod without a controller.
    pub(crate) kind: String,
    pub(crate) name: String,
    /// As in the binding's status, for example `Current`.
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    pub(crate) pods: Vec<PodView>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodView {
    pub(crate) name: String,
    pub(crate) verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Timestamp>,
    /// Init containers first.
    pub(crate) containers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<FindingView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingView {
    pub(crate) severity: Severity,
    pub(crate) reason: String,
    /// As `Kind/name`.
    pub(crate) object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    pub(crate) message: String,
    /// Whether a restart of the workload would cure the finding.
    pub(crate) restart_cures: bool,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            severity: finding.severity,
            reason: finding.reason.as_str().to_owned(),
            object: finding.object,
            container: finding.container,
            message: finding.message.to_string(),
            restart_cures: finding.restart_cures,
        }
    }
}

impl View {
    /// `pib/NAME`, or `sa/NAME` if there is no binding.
    pub(crate) fn title(&self) -> String {
        match &self.binding {
            Some(binding) => format!("pib/{binding}"),
            None => format!("sa/{}", self.service_account),
        }
    }

    pub(crate) fn pods(&self) -> impl Iterator<Item = &PodView> {
        self.workloads.iter().flat_map(|workload| &workload.pods)
    }

    /// All findings, those of pods first.
    pub(crate) fn all_findings(&self) -> impl Iterator<Item = &FindingView> {
        self.pods().flat_map(|pod| &pod.findings).chain(&self.findings)
    }

    /// Whether nothing is wrong: every running pod has the role, and nothing is in progress.
    pub(crate) fn is_right(&self) -> bool {
        matches!(self.state, State::Verified | State::Idle)
    }

    /// The sort key of lists: views that need attention first, then by name.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (self.state, &self.namespace, &self.service_account, &self.binding)
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "Failing",
            Self::Working => "Working",
            Self::Idle => "Idle",
            Self::Verified => "Verified",
        }
    }
}

impl WorkloadView {
    /// For example `deploy/web`: the short form, which kubectl accepts.
    pub(crate) fn title(&self) -> String {
        let kind = match self.kind.as_str() {
            "Deployment" => "deploy",
            "StatefulSet" => "sts",
            "DaemonSet" => "ds",
            "ReplicaSet" => "rs",
            "Pod" => "pod",
            "Job" => "job",
            "CronJob" => "cronjob",
            "Rollout" => "rollout",
            other => other,
        };
        format!("{kind}/{}", self.name)
    }

    pub(crate) fn verified(&self) -> usize {
        self.pods.iter().filter(|pod| pod.verified).count()
    }
}

impl PodView {
    /// The worst severity found in a container. `None` if nothing was found.
    pub(crate) fn worst(&self, container: &str) -> Option<Severity> {
        let of_container = |finding: &&FindingView| finding.container.as_deref() == Some(container);
        self.findings.iter().filter(of_container).map(|finding| finding.severity).min()
    }
}

/// A view for tests.
#[cfg(test)]
pub(crate) fn sample() -> View {
    View {
        namespace: "shop".to_owned(),
        binding: Some("web".to_owned()),
        service_account: "web".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/web".to_owned(),
        preflight: None,
        state: State::Verified,
        observed: true,
        reason: "Verified".to_owned(),
        message: String::new(),
        created: None,
        annotated_at: None,
        workloads_total: 0,
        workloads_current: 0,
        pods_total: 0,
        pods_verified: 0,
        workloads: Vec::new(),
        findings: Vec::new(),
    }
}
