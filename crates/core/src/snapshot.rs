//! All that is known of one identity at one moment.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, PreflightPolicy};

use crate::objects::{Namespace, Pod, ServiceAccount, Workload};
use crate::settings::Settings;

/// What does not change while the operator runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How injection is configured in this cluster.
    pub settings: Settings,
    /// The cluster's OIDC issuer, where it is known.
    pub issuer: Option<String>,
    /// Whether a binding's role has to be granted by its namespace (`--require-grants`), false.
    pub require_grants: bool,
    /// Whether AWS is asked about bindings that do not say so themselves (`--preflight`), `Never`.
    pub preflight: PreflightPolicy,
    /// Whether a binding that requires an answer goes on where there is none to be had
    /// (`--preflight-on-unavailable=proceed`), false.
    pub proceed_unasked: bool,
    /// How long after an answer AWS is asked again about what is in force
    /// (`--preflight-recheck`); `None`: never.
    pub preflight_recheck: Option<SignedDuration>,
}

/// One service account with everything that bears on its identity.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Namespace of all of it.
    pub namespace: String,
    /// Name of the service account, whether it exists or not.
    pub service_account_name: String,
    /// The time that decisions are made with.
    pub now: Timestamp,
    /// What does not change.
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
    /// How many restarts of this identity the operator-wide limit allows at the same time, those under way included.
    pub rollout_slots: usize,
}

impl Snapshot {
    /// Of an identity of which nothing is known.
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

    /// Who the pods are to AWS, for trust policies: `system:serviceaccount:NAMESPACE:NAME`.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account_name)
    }

    /// Whether the namespace is being deleted: then nothing is written but finalizers removed.
    pub fn namespace_terminating(&self) -> bool {
        self.namespace_object.as_ref().is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }
}
