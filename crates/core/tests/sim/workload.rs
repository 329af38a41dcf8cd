//! A workload of one of the four kinds, and what users do to it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_core::objects::{self, WorkloadKind};

use super::pod::PodState;

/// The deployment controller's default.
const PROGRESS_DEADLINE: i32 = 600;

/// What a pod is made from: pods of an equal template are of one ReplicaSet, or of one revision.
/// A workload as it was decoded last, with what tells whether it is still the same.
pub(super) type Seen = ((u64, bool), Arc<objects::Workload>);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The operator's annotation.
    pub mark: Option<String>,
    /// What users change.
    pub revision: u32,
    /// Whether the template sets the role itself, to a value that nobody wants.
    pub preset: bool,
    /// Whether it names another service account.
    pub elsewhere: bool,
    /// Whether it mounts something where the token is mounted by injection.
    pub mounts: bool,
}

/// How a changed template reaches the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Pod by pod.
    #[default]
    Rolling,
    /// All old pods go before the first new one comes (Deployment).
    Recreate,
    /// Pod by pod, those below this number never (StatefulSet).
    Partition(usize),
    /// When somebody deletes the pods (StatefulSet, DaemonSet).
    OnDelete,
    /// One pod first; then it waits until somebody promotes it (Rollout).
    Canary,
    /// One pod first; then it waits for so many seconds (Rollout).
    TimedCanary(i64),
}

