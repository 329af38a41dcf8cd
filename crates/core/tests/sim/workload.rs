//! A workload of one of the four kinds, and the users' changes to it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_core::objects::{self, WorkloadKind};
use serde::Deserialize;

use super::pod::PodState;

/// The deployment controller's default.
const PROGRESS_DEADLINE: i32 = 600;

/// The last decoded workload, with the key that tells whether it is still current.
pub(super) type Seen = ((u64, bool), Arc<objects::Workload>);

/// The source of pods: pods with equal templates belong to one ReplicaSet or one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The operator's annotation.
    pub mark: Option<String>,
    /// The users' changes.
    pub revision: u32,
    /// Whether the template sets the role itself, to an unwanted value.
    pub preset: bool,
    /// Whether it names another service account.
    pub elsewhere: bool,
    /// Whether the template mounts something at the path of the injected token.
    pub mounts: bool,
}

/// How a changed template reaches the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Pod by pod.
    #[default]
    Rolling,
    /// All old pods go before the first new one is created (Deployment).
    Recreate,
    /// Pod by pod, but never those below this number (StatefulSet).
    Partition(usize),
    /// When a user deletes the pods (StatefulSet, DaemonSet).
    OnDelete,
    /// One pod first; then it waits until a user promotes it (Rollout).
    Canary,
    /// One pod first; then it waits this many seconds (Rollout).
    TimedCanary(i64),
    /// All new pods first, beside the old ones, which go this many seconds after the promotion (Rollout).
    BlueGreen(i64),
}

/// The truth about the operator's last restart, whatever the status records.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// Whether the workload was at rest with all pods ready at that moment. If it has not come up
    /// since the previous restart, the moment of that restart counts.
    pub healthy: bool,
    /// Whether another manager has changed the template since.
    pub edited: bool,
}

#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // switches of a simulation
pub struct Workload {
    pub kind: WorkloadKind,
    pub name: String,
    pub(super) uid: String,
    pub(super) version: u64,
    pub generation: i64,
    /// The generation that the controller has observed.
    pub(super) observed: i64,
    /// Whether the controller sees a change only at its next step.
    pub sees_late: bool,
    pub template: Template,
    /// The template of new pods that the current template does not reach: the previous revision
    /// (StatefulSet), the stable one (Rollout), the one that ran before a pause (Deployment).
    pub(super) current: Template,
    /// The previous templates, latest last.
    pub(super) history: Vec<Template>,
    pub marked_at: Option<Timestamp>,
    /// When a user last changed the template.
    pub(super) edited_at: Option<Timestamp>,
    /// The desired number of pods; the number of nodes for a DaemonSet.
    pub replicas: usize,
    pub strategy: Strategy,
    /// Whether the controller does not wait for one pod after the other (StatefulSet).
    pub parallel: bool,
    /// Nodes that are down (DaemonSet).
    pub down: BTreeSet<usize>,
    pub paused: bool,
    /// Since when the Rollout waits at its step.
    pub(super) waits_since: Option<Timestamp>,
    /// When the Rollout's current template was promoted, if old pods stay for a while after that.
    pub(super) promoted_at: Option<Timestamp>,
    /// Whether the Rollout's step was promoted or is over.
    pub(super) promoted: bool,
    /// New pods never become ready.
    pub broken: bool,
    /// New pods with this role never become ready.
    pub broken_as: Option<String>,
    /// Pods without a role crash.
    pub needs_role: bool,
    /// New pods become ready one step after their creation.
    pub slow: bool,
    /// New pods never start: there is no node for them, or no image.
    pub stuck: bool,
    /// The API server refuses to create pods: a quota.
    pub quota: bool,
    /// Whether the binding's selector excludes it.
    pub left_out: bool,
    /// Seconds without progress after which the controller gives up, if the workload declares them.
    pub progress_deadline: Option<i32>,
    /// Whether the rollout of the current template is complete.
    pub(super) completed: bool,
    /// When the rollout of the current template last made progress, or was resumed.
    pub(super) progressed_at: Timestamp,
    /// Why the last pod could not be created.
    pub(super) failure: Option<String>,
    pub restart: Option<Restart>,
    /// Whether it was healthy when the operator last recorded an upcoming restart.
    pub(super) recorded_healthy: bool,
    pub pods: Vec<PodState>,
    /// The decoded workload, with the key that it depends on.
    pub(super) seen: RefCell<Option<Seen>>,
}

