//! All that is known about one identity at one moment.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, PreflightPolicy};

use crate::objects::{Namespace, Pod, ServiceAccount, Workload};
use crate::settings::Settings;

/// Configuration that does not change while the operator runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How injection is configured in this cluster.
    pub settings: Settings,
    /// The cluster's OIDC issuer, if it is known.
    pub issuer: Option<String>,
    /// Whether the namespace has to grant a binding's role (`--require-grants`); default false.
    pub require_grants: bool,
    /// The preflight policy for bindings that do not set one (`--preflight`); default `Never`.
    pub preflight: PreflightPolicy,
    /// Whether a binding with the policy `Require` proceeds if AWS is unavailable
    /// (`--preflight-on-unavailable=proceed`); default false.
    pub proceed_unasked: bool,
    /// How long after an answer to ask AWS again about the identity in force
    /// (`--preflight-recheck`); `None` means never.
    pub preflight_recheck: Option<SignedDuration>,
}

/// One service account with everything that affects its identity.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Namespace of all these objects.
    pub namespace: String,
    /// Name of the service account, whether it exists or not.
    pub service_account_name: String,
    /// The current time, for all decisions.
    pub now: Timestamp,
    /// The operator's configuration.
    pub config: Arc<Config>,
    /// The namespace object.
    pub namespace_object: Option<Arc<Namespace>>,
    /// Bindings that name the service account.
    pub bindings: Vec<Arc<PodIdentityBinding>>,
    /// The service account.
    pub service_account: Option<Arc<ServiceAccount>>,
    /// Workloads whose template runs as the service account, by kind and name.
    pub workloads: Vec<Arc<Workload>>,
    /// Pods that run as the service account, by name.
    pub pods: Vec<Arc<Pod>>,
    /// How many restarts of this identity the operator-wide limit allows at the same time,
    /// including those under way.
    pub rollout_slots: usize,
}

impl Snapshot {
    /// A snapshot of an identity about which nothing is known.
    pub fn empty(namespace: &str, service_account_name: &str, now: Timestamp, config: &Arc<Config>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service_account_name: service_account_name.to_owned(),
            now,
            config: Arc::clone(config),
            namespace_object: None,
            bindings: Vec::new(),
            service_account: None,
            workloads: Vec::new(),
            pods: Vec::new(),
            rollout_slots: usize::MAX,
        }
    }

    /// The subject of the pods' tokens, for trust policies: `system:serviceaccount:NAMESPACE:NAME`.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account_name)
    }

    /// Whether the namespace is being deleted. The operator then only removes finalizers.
    pub fn namespace_terminating(&self) -> bool {
        self.namespace_object.as_ref().is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }
}
