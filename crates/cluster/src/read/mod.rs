//! Reads a cluster once, page by page, and judges each identity, for commands that run once.
//!
//! ```text
//! bindings, service accounts, workloads, namespaces ──► index ─┐
//! pods, in the order of namespaces ──► one namespace's pods ───┴─► Snapshot ──► judge ──► its result
//! ```
//!
//! Most objects in a cluster are pods. They arrive sorted by namespace, so a namespace is judged
//! and its pods are dropped as soon as the next namespace begins. Memory holds the results and the
//! pods of one namespace.

mod changes;
mod error;
pub mod injectors;
pub mod installation;
mod list;
mod pages;
mod pods;
pub mod webhook_config;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use podidentity_api::names::condition;
use podidentity_api::{PreflightPolicy, Reason};
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedAccount, ObservedBinding, ObservedPod, Pod, Rollout, StatefulSet,
};
use podidentity_core::settings::Settings;
use podidentity_core::slip;
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::unbound::annotated_role;

use crate::http::clock::Clock;
use crate::index::{IdentityKey, Index, Object};

pub use changes::{Change, Changes};
pub use error::{Missing, ReadError};
use list::Listed;
pub use list::{Lister, NoProgress, Progress};
use pods::Sorter;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct ReadScope {
    /// The namespace; `None`: all.
    pub namespace: Option<String>,
    /// Whether service accounts without any role are read as well, with their workloads and pods.
    pub without_role: bool,
    /// Whether the operator requires grants (its `--require-grants`). `None`: yes if the status of
    /// a binding says so.
    pub grants: Option<bool>,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// The result of `judge` for each identity; identities without a result are left out.
    pub results: BTreeMap<IdentityKey, T>,
    /// Whether the custom resource `PodIdentityBinding` is installed.
    pub bindings_known: bool,
    /// The time of the judgement, by the API server's clock.
    pub now: Timestamp,
    /// The configuration of the judgement.
    pub config: Arc<Config>,
    /// Objects that cannot be decoded and are left out, as `Kind namespace/name: why`.
    pub undecodable: Vec<String>,
}

/// Reads a cluster and passes each identity to `judge`, in no particular order. If an identity
/// comes twice, the second result counts.
pub async fn read<T>(
    client: &Client,
    clock: &Clock,
    scope: &ReadScope,
    config: &Arc<Config>,
    progress: &dyn Progress,
    judge: &mut dyn FnMut(Snapshot) -> Option<T>,
) -> Result<Reading<T>, ReadError> {
    let lister = Lister { client, namespace: scope.namespace.as_deref(), progress };
    let base = Base::read(&lister, scope, &config.settings).await?;
    let require_grants = scope.grants.unwrap_or(base.grants_required);
    let config = &Arc::new(Config { require_grants, preflight: base.preflight, ..(**config).clone() });
    let now = clock.now();
    let mut results = BTreeMap::new();
    let mut show = |key: IdentityKey, pods: Vec<Arc<Pod>>| {
        // Some identities have only pods left: their service account and workloads are gone.
        let nothing = || Snapshot::empty(&key.namespace, &key.service_account, now, config);
        let snapshot = base.index.look(&key, config, now).unwrap_or_else(nothing);
        if let Some(result) = judge(Snapshot { pods, ..snapshot }) {
            results.insert(key, result);
        }
    };
    let mut sorter = Sorter::new(&base.identities, scope.without_role);
    let mut pages = lister.pages::<ObservedPod>("pods");
    let mut undecodable = base.undecodable;
    let before_pods = undecodable.len();
    while let Some(page) = pages.next().await? {
        undecodable.extend(page.undecodable);
        for pod in page.items {
            if !sorter.add(Pod::from(pod).slim(), &mut show) {
                // The pods are not sorted by namespace. Read them again and keep all pods to the
                // end.
                sorter = Sorter::for_unsorted(&base.identities, scope.without_role);
                pages = lister.pages::<ObservedPod>("pods");
                undecodable.truncate(before_pods);
                break;
            }
        }
    }
    sorter.finish(&mut show);
    Ok(Reading { results, bindings_known: base.bindings_known, now, config: Arc::clone(config), undecodable })
}

/// Names of service accounts by namespace.
type Identities = HashMap<String, HashSet<String>>;

/// Everything except pods.
struct Base {
    index: Index,
    identities: Identities,
    bindings_known: bool,
    grants_required: bool,
    /// The operator's default for bindings without `spec.preflight`, as far as statuses show it.
    preflight: PreflightPolicy,
    undecodable: Vec<String>,
}

