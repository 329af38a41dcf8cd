//! Everything that the operator will do for an identity, not only its next step, so that it can be
//! shown in advance.
//!
//! ```text
//! Snapshot ──► what is annotated ──► the snapshot after that ──► verdict of each workload ──► who restarts, in which turn
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use podidentity_api::{Reason, names};
use serde_json::json;

use crate::account::{self, AccountState};
use crate::assess::{Assessment, Case};
use crate::objects::{ServiceAccount, WorkloadId};
use crate::outcome::Outcome;
use crate::rollout::{Phase, Wait, WorkloadVerdict};
use crate::schedule::most_at_once;
use crate::snapshot::Snapshot;
use crate::status::{Progress, summary};
use crate::windows::Opening;

/// What the operator will do about an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// What changes on the service account, by key.
    pub annotations: Vec<AnnotationChange>,
    /// Why the operator writes nothing at all, with the reason of the `Ready` condition.
    pub blocked: Option<(Reason, String)>,
    /// Every workload, in the order in which the operator looks at them.
    pub workloads: Vec<WorkloadForecast>,
    /// Whether pods are to get credentials from an association of EKS Pod Identity. If so, the
    /// operator gives up the annotations last, once all pods have these credentials.
    pub waits_for_association: bool,
    /// Minimum time between two restarts, as the binding declares it.
    pub interval: Option<String>,
    /// How many live pods belong to no workload that the operator restarts.
    pub unmanaged_pods: usize,
}

/// A change of one annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationChange {
    /// Key.
    pub key: String,
    /// The value before the change.
    pub from: Option<String>,
    /// The value after the change; `None` if the annotation is removed.
    pub to: Option<String>,
}

/// The forecast for one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadForecast {
    /// Kind and name.
    pub workload: WorkloadId,
    /// Live pods.
    pub pods: usize,
    /// Live pods that lack the identity.
    pub lacking: usize,
    /// What happens to the workload.
    pub fate: Fate,
    /// Why the API server would refuse its next pods, once the service account is annotated.
    pub refused: Option<String>,
}

/// What happens to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The operator restarts it.
    Restart {
        /// The turn, from 1. The operator restarts the workloads of one turn together.
        turn: usize,
        /// Whether it is the canary, which restarts first and alone to prove that the identity
        /// arrives.
        canary: bool,
        /// What has to happen before the restart, if anything.
        after: Option<After>,
    },
    /// Its restart is already in progress.
    Restarting,
    /// Its pods lack the identity, but the operator does not restart it; the text says why.
    LeftAlone(String),
    /// It needs no restart; the text says why.
    Untouched(&'static str),
}

/// What has to happen before a workload is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// A person resumes the binding.
    Resumed,
    /// A person releases the restarts.
    Released,
    /// The workload's own rollout finishes.
    OwnRollout,
    /// A restart window opens.
    Window(Opening),
}

impl fmt::Display for After {
    /// For example `when it is released`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resumed => write!(f, "when the binding is resumed"),
            Self::Released => write!(f, "when it is released"),
            Self::OwnRollout => write!(f, "when its own rollout has finished"),
            Self::Window(opening) => write!(f, "when the next restart window opens, on {opening}"),
        }
    }
}

impl Forecast {
    /// The forecast for the binding that owns the service account; empty if there is none.
    pub fn of(snapshot: &Snapshot) -> Self {
        let before = Assessment::of(snapshot);
        let Some(case) = &before.owner else { return Self::default() };
        let mut forecast = Self {
            blocked: blocked(snapshot, case),
            waits_for_association: case.expected.identity.is_of_association(),
            interval: case.pace.interval.and(case.binding.spec.rollout.interval.clone()),
            unmanaged_pods: case.unmanaged.values().map(Vec::len).sum(),
            ..Self::default()
        };
        // A person may lift the block, so the forecast covers the workloads in any case.
        if forecast.blocked.is_none() {
            forecast.annotations = changes(snapshot, case);
        }
        let after = annotated(snapshot, case);
        if let Some(case) = Assessment::of(&after).owner {
            forecast.workloads = workloads(&case);
        }
        forecast
    }

    /// The workloads that the operator will restart.
    pub fn restarts(&self) -> impl Iterator<Item = &WorkloadForecast> {
        self.workloads.iter().filter(|workload| matches!(workload.fate, Fate::Restart { .. }))
    }

    /// The workloads that the operator will restart without any action by a person.
    pub fn restarts_unasked(&self) -> impl Iterator<Item = &WorkloadForecast> {
        let blocked = self.blocked.is_some();
        self.restarts().filter(move |workload| {
            let asked = |after: &Option<After>| matches!(after, Some(After::Resumed | After::Released));
            !blocked && matches!(&workload.fate, Fate::Restart { after, .. } if !asked(after))
        })
    }

    /// Whether the operator writes nothing unless a person acts first.
    pub fn is_quiet(&self) -> bool {
        self.annotations.is_empty() && self.restarts_unasked().next().is_none()
    }
}

/// The snapshot as it is once the service account is annotated.
fn annotated(snapshot: &Snapshot, case: &Case) -> Snapshot {
    let settings = &snapshot.config.settings;
    if case.account.state == AccountState::InForce {
        return snapshot.clone();
    }
    let account = snapshot.service_account.as_deref().cloned().unwrap_or_else(|| {
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(snapshot.service_account_name.clone());
        account
    });
    let account = written(account, case.expected.identity.annotations(settings), snapshot.now);
    Snapshot { service_account: Some(Arc::new(account)), ..snapshot.clone() }
}

