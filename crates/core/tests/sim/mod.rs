//! A cluster in memory: an API server with field managers, resource versions and admission, the
//! workload controllers, and a webhook that may be down or outdated.
//!
//! ```text
//! users.rs ──► Cluster ◄── server.rs: the operator's writes
//!                │
//!                ├── controllers.rs, pod.rs: workloads get their pods, through the webhook
//!                └── object.rs ──► Snapshot: what a watch shows, read by the product's own code
//! ```

// Two test binaries use this module, and neither uses all of it.
#![allow(dead_code, unused_imports)]

mod account;
mod controllers;
mod object;
mod pod;
mod role;
mod server;
mod sts;
mod unmanaged;
mod users;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use podidentity_api::{PodIdentityBinding, PreflightPolicy, names};
use podidentity_core::objects::{Map, Namespace};
use podidentity_core::snapshot::{Config, Snapshot};

pub use account::Account;
use pod::Known;
pub use pod::PodState;
pub use role::{Roles, reference};
pub use server::{Faults, Refusal};
pub use sts::{Asked, Sts};
pub use unmanaged::{Unmanaged, UnmanagedKind};
pub use users::PodTrouble;
pub use workload::{Restart, Strategy, Template, Workload};

pub const NAMESPACE: &str = "default";
pub const ACCOUNT: &str = "my-app";
pub const ROLE_KEY: &str = "eks.amazonaws.com/role-arn";
pub const AUDIENCE_KEY: &str = "eks.amazonaws.com/audience";

