//! Plans and statuses in a readable form.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBindingStatus, WorkloadStatus};
use podidentity_core::status::Transition;
use podidentity_core::step::Step;
use serde::Serialize;

pub fn step(step: &Step) -> String {
    match step {
        Step::SetFinalizer { binding, present: true } => format!("add the finalizer to {}", binding.name),
        Step::SetFinalizer { binding, present: false } => format!("remove the finalizer from {}", binding.name),
        Step::Annotate { account, annotations, .. } if annotations.is_empty() => {
            format!("give up the annotations of {}", account.name)
        }
        Step::Annotate { account, annotations, force, declared, .. } => {
            let keys = annotations.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ");
            let force = if *force { ", by force" } else { "" };
            let again = if declared.is_some() { ", once the binding is read again" } else { "" };
            format!("annotate {}{force}{again}: {keys}", account.name)
        }
        Step::Preflight(question) => format!("ask AWS about {}", question.role_arn),
        Step::Restart { workload, mark, .. } => format!("roll {workload} as {mark}"),
    }
}

pub fn event(event: &Transition) -> String {
    format!("{}{}: {}", if event.warning { "Warning " } else { "" }, event.reason, event.note)
}

/// The relevant parts of a status.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// `True Verified`, `False Rolling Reconciling`, ...
    ready: String,
    message: String,
    /// The condition `IdentityVerified` if it is neither true nor false.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verified: Option<String>,
    /// Status and reason of the condition `RoleAssumable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    assumable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverted: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workloads: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
}

impl From<&PodIdentityBindingStatus> for Said {
    fn from(status: &PodIdentityBindingStatus) -> Self {
        let find = |type_: &str| status.conditions.iter().find(|it| it.type_ == type_);
        let ready = find(condition::READY).unwrap();
        let also = [condition::RECONCILING, condition::STALLED].into_iter().filter(|type_| find(type_).is_some());
        let ready_and_why = [ready.status.as_str(), ready.reason.as_str()].into_iter().chain(also);
        let unknown = find(condition::IDENTITY_VERIFIED).filter(|it| it.status == "Unknown");
        let findings = status.findings.iter().map(|it| format!("{:?} {} {}", it.severity, it.reason, it.object));
        Self {
            ready: ready_and_why.collect::<Vec<_>>().join(" "),
            message: ready.message.clone(),
            identity: unknown.map(|it| format!("{}: {}", it.reason, it.message)),
            role: status.role_arn.clone(),
            last_verified: status.last_verified_role_arn.clone(),
            assumable: find(condition::ROLE_ASSUMABLE).map(|it| format!("{} {}", it.status, it.reason)),
            restored: status.service_account.as_ref().map(|account| account.restored).filter(|times| *times > 0),
            reverted: status.reverted.as_ref().map(|reverted| reverted.count),
            workloads: status.workloads.iter().map(workload).collect(),
            findings: findings.collect(),
        }
    }
}

/// A whole status, with a line for each condition.
#[derive(Serialize)]
pub struct Whole {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    conditions: Vec<String>,
    /// Whether the write of the status may wait, because nothing has changed but details.
    #[serde(rename = "mayWait", skip_serializing_if = "std::ops::Not::not")]
    pub may_wait: bool,
    #[serde(flatten)]
    status: PodIdentityBindingStatus,
}

impl Whole {
    pub fn new(status: &PodIdentityBindingStatus, events: &[Transition]) -> Self {
        let condition = |it: &Condition| {
            let since = it.last_transition_time.0;
            format!("{} {} {} since {since}: {}", it.type_, it.status, it.reason, it.message)
        };
        Self {
            events: events.iter().map(event).collect(),
            conditions: status.conditions.iter().map(condition).collect(),
            may_wait: false,
            status: PodIdentityBindingStatus { conditions: Vec::new(), ..status.clone() },
        }
    }
}

fn workload(it: &WorkloadStatus) -> String {
    let message = it.message.as_ref().map_or(String::new(), |message| format!(": {message}"));
    format!("{}/{} {:?} {}/{}{message}", it.kind, it.name, it.state, it.pods_verified, it.pods_total)
}
