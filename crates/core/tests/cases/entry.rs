//! The entries of a timeline: what users, controllers and time do.

use jiff::Timestamp;
use podidentity_api::PreflightPolicy;
use podidentity_core::objects::WorkloadKind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sim::Strategy;

/// An entry of the timeline.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Entry {
    /// The service account is created.
    Account,
    /// It is deleted.
    DeleteAccount,
    /// Another manager writes the role.
    Annotate { manager: String, role: String },
    /// Another manager removes the annotation.
    RemoveAnnotation,
    /// Another manager writes one of the annotations: `audience`, for example.
    AnnotateKey { manager: String, key: String, value: String },
    /// Another manager removes one of the annotations.
    RemoveKey(String),
    /// A binding is created, or these fields of its spec change.
    Bind { name: String, spec: Map<String, Value> },
    /// The operator is started with `--aws-account`.
    AwsAccount(String),
    /// The object that bindings refer to is created or changed.
    RoleObject { role: Option<String>, problem: Option<String> },
    /// The object is deleted.
    DeleteRoleObject,
    /// The operator is started without `--role-references`.
    ReferencesNotWatched,
    /// A binding is deleted.
    Unbind(String),
    /// A binding's annotation releases its current generation.
    Release(String),
    /// A Deployment is created or scaled, and comes up if it can.
    Deploy { name: String, replicas: usize },
    /// A workload of this kind is created, and comes up if it can.
    Make(Make),
    /// A Deployment is scaled, and its controller has not acted yet.
    Scale(String, usize),
    /// The Deployment's pods crash without a role.
    NeedsRole(String),
    /// The Deployment's new pods never become ready, or do again.
    Broken(String, bool),
    /// The Deployment's new pods never become ready if they have this role.
    BrokenAs(String, String),
    /// The workload's new pods find no node or no image, or do again.
    NeverStarts(String, bool),
    /// A quota refuses new pods of the workload, or no longer does.
    Quota(String, bool),
    /// The node of the DaemonSet's pod of this number is lost, or is back.
    Node(String, usize, bool),
    /// `kubectl rollout undo`: the previous template, with its annotations.
    Undo(String),
    /// A user changes the Deployment's template.
    UserRollout(String),
    /// A user changes the service account in the Deployment's template, or restores it.
    Elsewhere(String, bool),
    /// A pod of the Deployment is replaced.
    Drain(String),
    /// The operator is killed after this many steps of its next plan.
    Crash(usize),
    /// The same, and it stays down until it is back.
    Dies(usize),
    /// From now on, the operator sees the Deployment in its current state, while it still sees its
    /// pods change.
    Behind(String),
    /// From now on, the operator sees the service account in its current state.
    AccountBehind,
    /// The operator sees all current states again.
    CaughtUp,
    /// The operator is down, or is back.
    Away(bool),
    /// The Deployment's template sets a role itself.
    Preset(String),
    /// The Deployment is paused or resumed.
    Paused(String, bool),
    /// Another manager removes the operator's annotation from the Deployment's template.
    Revert(String),
    /// The deployment controller takes this many steps.
    Progress(String, usize),
    /// The deployment controller takes all possible steps.
    Finish(String),
    /// The operator requires grants, and the namespace grants these roles.
    Grants(Vec<String>),
    /// Injection disappears or comes back.
    Webhook(bool),
    /// EKS gets an association for the service account, or loses it.
    Association(bool),
    /// Admission refuses restarts of the Deployment, or accepts them again.
    Refuse(String, bool),
    /// Admission replaces the operator's annotation in the Deployment's template by this value.
    RewriteMark(String, String),
    /// Admission replaces the role on the service account by this value.
    RewriteRole(String),
    /// The operator's flag `--preflight`.
    Preflight(PreflightPolicy),
    /// The operator's flag `--preflight-on-unavailable`: whether it proceeds.
    Proceed(bool),
    /// The operator's flag `--preflight-recheck`, in seconds.
    Recheck(i64),
    /// AWS permits no one to assume the role, or does again.
    AwsRefuses(String, bool),
    /// AWS STS does not answer, or does again.
    AwsAway(bool),
    /// The API server creates no tokens for the operator, or does again.
    NoTokens(bool),
    /// This many seconds pass.
    Pass(i64),
    /// The clock advances to this time.
    Clock(Timestamp),
}

/// A workload to create.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Make {
    pub kind: WorkloadKind,
    pub name: String,
    pub replicas: usize,
    #[serde(default)]
    pub strategy: Strategy,
}