#[derive(Clone, Debug)]
pub struct Cluster {
    pub now: Timestamp,
    counter: u64,
    pub account: Option<Account>,
    pub bindings: BTreeMap<String, PodIdentityBinding>,
    /// Resolves the roles of bindings that name no ARN.
    pub roles: Roles,
    pub workloads: BTreeMap<String, Workload>,
    /// Pods without a workload.
    pub unmanaged: Vec<Unmanaged>,
    /// Whether the webhook injects what the service account declares.
    pub webhook: bool,
    /// How many seconds the webhook's view of the service account lags behind.
    pub webhook_lag: i64,
    /// Whether EKS has an association for the service account.
    pub association: bool,
    /// The past annotations of the service account, and since when.
    offers: Vec<(Timestamp, Map)>,
    /// Workloads whose restarts admission refuses.
    pub refused: BTreeSet<String>,
    /// Workloads in whose template admission replaces the operator's mark by this value; empty:
    /// removes it.
    pub rewritten: BTreeMap<String, String>,
    /// Admission replaces the role that the operator writes by this value; empty: removes it.
    pub role_rewritten: Option<String>,
    /// Other faults of the operator's writes.
    pub faults: Faults,
    /// The namespace's grants, where the operator requires them.
    pub grants: Option<String>,
    /// AWS.
    pub sts: Sts,
    /// The operator's `--preflight`.
    pub preflight: PreflightPolicy,
    /// The operator's `--preflight-on-unavailable=proceed`.
    pub proceed_unasked: bool,
    /// The operator's `--preflight-recheck`.
    pub recheck: Option<SignedDuration>,
    /// The total of template changes by the operator.
    pub rolls: usize,
    /// Restarts that the operator attempted, by workload.
    pub tried: BTreeMap<String, usize>,
    /// The total of the operator's writes to the service account.
    pub account_writes: usize,
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            counter: 0,
            account: None,
            bindings: BTreeMap::new(),
            roles: Roles::default(),
            workloads: BTreeMap::new(),
            unmanaged: Vec::new(),
            webhook: true,
            webhook_lag: 0,
            association: false,
            offers: Vec::new(),
            refused: BTreeSet::new(),
            rewritten: BTreeMap::new(),
            role_rewritten: None,
            faults: Faults::default(),
            grants: None,
            sts: Sts::default(),
            preflight: PreflightPolicy::Never,
            proceed_unasked: false,
            recheck: None,
            rolls: 0,
            tried: BTreeMap::new(),
            account_writes: 0,
        }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// The role annotation of the service account.
    pub fn role(&self) -> Option<&str> {
        self.account.as_ref()?.annotations.get(ROLE_KEY).map(String::as_str)
    }

    /// Records a change of the service account, which the webhook sees after its lag.
    fn offers_change(&mut self) {
        let offered = self.account.as_ref().map(|account| account.annotations.clone()).unwrap_or_default();
        self.offers.push((self.now, offered));
        let known_at = self.now - SignedDuration::from_secs(60);
        let kept = self.offers.iter().rposition(|(since, _)| *since <= known_at).unwrap_or_default();
        self.offers.drain(..kept);
    }

    /// What the webhook knows about the service account. It knows an association immediately.
    fn known(&self) -> Known {
        if !self.webhook {
            return Known::default();
        }
        let at = self.now - SignedDuration::from_secs(self.webhook_lag);
        let known = self.offers.iter().rfind(|(since, _)| *since <= at);
        let annotations = known.map(|(_, offered)| offered.clone()).unwrap_or_default();
        Known { annotations, is_associated: self.association }
    }

    /// One step of the workload's controller; false if there is nothing to do.
    pub fn progress(&mut self, name: &str) -> bool {
        let (id, now, known) = (self.count(), self.now, self.known());
        let Some(workload) = self.workloads.get_mut(name) else { return false };
        let progressed = workload.progress(&controllers::Moment { id, now, known: &known });
        if progressed {
            workload.version = id;
        }
        progressed
    }

    /// When a controller next acts because of time alone: it gives up, a pause ends, or old pods go.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let times = self.workloads.values().flat_map(|it| [it.deadline(), it.pause_ends_at(), it.scales_down_at()]);
        times.flatten().filter(|at| *at > self.now).min()
    }

    /// Lets all workloads come to rest; false if they already were.
    pub fn progress_all(&mut self) -> bool {
        let names: Vec<String> = self.workloads.keys().cloned().collect();
        let mut progressed = false;
        for name in names {
            let mut left = 100;
            while self.progress(&name) {
                progressed = true;
                left -= 1;
                assert!(left > 0, "the controller of {name} does not come to rest: {:?}", self.workloads[&name]);
            }
        }
        progressed
    }

    /// The state that a watch would have shown.
    pub fn snapshot(&self) -> Snapshot {
        let workloads = self.workloads.values().filter(|it| !it.template.elsewhere);
        let mut workloads: Vec<_> = workloads.map(|it| it.seen(self.now)).collect();
        workloads.sort_by_key(|it| it.id());
        let pods = self.workloads.values().flat_map(|it| &it.pods).chain(self.unmanaged.iter().map(|it| &it.pod));
        let pods = pods.map(PodState::seen).filter(|pod| pod.spec.service_account() == ACCOUNT).collect();
        Snapshot {
            namespace: NAMESPACE.into(),
            service_account_name: ACCOUNT.into(),
            now: self.now,
            config: Arc::new(Config {
                require_grants: self.grants.is_some(),
                preflight: self.preflight,
                proceed_unasked: self.proceed_unasked,
                preflight_recheck: self.recheck,
                ..Config::default()
            }),
            namespace_object: self.grants.as_deref().map(|grants| Arc::new(namespace(grants))),
            bindings: self.bindings.values().map(|binding| self.roles.resolved(binding)).collect(),
            service_account: self.account.as_ref().map(|account| Arc::new(account.object())),
            workloads,
            pods,
            rollout_slots: usize::MAX,
        }
    }
}

fn namespace(grants: &str) -> Namespace {
    let annotations = serde_json::json!({names::ALLOWED_ROLES_ANNOTATION: grants});
    serde_json::from_value(serde_json::json!({"metadata": {"name": NAMESPACE, "annotations": annotations}})).unwrap()
}

fn managed_fields_entry(manager: &str, time: Option<Timestamp>, fields: serde_json::Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.into()),
        operation: Some("Apply".into()),
        time: time.map(Time),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    }
}