impl Workload {
    pub(super) fn new(kind: WorkloadKind, name: &str, version: u64, now: Timestamp) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            uid: format!("workload-{version}"),
            version,
            generation: 1,
            observed: 1,
            sees_late: false,
            template: Template::default(),
            current: Template::default(),
            history: Vec::new(),
            marked_at: None,
            edited_at: None,
            replicas: 0,
            strategy: Strategy::default(),
            parallel: false,
            down: BTreeSet::new(),
            paused: false,
            waits_since: None,
            promoted_at: None,
            promoted: false,
            broken: false,
            broken_as: None,
            needs_role: false,
            slow: false,
            stuck: false,
            quota: false,
            left_out: false,
            progress_deadline: None,
            completed: false,
            progressed_at: now,
            failure: None,
            restart: None,
            recorded_healthy: false,
            pods: Vec::new(),
            seen: RefCell::new(None),
        }
    }

    pub(super) fn scaled(&mut self) {
        self.generation += 1;
        if !self.sees_late {
            self.observed = self.generation;
        }
    }

    /// Its template changed, or it was paused or resumed.
    pub(super) fn spec_changed(&mut self, now: Timestamp) {
        self.scaled();
        self.progressed_at = now;
    }

    pub(super) fn template_changed(&mut self, before: Template, now: Timestamp) {
        self.history.push(before);
        self.completed = false;
        (self.waits_since, self.promoted, self.promoted_at) = (None, false, None);
        self.spec_changed(now);
    }

    /// `kubectl rollout undo`: the previous revision's template, with its annotations.
    pub(super) fn undo(&mut self) {
        let Some(before) = self.history.pop() else { return };
        if before.mark != self.template.mark {
            self.disown();
        }
        self.template = before;
    }

    /// The operator no longer owns anything in the template.
    pub(super) fn disown(&mut self) {
        self.marked_at = None;
    }

    /// A node is drained: one pod goes, and the controller creates another one.
    pub(super) fn lose_pod(&mut self) {
        if let Some(place) = self.pods.iter().position(|pod| pod.is_live() && !self.down.contains(&pod.number)) {
            self.pods.remove(place);
        }
    }

    /// A node goes down or comes back. Its pod is then not ready; a pod that is being deleted stays
    /// until the node is back.
    pub fn node(&mut self, node: usize, down: bool) {
        if down {
            self.down.insert(node);
        } else if !self.down.remove(&node) {
            return;
        }
        self.pods.retain(|pod| pod.number != node || down || pod.is_live());
        for pod in self.pods.iter_mut().filter(|pod| pod.number == node) {
            pod.set_ready(false);
            pod.starting = !down;
        }
    }

    /// Whether the rollout of the current template is complete, as far as its strategy reaches.
    pub fn is_completed(&self) -> bool {
        match self.kind {
            WorkloadKind::Deployment | WorkloadKind::Rollout => self.completed,
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => self.is_updated() && self.is_all_ready(),
        }
    }

    /// Whether enough pods have the current template, as far as its strategy reaches.
    pub fn is_updated(&self) -> bool {
        let reached = |number: usize| match self.strategy {
            Strategy::Partition(partition) => number >= partition,
            Strategy::OnDelete => false,
            _ => true,
        };
        let outdated = |pod: &PodState| reached(pod.number) && pod.template != self.template;
        self.observed == self.generation && self.live().count() == self.replicas && !self.live().any(outdated)
    }

    /// Whether the rollout of the current template has completed once, whatever has happened to the
    /// pods since.
    pub fn has_come_up(&self) -> bool {
        let unready = self.replicas.saturating_sub(self.live().filter(|pod| pod.is_ready()).count());
        match self.kind {
            WorkloadKind::Deployment => self.completed,
            WorkloadKind::Rollout => self.completed || self.current == self.template,
            WorkloadKind::StatefulSet => self.current == self.template || self.is_completed(),
            // One node may be down.
            WorkloadKind::DaemonSet => unready <= 1,
        }
    }

    /// Whether it is at rest and all its pods are ready; a DaemonSet may lack one.
    pub fn is_healthy(&self) -> bool {
        // Old pods that are on their way out do not matter.
        let all_ready = self.live().filter(|pod| !self.is_leaving(pod)).all(PodState::is_ready);
        match self.kind {
            WorkloadKind::DaemonSet => all_ready && self.live().count() + 1 >= self.replicas,
            _ => all_ready && self.is_completed(),
        }
    }

    /// The truth about a restart that happens now.
    pub(super) fn restarted(&self) -> Restart {
        let through = self.is_completed() || self.kind != WorkloadKind::DaemonSet && self.has_come_up();
        let before = self.restart.is_some_and(|before| before.healthy && !before.edited && !through);
        Restart { healthy: before || self.is_healthy(), edited: false }
    }

    /// Whether it waits until a user promotes it.
    pub fn waits_for_a_person(&self) -> bool {
        self.waits_since.is_some() && self.strategy == Strategy::Canary
    }

    pub fn is_all_ready(&self) -> bool {
        self.live().filter(|pod| pod.is_ready()).count() >= self.replicas
    }

    /// Pods that are neither terminating nor finished.
    pub fn live(&self) -> impl Iterator<Item = &PodState> {
        self.pods.iter().filter(|pod| pod.is_live())
    }

    /// How long the controller waits for progress before it gives up.
    pub(super) fn patience(&self) -> SignedDuration {
        SignedDuration::from_secs(self.progress_deadline.unwrap_or(PROGRESS_DEADLINE).into())
    }

    /// When the controller gives up on the current rollout.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let gives_up = matches!(self.kind, WorkloadKind::Deployment | WorkloadKind::Rollout);
        let moves = !self.completed && !self.paused && self.waits_since.is_none();
        (gives_up && moves).then(|| self.progressed_at + self.patience())
    }

    /// Whether the pod goes by itself because a later template was promoted.
    pub fn is_leaving(&self, pod: &PodState) -> bool {
        self.promoted_at.is_some() && pod.template != self.template
    }

    /// When the old pods go after a promotion.
    pub(super) fn scales_down_at(&self) -> Option<Timestamp> {
        let Strategy::BlueGreen(delay) = self.strategy else { return None };
        Some(self.promoted_at? + SignedDuration::from_secs(delay))
    }

    /// When the step at which it waits ends by itself.
    pub(super) fn pause_ends_at(&self) -> Option<Timestamp> {
        let Strategy::TimedCanary(seconds) = self.strategy else { return None };
        Some(self.waits_since? + SignedDuration::from_secs(seconds))
    }
}
