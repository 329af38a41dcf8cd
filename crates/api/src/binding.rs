//! The spec: what a user declares.

// The macro that makes the schema declares all fields once more, and reads only those that are on the wire.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fmt;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::{
    ASSOCIATION_RULE, AUDIENCE_RULE, INTERVAL_RULE, MECHANISM_RULE, ONE_ROLE_RULE, ROLE_ARN_MESSAGE, ROLE_ARN_RULE,
    SERVICE_ACCOUNT_NAME_RULE,
};
use crate::mechanism::Mechanism;
use crate::role::{RoleName, RoleRef, Unresolved};
use crate::status::PodIdentityBindingStatus;
use crate::window::RestartWindow;

/// Links a service account to an AWS IAM role: pods that run as the service account are set up to act as the role. The operator
/// annotates the service account, rolls the workloads whose pods do not have the role yet, and verifies the pods.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "podidentity.dev",
    version = "v1alpha1",
    kind = "PodIdentityBinding",
    namespaced,
    shortname = "pib",
    category = "podidentity",
    status = "PodIdentityBindingStatus",
    derive = "PartialEq",
    doc = "Links a service account to an AWS IAM role: pods that run as the service account are set up to act as the role. The operator annotates the service account, rolls the workloads whose pods do not have the role yet, and verifies the pods that result.",
    crates(kube_core = "::kube_core"),
    selectable = ".spec.serviceAccountName",
    selectable = ".spec.roleArn",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether all is as declared and proven"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why"
    ),
    printcolumn(
        name = "ServiceAccount",
        type_ = "string",
        json_path = ".spec.serviceAccountName",
        description = "The service account that gets the role"
    ),
    printcolumn(
        name = "Rolled",
        type_ = "string",
        json_path = ".status.rolled",
        description = "Workloads whose pods are current / workloads that run as the service account"
    ),
    printcolumn(
        name = "Verified",
        type_ = "string",
        json_path = ".status.verified",
        description = "Pods proven to have the role / live pods"
    ),
    printcolumn(
        name = "Role",
        type_ = "string",
        json_path = ".status.declaredRoleArn",
        description = "The declared role",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is wrong and what to do",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = ONE_ROLE_RULE,
    validation = MECHANISM_RULE,
    validation = ASSOCIATION_RULE
)]
#[serde(rename_all = "camelCase")]
pub struct PodIdentityBindingSpec {
    /// Name of the service account, in the binding's namespace, whose pods get the role. It need not exist yet.
    /// Immutable: delete the binding and create another one to bind another service account.
    #[x_kube(
        validation = SERVICE_ACCOUNT_NAME_RULE,
        validation = ("self == oldSelf", "serviceAccountName is immutable: delete this binding and create one for the other service account")
    )]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,

    /// ARN of the IAM role, for example `arn:aws:iam::111122223333:role/my-role`. Written to the service account as
    /// `eks.amazonaws.com/role-arn`. The role's trust policy has to allow the subject and audience that the status
    /// publishes. Exactly one of `roleArn`, `role` and `roleRef` is set.
    #[x_kube(validation = kube_core::Rule::new(ROLE_ARN_RULE).message(kube_core::Message::Expression(ROLE_ARN_MESSAGE.into())))]
    #[schemars(length(min = 1, max = 640))]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role_arn: String,

    /// The role by its name, in the AWS account of the cluster (the operator's `--aws-account`): the same binding names
    /// another account's role in another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,

    /// An object of the cluster that has the ARN of the role. The operator watches it if it is started with
    /// `--role-references`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_ref: Option<RoleRef>,

    /// How pods get the credentials of the role. `IRSA` annotates the service account with the role. `PodIdentity` is for a
    /// service account with an association of EKS Pod Identity, which somebody else makes (eksctl, Terraform, ACK):
    /// nothing is annotated, and the role is the one that the association is to name, which pods do not show. Where the
    /// service account has the binding's annotations from before, they stay until every pod has the association's credentials.
    #[serde(default, skip_serializing_if = "Mechanism::is_irsa")]
    pub mechanism: Mechanism,

    /// Audience of the token, written as `eks.amazonaws.com/audience`. Unset: not ours; the webhook then uses its own
    /// default, `sts.amazonaws.com`.
    #[x_kube(validation = AUDIENCE_RULE)]
    #[schemars(length(min = 1, max = 256))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,

    /// Lifetime of the token in seconds, written as `eks.amazonaws.com/token-expiration`. The kubelet refreshes a token
    /// that is older than 80 % of its lifetime or 24 hours. Unset: not ours; the webhook's default is 86400.
    #[schemars(range(min = 600, max = 86400))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expiration_seconds: Option<i64>,

    /// Whether SDKs call the regional STS endpoint, written as `eks.amazonaws.com/sts-regional-endpoints`. Unset: not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts_regional_endpoints: Option<bool>,

    /// How workloads whose pods lack the identity are restarted.
    #[serde(default)]
    pub rollout: Rollout,

    /// What to do when another field manager owns the service account's annotation with another value. `Report` leaves
    /// it alone and says who owns it. `TakeOver` does so as well, unless the value was the declared one when the binding
    /// wrote it: then the annotation is the binding's from there on, and whoever changes it later is put right. That is
    /// for a manager that will not write again, such as `kubectl annotate`, a restore, or a script. `Override` takes the
    /// annotation over whatever its value.
    #[serde(default)]
    pub on_conflict: ConflictPolicy,

    /// Whether AWS is asked if the role can be assumed, before the service account is annotated with another role or
    /// audience. `Never` asks nothing. `Report` asks, says what AWS answered, and goes on. `Require` asks, and while AWS
    /// refuses nothing is annotated and nothing is restarted. Unset: the operator's flag `--preflight` decides, which is
    /// `Never` by default. The operator needs the right to have tokens made in the namespace (config/preflight).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<PreflightPolicy>,

    /// What happens to the service account's annotations when the binding is deleted. `Release` gives them up (what
    /// another manager also sets stays) and restarts nothing. `Revoke` gives them up and restarts the workloads, so that
    /// no pod keeps the role; an event names those that cannot be restarted, or that `rollout` leaves out. `Retain` leaves
    /// everything as it is.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// While true nothing is written to the service account or to workloads; pods are still verified and reported. A
    /// binding that is deleted while it is suspended leaves everything as it is, whatever `deletionPolicy` says.
    #[serde(default)]
    pub suspend: bool,

    /// Never on the wire: the field of a stored spec that cannot be decoded. The other fields hold what can.
    #[serde(skip)]
    #[schemars(skip)]
    pub undecodable: Option<InvalidSpec>,

    /// Never on the wire: why the ARN of `role` or `roleRef` is not known. Where it is known it is in `role_arn`.
    #[serde(skip)]
    #[schemars(skip)]
    pub unresolved: Option<Unresolved>,
}

