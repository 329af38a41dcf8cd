//! Reading a cluster once, page by page, and judging each identity: for commands that look and end.
//!
//! ```text
//! bindings, service accounts, workloads, namespaces ──► index ─┐
//! pods, in the order of namespaces ──► one namespace's pods ───┴─► Snapshot ──► judge ──► its result
//! ```
//!
//! Pods are most of a cluster. They come sorted by namespace, so a namespace is judged and its pods are forgotten as
//! soon as the next one begins: memory holds the pods of one namespace, and the results.

mod error;
mod list;
mod pods;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, ObservedBinding, ObservedPod, Pod, Rollout, ServiceAccount, StatefulSet,
};
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::unbound::annotated_role;

use crate::index::{IdentityKey, Index, Object};

pub use error::ReadError;
use list::Listed;
pub use list::{Lister, Progress, Silent};
use pods::Sorter;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespace; `None`: all.
    pub namespace: Option<String>,
    /// Whether service accounts without any role are read as well, with their workloads and pods.
    pub without_role: bool,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// What the judge made of each identity that it was shown; those of which it made nothing are left out.
    pub results: BTreeMap<IdentityKey, T>,
    /// Whether the custom resource `PodIdentityBinding` is installed.
    pub bindings_known: bool,
    /// What could not be decoded and is left out, as `Kind namespace/name: why`.
    pub undecodable: Vec<String>,
}

/// Reads a cluster and shows every identity in it to the judge, in no particular order. An identity may be shown twice;
/// then the second result counts.
pub async fn read<T>(
    client: &Client,
    scope: &Scope,
    config: &Arc<Config>,
    progress: &dyn Progress,
    judge: &mut dyn FnMut(Snapshot) -> Option<T>,
) -> Result<Reading<T>, ReadError> {
    let lister = Lister { client, namespace: scope.namespace.as_deref(), progress };
    let mut base = Base::read(&lister, scope, &config.settings).await?;
    let now = Timestamp::now();
    let mut results = BTreeMap::new();
    let mut show = |key: IdentityKey, pods: Vec<Arc<Pod>>| {
        let known = base.index.look(&key, config, now);
        let snapshot = known.unwrap_or_else(|| nothing_but_pods(&key, config, now));
        if let Some(result) = judge(Snapshot { pods, ..snapshot }) {
            results.insert(key, result);
        }
    };
    let mut sorter = Sorter::new(&base.identities, scope.without_role);
    let mut pages = lister.pages::<ObservedPod>("pods");
    while let Some(page) = pages.next().await? {
        base.undecodable.extend(page.undecodable);
        for pod in page.items {
            if !sorter.add(Pod::from(pod).slim(), &mut show) {
                // The order of namespaces is not what it always was: once more, keeping all pods to the end.
                sorter = Sorter::for_unsorted(&base.identities, scope.without_role);
                pages = lister.pages::<ObservedPod>("pods");
                break;
            }
        }
    }
    sorter.finish(&mut show);
    Ok(Reading { results, bindings_known: base.bindings_known, undecodable: base.undecodable })
}

/// An identity of which only pods are left: its service account and workloads are gone.
fn nothing_but_pods(key: &IdentityKey, config: &Arc<Config>, now: Timestamp) -> Snapshot {
    Snapshot {
        namespace: key.namespace.clone(),
        service_account_name: key.service_account.clone(),
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

/// Names of service accounts by namespace.
type Identities = HashMap<String, HashSet<String>>;

/// Everything but pods.
struct Base {
    index: Index,
    identities: Identities,
    bindings_known: bool,
    undecodable: Vec<String>,
}

impl Base {
    async fn read(lister: &Lister<'_>, scope: &Scope, settings: &Settings) -> Result<Self, ReadError> {
        let (bindings_known, rollouts_known) = futures::try_join!(
            lister.serves("podidentity.dev/v1alpha1", "podidentitybindings"),
            lister.serves("argoproj.io/v1alpha1", "rollouts"),
        )?;
        let (bindings, accounts, deployments, stateful_sets, daemon_sets, rollouts, namespaces) = futures::try_join!(
            lister.all_if::<ObservedBinding>(bindings_known, "podidentitybindings"),
            lister.all::<ServiceAccount>("serviceaccounts"),
            lister.all::<Deployment>("deployments"),
            lister.all::<StatefulSet>("statefulsets"),
            lister.all::<DaemonSet>("daemonsets"),
            lister.all_if::<Rollout>(rollouts_known, "rollouts"),
            lister.namespaces::<Namespace>(),
        )?;
        let mut base = Self {
            index: Index::default(),
            identities: with_role(&bindings.items, &accounts.items, settings),
            bindings_known,
            undecodable: Vec::new(),
        };
        base.file(bindings, scope, Object::binding);
        base.file(accounts, scope, |account| Object::ServiceAccount(Arc::new(account)));
        base.file(deployments, scope, Object::workload);
        base.file(stateful_sets, scope, Object::workload);
        base.file(daemon_sets, scope, Object::workload);
        base.file(rollouts, scope, Object::workload);
        base.file(namespaces, scope, |it| Object::Namespace(Arc::new(it)));
        if scope.without_role {
            for key in base.index.known() {
                base.identities.entry(key.namespace).or_default().insert(key.service_account);
            }
        }
        Ok(base)
    }

    /// Files what bears on an identity that is asked for; the rest is forgotten.
    fn file<K>(&mut self, listed: Listed<K>, scope: &Scope, object: impl Fn(K) -> Object) {
        self.undecodable.extend(listed.undecodable);
        for item in listed.items {
            let object = object(item);
            let asked = scope.without_role
                || object.service_account().is_none_or(|account| {
                    self.identities.get(&object.id().namespace).is_some_and(|accounts| accounts.contains(account))
                });
            if asked {
                self.index.apply(object);
            }
        }
    }
}

/// The service accounts that a binding names or that are annotated with a role.
fn with_role(bindings: &[ObservedBinding], accounts: &[ServiceAccount], settings: &Settings) -> Identities {
    let mut found = Identities::new();
    let mut add = |namespace: &Option<String>, name: &str| {
        found.entry(namespace.clone().unwrap_or_default()).or_default().insert(name.to_owned());
    };
    for binding in bindings {
        add(&binding.metadata.namespace, &binding.spec.service_account_name);
    }
    for account in accounts.iter().filter(|account| annotated_role(account, settings).is_some()) {
        add(&account.metadata.namespace, account.metadata.name.as_deref().unwrap_or_default());
    }
    found
}