/// The service account with annotations that the operator alone owns.
fn written(mut account: ServiceAccount, annotations: BTreeMap<String, String>, now: Timestamp) -> ServiceAccount {
    account.metadata.managed_fields = None;
    owned_by(&mut account, names::FIELD_MANAGER, annotations.keys().cloned(), now);
    account.annotations.extend(annotations);
    account
}

/// Records the field manager as an owner of annotations of a service account.
pub fn owned_by(account: &mut ServiceAccount, manager: &str, keys: impl Iterator<Item = String>, now: Timestamp) {
    let fields: serde_json::Map<_, _> = keys.map(|key| (format!("f:{key}"), json!({}))).collect();
    if fields.is_empty() {
        return;
    }
    account.metadata.managed_fields.get_or_insert_default().push(ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Apply".to_owned()),
        fields_v1: Some(FieldsV1(json!({"f:metadata": {"f:annotations": fields}}))),
        time: Some(Time(now)),
        ..ManagedFieldsEntry::default()
    });
}

fn changes(snapshot: &Snapshot, case: &Case) -> Vec<AnnotationChange> {
    let is_written = matches!(case.account.state, AccountState::Outdated { .. }) || case.account.has_leftovers;
    if !is_written {
        return Vec::new();
    }
    let settings = &snapshot.config.settings;
    let Some(account) = &snapshot.service_account else { return Vec::new() };
    let seen = |key: &str| account.annotations.get(key).cloned();
    let desired = case.expected.identity.annotations(settings);
    let given_up = account::owned_keys(account, settings).filter(|(key, _)| !desired.contains_key(key));
    let given_up = given_up.map(|(key, _)| AnnotationChange { from: seen(&key), to: None, key }).collect::<Vec<_>>();
    let written = desired.into_iter().map(|(key, to)| AnnotationChange { from: seen(&key), to: Some(to), key });
    written.chain(given_up).filter(|change| change.from != change.to).collect()
}

/// Why the operator writes nothing: a person has to act first, or the service account cannot be
/// written in its present state.
fn blocked(snapshot: &Snapshot, case: &Case) -> Option<(Reason, String)> {
    let summary = summary(snapshot, case, &Outcome::default());
    let cannot = snapshot.namespace_terminating()
        || matches!(
            case.account.state,
            AccountState::Missing
                | AccountState::Terminating
                | AccountState::Conflict(_)
                | AccountState::Contested { .. }
                | AccountState::Rewritten { .. }
                | AccountState::Ahead
        )
        || case.preflight.forbids()
        || case.broken_by_annotating().is_some();
    let forbidden = !case.may_write();
    let stops = summary.progress != Progress::Done && (cannot || forbidden);
    stops.then(|| (summary.reason, summary.message.to_string()))
}

fn workloads(case: &Case) -> Vec<WorkloadForecast> {
    let mut forecasts: Vec<_> = case
        .workloads
        .iter()
        .map(|verdict| WorkloadForecast {
            workload: verdict.workload.id(),
            pods: verdict.pods.len(),
            lacking: verdict.pods.iter().filter(|judged| !judged.verdict.is_verified()).count(),
            fate: fate(case, verdict),
            refused: verdict.refusal.as_ref().map(ToString::to_string),
        })
        .collect();
    give_turns(case, &mut forecasts);
    forecasts
}

/// Gives each restart its turn: healthy workloads first, and the canary alone.
fn give_turns(case: &Case, forecasts: &mut [WorkloadForecast]) {
    let proven = case.workloads.iter().any(WorkloadVerdict::proves_injection);
    let at_once = most_at_once(&case.binding.spec.rollout);
    let mut order: Vec<usize> = (0..forecasts.len()).collect();
    order.sort_by_key(|index| (!case.workloads[*index].is_healthy(), *index));
    let mut restarts = 0;
    for index in order {
        if let Fate::Restart { turn, canary, .. } = &mut forecasts[index].fate {
            (*canary, *turn) = match (proven, restarts) {
                (false, 0) => (true, 1),
                (false, n) => (false, 2 + (n - 1) / at_once),
                (true, n) => (false, 1 + n / at_once),
            };
            restarts += 1;
        }
    }
}

fn fate(case: &Case, verdict: &WorkloadVerdict) -> Fate {
    let restart = |after: Option<After>| {
        let window = || case.pace.gate.opening().filter(|_| !verdict.undoes).cloned().map(After::Window);
        Fate::Restart { turn: 1, canary: false, after: after.or_else(window) }
    };
    let why = || verdict.message().map(ToString::to_string).unwrap_or_default();
    match &verdict.phase {
        Phase::Due { .. } => restart(None),
        Phase::Waiting { on, .. } => match on {
            Wait::Account | Wait::Settling | Wait::Retry => restart(None),
            Wait::Suspended => restart(Some(After::Resumed)),
            Wait::Release => restart(Some(After::Released)),
            Wait::OwnRollout => restart(Some(After::OwnRollout)),
            Wait::Policy | Wait::HeldBack | Wait::Reverted => Fate::LeftAlone(why()),
            Wait::Leaving => Fate::Untouched("has the role already; pods of an earlier template go by themselves"),
        },
        Phase::Rolling { .. } => Fate::Restarting,
        Phase::NotHelped { .. }
        | Phase::Lapsed { .. }
        | Phase::Paused { .. }
        | Phase::Refused { .. }
        | Phase::Failed { .. } => Fate::LeftAlone(why()),
        Phase::ScaledToZero => Fate::Untouched("is scaled to zero; new pods get the role"),
        Phase::Excluded => Fate::Untouched("is left out by rollout.workloadSelector"),
        Phase::Current { .. } if verdict.pods.is_empty() => Fate::Untouched("has no pods; new ones get the role"),
        Phase::Current { .. } => Fate::Untouched("has the role already"),
    }
}
