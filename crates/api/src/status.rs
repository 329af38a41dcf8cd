//! The status: what was done and what was proven.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mechanism::Mechanism;

/// What the operator did for the binding and what it verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PodIdentityBindingStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the operator has seen the binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, `ServiceAccountAnnotated`, `WorkloadsRolled`, `IdentityVerified`, where AWS is asked `RoleAssumable`, and,
    /// only while true, `Reconciling` and `Stalled`.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// The role that the binding declares: `spec.roleArn`, or the ARN that `spec.role` or `spec.roleRef` comes to. Absent
    /// while that is not known; the role of an association stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_role_arn: Option<String>,

    /// How pods get the role that is declared, where that is not by IRSA. After a change back to
    /// IRSA it stays as long as pods have the credentials of the association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Mechanism>,

    /// The role in force: the one on the service account by the operator's hand. May lag `declaredRoleArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,

    /// The last role that every live pod was proven to have, once every workload had come up with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified_role_arn: Option<String>,

    /// That role with what the spec declared beside it: what `rollout.onFailure: Rollback` returns to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified_identity: Option<VerifiedIdentity>,

    /// The token's `sub`, which the role's trust policy has to allow: `system:serviceaccount:NAMESPACE:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,

    /// The token's `aud`, which the role's trust policy has to allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,

    /// The token's `iss`: the cluster's OIDC issuer, which AWS IAM has to know as an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,

    /// The service account as observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountStatus>,

    /// Set while a role that failed is rolled back: `rollout.onFailure: Rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,

    /// Restarts that are about to be made, or were made and have not come up yet, and those that the API server refused.
    /// Written before the restart itself: a restart is the operator's from here until the workload has come up once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<RestartStatus>,

    /// Restarts that another manager undid by removing our annotation from the pod template, or by putting an earlier one
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverted: Option<RevertedStatus>,

    /// What AWS answered when the operator asked whether the role can be assumed: `spec.preflight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<PreflightStatus>,

    /// Workloads that run as the service account, failing ones first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadStatus>,

    /// How many workloads `workloads` leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub workloads_truncated: i32,

    /// Workloads that run as the service account and are subject to rollouts.
    #[serde(default)]
    pub workloads_total: i32,

    /// Those of them that need no restart and are not in one.
    #[serde(default)]
    pub workloads_current: i32,

    /// Live pods that run as the service account.
    #[serde(default)]
    pub pods_total: i32,

    /// Those of them proven to have the identity.
    #[serde(default)]
    pub pods_verified: i32,

    /// `workloadsCurrent/workloadsTotal`, for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled: Option<String>,

    /// `podsVerified/podsTotal`, for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,

    /// What was found in pods, worst first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingStatus>,

    /// How many findings there are in all.
    #[serde(default)]
    pub findings_total: i32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde's skip_serializing_if calls
fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// The service account as observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountStatus {
    /// `metadata.uid` of the service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,

    /// When the annotation in force was first seen written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotated_at: Option<Time>,

    /// The role that the operator last wrote to this service account, whatever has become of it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_role_arn: Option<String>,

    /// How many times the annotation was restored after another manager removed or changed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restored: i32,

    /// When it was last restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Time>,

    /// Other field managers that own the role annotation as well: a change of theirs is a conflict, not drift.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub co_owners: Vec<String>,

    /// The same for the other annotations that the binding declares, by the annotation's name: `audience`, for example.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub co_owners_of: BTreeMap<String, Vec<String>>,
}

/// A restart of a workload, from the decision until the workload has come up once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartStatus {
    /// Kind of the workload, for example `Deployment`.
    pub kind: String,
    /// Name of the workload, in the binding's namespace.
    pub name: String,
    /// `metadata.uid` of the workload: one that is created anew was not restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The value of the template annotation `podidentity.dev/identity` that the restart writes.
    pub mark: String,
    /// The workload's `metadata.generation` before the restart.
    pub generation: i64,
    /// When the restart was decided.
    pub since: Time,
    /// Whether the workload was healthy before: one that was failing already is no evidence against the role.
    #[serde(default)]
    pub healthy: bool,
    /// When the restart was first seen to have failed. It stays until the workload has come up: a later change of the
    /// template does not undo the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Time>,
    /// Set while the API server, or an admission policy, refuses the restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedStatus>,
}

/// A restart that the API server refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedStatus {
    /// How many times in a row. The wait before the next try doubles each time.
    pub count: i32,
    /// When it was last refused.
    pub at: Time,
    /// What the API server said.
    pub message: String,
}