/// A field of a stored spec that the operator cannot act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSpec {
    /// The field below `spec`, for example `rollout.settleSeconds`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}: {}", self.field, self.problem)
    }
}

/// How workloads whose pods lack the identity are restarted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// `Automatic` restarts what needs it. `Manual` reports what would be restarted and waits until the annotation
    /// `podidentity.dev/release` on the binding has the value that the message names: `GENERATION-UID`, with the first eight
    /// characters of the binding's uid (with `role` or `roleRef`: `GENERATION-UID/ROLE_ARN`). `Never` only reports.
    #[serde(default)]
    pub policy: RolloutPolicy,

    /// Selects, by the labels of the workload object, which of the workloads that run as the service account are
    /// restarted. Others are verified and reported as `Excluded`. Default: all.
    #[serde(default, skip_serializing_if = "LabelSelector::is_empty")]
    pub workload_selector: LabelSelector,

    /// When restarts may begin. Outside of all windows they wait for the next one; what has begun goes to its end. New pods
    /// get the role as soon as the service account has it, whether a window is open or not. Default: at any time.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RestartWindow>,

    /// The least time between the restarts of two workloads of this binding, for example `10m` or `1h30m`: from one second
    /// to `24h`. It counts from one restart's beginning to the next one's. Default: none.
    #[x_kube(validation = INTERVAL_RULE)]
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,

    /// How many workloads of this binding are restarted at the same time. The first one is the canary: it has to come
    /// up and verify before the next one starts.
    #[serde(default = "default_max_concurrent")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent: i32,

    /// Seconds between annotating the service account and the first restart, so that the webhook's cache knows the
    /// annotation when the new pods arrive.
    #[serde(default = "default_settle_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub settle_seconds: i32,

    /// What a failed restart means for the workloads that have not been restarted yet. `Halt` starts no further
    /// restarts. `Continue` goes on with the others. `Rollback` returns the service account and the workloads to the
    /// role that was verified last, and stays there until the spec changes; where none was verified before, or by another
    /// mechanism: as `Halt`.
    #[serde(default)]
    pub on_failure: FailurePolicy,

    /// Seconds without progress after which a restart counts as failed, as in a Deployment: each pod that is replaced is
    /// progress, so a workload of many pods may take longer.
    #[serde(default = "default_progress_deadline_seconds")]
    #[schemars(range(min = 10, max = 86400))]
    pub progress_deadline_seconds: i32,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            policy: RolloutPolicy::default(),
            workload_selector: LabelSelector::default(),
            windows: Vec::new(),
            interval: None,
            max_concurrent: default_max_concurrent(),
            settle_seconds: default_settle_seconds(),
            on_failure: FailurePolicy::default(),
            progress_deadline_seconds: default_progress_deadline_seconds(),
        }
    }
}