impl Base {
    async fn read(lister: &Lister<'_>, scope: &ReadScope, settings: &Settings) -> Result<Self, ReadError> {
        let (bindings_known, rollouts_known) = futures::try_join!(
            lister.serves("podidentity.dev/v1alpha1", "podidentitybindings"),
            lister.serves("argoproj.io/v1alpha1", "rollouts"),
        )?;
        let (bindings, accounts, deployments, stateful_sets, daemon_sets, rollouts, namespaces) = futures::join!(
            lister.all_if::<ObservedBinding>(bindings_known, "podidentitybindings", Object::binding),
            lister.all::<ObservedAccount>("serviceaccounts", Object::account),
            lister.all::<Deployment>("deployments", Object::workload),
            lister.all::<StatefulSet>("statefulsets", Object::workload),
            lister.all::<DaemonSet>("daemonsets", Object::workload),
            lister.all_if::<Rollout>(rollouts_known, "rollouts", Object::workload),
            lister.namespaces(),
        );
        let objects = together([bindings, accounts, deployments, stateful_sets, daemon_sets, rollouts]);
        let objects = match objects {
            Err(ReadError::Forbidden(missing)) => {
                // Pods come later. A user who lacks several rights learns about all of them in one
                // go.
                let pods = lister.may_list::<ObservedPod>("pods").await.err();
                return Err(ReadError::Forbidden(missing.and(pods)));
            }
            objects => objects?,
        };
        let mut base = Self {
            index: Index::default(),
            identities: with_role(&objects.items, settings),
            bindings_known,
            grants_required: objects.items.iter().any(lacks_grant),
            preflight: preflight(&objects.items),
            undecodable: objects.undecodable,
        };
        for namespace in namespaces?.items {
            base.index.apply(Object::Namespace(Arc::new(namespace)));
        }
        for object in objects.items {
            if scope.without_role || base.is_asked_for(&object) {
                base.index.apply(object);
            }
        }
        if scope.without_role {
            for key in base.index.known() {
                base.identities.entry(key.namespace).or_default().insert(key.service_account);
            }
        }
        Ok(base)
    }

    /// Whether the object belongs to an identity with a role. Other objects are dropped.
    fn is_asked_for(&self, object: &Object) -> bool {
        object.service_account().is_none_or(|account| {
            self.identities.get(&object.id().namespace).is_some_and(|accounts| accounts.contains(account))
        })
    }
}

/// Combines all lists. If several rights are missing, the error names all of them in the order of
/// the lists.
fn together<const N: usize>(lists: [Result<Listed<Object>, ReadError>; N]) -> Result<Listed<Object>, ReadError> {
    let mut all = Listed::default();
    let mut missing: Option<Missing> = None;
    for list in lists {
        match list {
            Ok(list) => {
                all.items.extend(list.items);
                all.undecodable.extend(list.undecodable);
            }
            Err(ReadError::Forbidden(more)) => {
                missing = Some(match missing {
                    Some(missing) => missing.and(Some(ReadError::Forbidden(more))),
                    None => more,
                });
            }
            Err(error) => return Err(error),
        }
    }
    missing.map_or(Ok(all), |missing| Err(ReadError::Forbidden(missing)))
}

/// Whether the object is a binding that the operator refuses because a grant is missing.
fn lacks_grant(object: &Object) -> bool {
    let Object::Binding(binding) = object else { return false };
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    conditions.filter(|it| it.type_ == condition::READY).any(|it| Reason::RoleNotAllowed.is(&it.reason))
}

/// The operator's default for bindings without `spec.preflight`. If the operator asks AWS about
/// them, they have the condition `RoleAssumable`. If it requires a positive answer, any other
/// answer also shows in `Ready` and keeps the binding from being annotated.
fn preflight(objects: &[Object]) -> PreflightPolicy {
    let undeclared = objects.iter().filter_map(|object| match object {
        Object::Binding(binding) if binding.spec.preflight.is_none() => binding.status.as_ref(),
        _ => None,
    });
    let asked = undeclared.filter_map(|status| {
        let find = |type_| status.conditions.iter().find(|it| it.type_ == type_);
        let (asked, ready) = (find(condition::ROLE_ASSUMABLE)?, find(condition::READY)?);
        let held_back = asked.status != "True" && ready.status == "False" && ready.reason == asked.reason;
        Some(if held_back { PreflightPolicy::Require } else { PreflightPolicy::Report })
    });
    asked.fold(PreflightPolicy::Never, |all, one| if all == PreflightPolicy::Require { all } else { one })
}

/// The service accounts that a binding names, that have a role annotation, or that are meant to
/// have a role.
fn with_role(objects: &[Object], settings: &Settings) -> Identities {
    let mut found = Identities::new();
    for object in objects {
        let has_role = match object {
            Object::Binding(_) => true,
            Object::ServiceAccount(account) => {
                annotated_role(account, settings).is_some() || slip::means_role(account, settings)
            }
            Object::Workload(workload) => slip::template_means_role(&workload.template, settings),
            Object::Pod(_) | Object::Namespace(_) | Object::RoleObject(_) => false,
        };
        if let Some(account) = object.service_account().filter(|_| has_role) {
            found.entry(object.id().namespace).or_default().insert(account.to_owned());
        }
    }
    found
}