/// What AWS answered when the operator asked whether the role can be assumed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightStatus {
    /// The last time that AWS let the service account assume a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<PreflightPass>,
    /// Set while AWS refuses the role that is wanted now, or cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<PreflightFailure>,
}

/// A role that AWS let the service account assume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightPass {
    /// The role.
    pub role_arn: String,
    /// The token's audience.
    pub audience: String,
    /// `metadata.uid` of the service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_uid: Option<String>,
    /// The cluster's OIDC issuer, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When.
    pub at: Time,
}

/// A role that AWS does not let the service account assume, or about which it could not be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightFailure {
    /// The role.
    pub role_arn: String,
    /// The token's audience.
    pub audience: String,
    /// `metadata.uid` of the service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_uid: Option<String>,
    /// The cluster's OIDC issuer, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The binding's `metadata.generation` when it was asked: a change of the spec asks at once.
    pub generation: i64,
    /// Whether AWS refused, or could not be asked.
    pub result: PreflightResult,
    /// CamelCase reason, for example `RoleNotAssumable`.
    pub reason: String,
    /// What AWS said, what it can mean, and what to do.
    pub message: String,
    /// How many times in a row it was asked without success.
    pub attempts: i32,
    /// When it was asked last.
    pub at: Time,
    /// When it is asked again.
    pub next_at: Time,
}

/// How a question came out that was not answered with yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreflightResult {
    /// AWS was asked, and refused.
    Refused,
    /// AWS could not be asked, or gave no answer that says anything about the role.
    Unavailable,
}

/// An identity that was proven, as the spec declared it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedIdentity {
    /// The role.
    pub role_arn: String,
    /// How pods get it.
    #[serde(default, skip_serializing_if = "Mechanism::is_irsa")]
    pub mechanism: Mechanism,
    /// The token's audience, where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The token's lifetime in seconds, where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expiration_seconds: Option<i64>,
    /// Whether SDKs call the regional STS endpoint, where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts_regional_endpoints: Option<bool>,
}

/// A role that failed, and the return to the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// The `metadata.generation` that failed; the next one is tried again.
    pub generation: i64,
    /// The role that failed.
    pub from: String,
    /// The role that was proven before, which is put back.
    pub to: String,
    /// What failed.
    pub message: String,
}

/// Restarts that another manager undid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevertedStatus {
    /// How many, each within ten minutes of the one before.
    pub count: i32,
    /// When the last one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Whether pods of an undone restart still run.
    #[serde(default)]
    pub active: bool,
    /// The workloads whose restarts were undone, each as `Kind/name`. Others are not held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
}

/// One workload that runs as the service account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Name, in the binding's namespace.
    pub name: String,
    /// Where the workload is on its way to the identity: `Halted` (its restart failed, or would not help), `Refused` (the
    /// API server refuses its restart), `Pending` (waits for its restart), `Rolling`, `Paused`, `Excluded` (not selected),
    /// `Unmanaged` (verified, never restarted), `ScaledToZero` or `Current` (needs no restart).
    pub state: WorkloadState,
    /// Why it is in this state, where that is not plain from the state itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its live pods that are proven to have the identity.
    pub pods_verified: i32,
    /// Its live pods.
    pub pods_total: i32,
}

/// Where a workload is on its way to the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadState {
    /// Needs a person: its restart failed, or a restart would not help.
    Halted,
    /// Needs a restart that the API server, or an admission policy, refuses; tried again later.
    Refused,
    /// Needs a restart that has not started: it waits for its turn, for a rollout that is under way, or, under
    /// `rollout.policy` `Manual` and `Never`, for a person.
    Pending,
    /// Is being restarted by the operator.
    Rolling,
    /// Needs a restart that only a person can do: it is paused, `OnDelete`, below its partition, or waits for a pod that
    /// is not ready.
    Paused,
    /// Is not selected by `rollout.workloadSelector`.
    Excluded,
    /// Is verified but never restarted: a bare pod, a Job, an unknown owner.
    Unmanaged,
    /// Has no replicas; its next pods will get the identity.
    ScaledToZero,
    /// Needs no restart.
    Current,
}

/// One finding of the verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingStatus {
    /// How bad it is: `Error` (the pod does not have the identity), `Warning` (it has, but something is not as it should
    /// be) or `Info`.
    pub severity: FindingSeverity,
    /// CamelCase reason, for example `StaleRole`.
    pub reason: String,
    /// What it is about, as `kind/name`.
    pub object: String,
    /// The container, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What was seen, what was wanted, what the pod does meanwhile, and what to do.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FindingSeverity {
    /// The pod does not have the identity.
    Error,
    /// The pod has the identity, but something is not as it should be.
    Warning,
    /// Worth knowing.
    Info,
}