/// What is true of the operator's last restart, whatever is recorded of it.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// Whether the workload was at rest with all pods ready at that moment; or, where it has not come up since the restart
    /// before, at the moment of that one.
    pub healthy: bool,
    /// Whether somebody else has changed the template since.
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
    /// The generation that its controller has seen.
    pub(super) observed: i64,
    /// Whether its controller sees a change only at its next step.
    pub sees_late: bool,
    pub template: Template,
    /// What pods are made from that the present template does not reach: the revision before (StatefulSet), the stable one
    /// (Rollout), the one that ran before a pause (Deployment).
    pub(super) current: Template,
    /// The templates before, the last one last.
    pub(super) history: Vec<Template>,
    pub marked_at: Option<Timestamp>,
    /// When a user last changed the template.
    pub(super) edited_at: Option<Timestamp>,
    /// Pods that should be; nodes of a DaemonSet.
    pub replicas: usize,
    pub strategy: Strategy,
    /// Whether pods are not waited for one after the other (StatefulSet).
    pub parallel: bool,
    /// Nodes that are down (DaemonSet).
    pub down: BTreeSet<usize>,
    pub paused: bool,
    /// Since when it waits at its step (Rollout).
    pub(super) waits_since: Option<Timestamp>,
    /// Whether its step was promoted, or is over (Rollout).
    pub(super) promoted: bool,
    /// New pods never become ready.
    pub broken: bool,
    /// New pods with this role never become ready.
    pub broken_as: Option<String>,
    /// Pods without a role crash.
    pub needs_role: bool,
    /// New pods become ready a step after they were created.
    pub slow: bool,
    /// The API server refuses to create pods: a quota.
    pub quota: bool,
    /// Whether the binding's selector leaves it out.
    pub left_out: bool,
    /// Seconds without progress after which its controller gives up, where it declares that.
    pub progress_deadline: Option<i32>,
    /// Whether the rollout of the present template is complete.
    pub(super) completed: bool,
    /// When the rollout of the present template last came forward, or was resumed.
    pub(super) progressed_at: Timestamp,
    /// Why the last pod could not be created.
    pub(super) failure: Option<String>,
    pub restart: Option<Restart>,
    /// Whether it was well when the operator last recorded that it is about to restart it.
    pub(super) recorded_healthy: bool,
    pub pods: Vec<PodState>,
    /// As it is seen, by what that depends on.
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
            promoted: false,
            broken: false,
            broken_as: None,
            needs_role: false,
            slow: false,
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

    /// Its template is another one, or it is paused or resumed.
    pub(super) fn spec_changed(&mut self, now: Timestamp) {
        self.scaled();
        self.progressed_at = now;
    }

    pub(super) fn template_changed(&mut self, before: Template, now: Timestamp) {
        self.history.push(before);
        self.completed = false;
        (self.waits_since, self.promoted) = (None, false);
        self.spec_changed(now);
    }

    /// `kubectl rollout undo`: the template of the revision before, with its annotations.
    pub(super) fn undo(&mut self) {
        let Some(before) = self.history.pop() else { return };
        if before.mark != self.template.mark {
            self.disown();
        }
        self.template = before;
    }

    /// The operator owns nothing of the template any more.
    pub(super) fn disown(&mut self) {
        self.marked_at = None;
    }

    /// A node is drained: one pod goes, and its controller makes another one.
    pub(super) fn lose_pod(&mut self) {
        if let Some(place) = self.pods.iter().position(|pod| pod.is_live() && !self.down.contains(&pod.number)) {
            self.pods.remove(place);
        }
    }

    /// A node goes down or comes back. Its pod is not ready then; one that is being deleted stays until the node is back.
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

    /// Whether the rollout of the present template is complete, as far as its strategy reaches.
    pub fn is_completed(&self) -> bool {
        match self.kind {
            WorkloadKind::Deployment | WorkloadKind::Rollout => self.completed,
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => self.is_updated() && self.is_all_ready(),
        }
    }

    /// Whether as many pods as there should be are of the present template, as far as its strategy reaches.
    pub fn is_updated(&self) -> bool {
        let reached = |number: usize| match self.strategy {
            Strategy::Partition(partition) => number >= partition,
            Strategy::OnDelete => false,
            _ => true,
        };
        let outdated = |pod: &PodState| reached(pod.number) && pod.template != self.template;
        self.observed == self.generation && self.live().count() == self.replicas && !self.live().any(outdated)
    }

    /// Whether the rollout of the present template has come to its end once, whatever has become of the pods since.
    pub fn has_come_up(&self) -> bool {
        let unready = self.replicas.saturating_sub(self.live().filter(|pod| pod.is_ready()).count());
        match self.kind {
            WorkloadKind::Deployment => self.completed,
            WorkloadKind::Rollout => self.completed || self.current == self.template,
            WorkloadKind::StatefulSet => self.current == self.template || self.is_completed(),
            // One node that is down is borne.
            WorkloadKind::DaemonSet => unready <= 1,
        }
    }

    /// Whether it is at rest and all of its pods are ready; a DaemonSet may lack one.
    pub fn is_healthy(&self) -> bool {
        let all_ready = self.live().all(PodState::is_ready);
        match self.kind {
            WorkloadKind::DaemonSet => all_ready && self.live().count() + 1 >= self.replicas,
            _ => all_ready && self.is_completed(),
        }
    }

    /// What is true of a restart that is made now.
    pub(super) fn restarted(&self) -> Restart {
        let through = self.is_completed() || self.kind != WorkloadKind::DaemonSet && self.has_come_up();
        let before = self.restart.is_some_and(|before| before.healthy && !before.edited && !through);
        Restart { healthy: before || self.is_healthy(), edited: false }
    }

    /// Whether it waits until somebody promotes it.
    pub fn waits_for_a_person(&self) -> bool {
        self.waits_since.is_some() && self.strategy == Strategy::Canary
    }

    pub fn is_all_ready(&self) -> bool {
        self.live().filter(|pod| pod.is_ready()).count() >= self.replicas
    }

    /// Pods that are neither on their way out nor finished.
    pub fn live(&self) -> impl Iterator<Item = &PodState> {
        self.pods.iter().filter(|pod| pod.is_live())
    }

    /// How long its controller waits for progress before it gives up.
    pub(super) fn patience(&self) -> SignedDuration {
        SignedDuration::from_secs(self.progress_deadline.unwrap_or(PROGRESS_DEADLINE).into())
    }

    /// When its controller gives up on the rollout that is under way.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let gives_up = matches!(self.kind, WorkloadKind::Deployment | WorkloadKind::Rollout);
        let moves = !self.completed && !self.paused && self.waits_since.is_none();
        (gives_up && moves).then(|| self.progressed_at + self.patience())
    }

    /// When the step that it waits at is over by itself.
    pub(super) fn pause_ends_at(&self) -> Option<Timestamp> {
        let Strategy::TimedCanary(seconds) = self.strategy else { return None };
        Some(self.waits_since? + SignedDuration::from_secs(seconds))
    }
}