fn default_max_concurrent() -> i32 {
    1
}

fn default_settle_seconds() -> i32 {
    2
}

fn default_progress_deadline_seconds() -> i32 {
    600
}

/// Whether the operator restarts workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutPolicy {
    /// Restart what needs it.
    #[default]
    Automatic,
    /// Report what would be restarted; wait for the release annotation.
    Manual,
    /// Report only.
    Never,
}

/// What a failed restart means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// Start no further restarts.
    #[default]
    Halt,
    /// Go on with the others and report the failure.
    Continue,
    /// Return the service account and the workloads to the identity (role, audience, lifetime, STS endpoint) that was
    /// verified last, and stay there until the spec changes. Where none was verified before: as Halt.
    Rollback,
}

/// What to do about another owner of the annotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictPolicy {
    /// Leave the annotation alone and report who owns it.
    #[default]
    Report,
    /// Go on alone from a value that was the same as the declared one: a later change of it is the binding's.
    TakeOver,
    /// Take the annotation over.
    Override,
}

/// Whether AWS is asked before the service account is annotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreflightPolicy {
    /// Ask nothing.
    #[default]
    Never,
    /// Ask, say what AWS answered, and go on.
    Report,
    /// Ask, and annotate and restart nothing while AWS refuses.
    Require,
}

/// What happens to the annotations when the binding is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Give up the annotations (what another manager also sets stays) and restart nothing.
    #[default]
    Release,
    /// Give up the annotations and restart the workloads, so that no pod keeps the role.
    Revoke,
    /// Leave everything as it is.
    Retain,
}

/// A Kubernetes label selector. Empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that have to be present with these values.
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = ("self.all(key, size(key) <= 317)", "the key of a label has at most 317 characters"))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,

    /// Requirements that all have to hold.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<SelectorRequirement>,
}

impl LabelSelector {
    /// Whether the selector selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    "values must be set for the operators In and NotIn, and must not be set for Exists and DoesNotExist"
))]
pub struct SelectorRequirement {
    /// The label key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the key is compared with the values.
    pub operator: SelectorOperator,
    /// Values for `In` and `NotIn`.
    #[schemars(length(max = 256), inner(length(max = 63)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Operators of a label selector requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectorOperator {
    /// The label's value is one of the values.
    In,
    /// The label is absent or its value is none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}
