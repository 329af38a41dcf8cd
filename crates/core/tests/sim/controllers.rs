//! The actions of workload controllers, one at a time.

use jiff::Timestamp;
use podidentity_core::objects::WorkloadKind;

use super::pod::Known;
use super::workload::{Strategy, Template, Workload};

/// The inputs of a controller's action.
pub(super) struct Moment<'a> {
    /// A unique number.
    pub(super) id: u64,
    pub(super) now: Timestamp,
    /// What the webhook knows about the service account.
    pub(super) known: &'a Known,
}

impl Workload {
    /// One action of the workload's controller; false if there is nothing to do.
    pub(super) fn progress(&mut self, at: &Moment<'_>) -> bool {
        if self.observed < self.generation {
            self.observed = self.generation;
            return true;
        }
        match self.kind {
            WorkloadKind::Deployment => self.deployment(at),
            WorkloadKind::Rollout => self.rollout(at),
            WorkloadKind::StatefulSet => self.stateful_set(at),
            WorkloadKind::DaemonSet => self.daemon_set(at),
        }
    }

    /// A pod that was created a step ago becomes ready, or does not.
    fn starts(&mut self) -> bool {
        if self.stuck {
            return false;
        }
        let down = &self.down;
        let Some(place) = self.pods.iter().position(|pod| pod.starting && !down.contains(&pod.number)) else {
            return false;
        };
        let ready = self.becomes_ready(&self.pods[place]);
        self.pods[place].starting = false;
        self.pods[place].run(ready);
        true
    }

    /// Creates a pod, or records why the API server refuses it. False if the reason was already
    /// known.
    fn creates(&mut self, template: &Template, number: usize, at: &Moment<'_>) -> bool {
        match self.create(template, number, at.id, at.now, at.known) {
            Ok(pod) => {
                self.pods.push(pod);
                self.failure = None;
                true
            }
            Err(failure) => self.failure.replace(failure.clone()) != Some(failure),
        }
    }

    /// The controller replaces an outdated pod, or brings the number of pods closer to the desired
    /// one. It stops while a new pod is not ready.
    fn deployment(&mut self, at: &Moment<'_>) -> bool {
        if !self.paused {
            self.current = self.template.clone();
        }
        let template = if self.paused { self.current.clone() } else { self.template.clone() };
        let replaceable = if self.paused { None } else { self.to_replace() };
        self.replica_set(&template, replaceable, &self.template.clone(), at)
    }

    /// All pods of the new template first, beside the old ones. Once they are ready, the template is
    /// promoted, and the old pods go after a while.
    fn blue_green(&mut self, at: &Moment<'_>) -> bool {
        if self.starts() {
            return self.came_forward(at);
        }
        let wanted = if self.paused { self.current.clone() } else { self.template.clone() };
        let is_new = |pod: &super::PodState| pod.is_live() && pod.template == wanted;
        let news = self.live().filter(|pod| is_new(pod)).count();
        if news < self.replicas {
            let before = self.pods.len();
            let noted = self.creates(&wanted, 0, at);
            return if self.pods.len() > before { self.came_forward(at) } else { noted };
        }
        let surplus = self.pods.iter().rposition(is_new).filter(|_| news > self.replicas);
        let gone_at = self.scales_down_at();
        let old = self.pods.iter().position(|pod| pod.is_live() && pod.template != wanted);
        let old = old.filter(|_| self.completed && gone_at.is_none_or(|gone| gone <= at.now));
        if let Some(place) = surplus.or(old) {
            self.pods.remove(place);
            return self.came_forward(at);
        }
        let is_up = self.live().filter(|pod| is_new(pod)).all(super::PodState::is_ready);
        if !is_up || self.completed || self.paused {
            return false;
        }
        (self.completed, self.failure) = (true, None);
        self.current = self.template.clone();
        (self.progressed_at, self.promoted_at) = (at.now, Some(at.now));
        true
    }

    /// One pod of the new template first; the others once the step is over.
    fn rollout(&mut self, at: &Moment<'_>) -> bool {
        if matches!(self.strategy, Strategy::BlueGreen(_)) {
            return self.blue_green(at);
        }
        let is_new = |pod: &super::PodState, it: &Self| pod.template == it.template;
        let canary = matches!(self.strategy, Strategy::Canary | Strategy::TimedCanary(_));
        let staged = canary && self.current != self.template && !self.promoted;
        if !staged || self.paused {
            let template = if self.paused { self.current.clone() } else { self.template.clone() };
            let replaceable = if self.paused { None } else { self.to_replace() };
            return self.replica_set(&template, replaceable, &self.template.clone(), at);
        }
        if self.waits_since.is_some() {
            self.promoted = self.pause_ends_at().is_some_and(|end| end <= at.now);
            if self.promoted {
                self.waits_since = None;
                self.progressed_at = at.now;
            }
            return self.promoted || self.starts();
        }
        let news = self.live().filter(|pod| is_new(pod, self)).count();
        if news == 0 && self.live().count() >= self.replicas && self.replicas > 0 {
            let replaceable = self.to_replace();
            return self.replica_set(&self.template.clone(), replaceable, &self.template.clone(), at);
        }
        if news > 0 && self.live().all(|pod| !is_new(pod, self) || pod.is_ready()) {
            self.waits_since = Some(at.now);
            return true;
        }
        self.replica_set(&self.current.clone(), None, &self.template.clone(), at)
    }

    /// What a Deployment and a Rollout have in common: pods are created from `template`, and the
    /// rollout is complete once all pods match `wanted` and are ready.
    fn replica_set(
        &mut self,
        template: &Template,
        replaceable: Option<usize>,
        wanted: &Template,
        at: &Moment<'_>,
    ) -> bool {
        if self.starts() {
            return self.came_forward(at);
        }
        let live = self.live().count();
        if live > self.replicas {
            let outdated = self.pods.iter().position(|pod| pod.is_live() && pod.template != *wanted);
            let place = outdated.or_else(|| self.pods.iter().rposition(super::PodState::is_live));
            self.pods.remove(place.unwrap_or_default());
            return self.came_forward(at);
        }
        if let Some(place) = replaceable {
            if self.strategy == Strategy::Recreate {
                self.pods.retain(|pod| !pod.is_live() || pod.template == *wanted);
                return self.came_forward(at);
            }
            // The new pod comes first; if the API server refuses it, the old one stays.
            let before = self.pods.len();
            let noted = self.creates(template, 0, at);
            if self.pods.len() == before {
                return noted;
            }
            self.pods.remove(place);
            return self.came_forward(at);
        }
        if live < self.replicas {
            let before = self.pods.len();
            let noted = self.creates(template, 0, at);
            return if self.pods.len() > before { self.came_forward(at) } else { noted };
        }
        self.completes(wanted, at)
    }

    fn completes(&mut self, wanted: &Template, at: &Moment<'_>) -> bool {
        let complete = self.live().all(|pod| pod.template == *wanted && pod.is_ready());
        if !complete || self.completed || self.paused {
            return false;
        }
        self.completed = true;
        self.failure = None;
        self.current = self.template.clone();
        self.progressed_at = at.now;
        true
    }

    fn came_forward(&mut self, at: &Moment<'_>) -> bool {
        if !self.completed {
            self.progressed_at = at.now;
        }
        true
    }

    fn to_replace(&self) -> Option<usize> {
        let outdated = |pod: &super::PodState| pod.is_live() && pod.template != self.template;
        let crashing = self.pods.iter().position(|pod| outdated(pod) && !pod.is_ready());
        let stuck = self.live().any(|pod| pod.template == self.template && !pod.is_ready());
        crashing.or_else(|| if stuck { None } else { self.pods.iter().position(outdated) })
    }

    /// From the last pod to the first, and none while another pod is not ready (unless `parallel`).
    fn stateful_set(&mut self, at: &Moment<'_>) -> bool {
        if let Some(place) = self.pods.iter().position(super::PodState::is_finished) {
            self.pods.remove(place);
            return true;
        }
        if self.starts() {
            return true;
        }
        for number in 0..self.replicas {
            match self.pods.iter().find(|pod| pod.number == number) {
                None => {
                    let old = matches!(self.strategy, Strategy::Partition(partition) if number < partition);
                    let template = if old { self.current.clone() } else { self.template.clone() };
                    return self.creates(&template, number, at);
                }
                Some(pod) if !pod.is_ready() && !self.parallel => return false,
                Some(_) => {}
            }
        }
        if let Some(place) = self.pods.iter().position(|pod| pod.number >= self.replicas && pod.is_live()) {
            self.pods.remove(place);
            return true;
        }
        self.update_in_order()
    }

    fn update_in_order(&mut self) -> bool {
        let first = match self.strategy {
            Strategy::OnDelete => return false,
            Strategy::Partition(partition) => partition,
            _ => 0,
        };
        for number in (first..self.replicas).rev() {
            let place = self.pods.iter().position(|pod| pod.number == number);
            let Some(place) = place.filter(|place| self.pods[*place].is_live()) else { return false };
            if self.pods[place].template != self.template {
                self.pods.remove(place);
                return true;
            }
            if !self.pods[place].is_ready() {
                return false;
            }
        }
        let completed = first == 0 && self.current != self.template && self.is_completed();
        if completed {
            self.current = self.template.clone();
        }
        completed
    }

    /// Node by node, while no other pod is missing. Pods that are not ready do not wait for their
    /// turn.
    fn daemon_set(&mut self, at: &Moment<'_>) -> bool {
        if let Some(place) = self.pods.iter().position(|pod| pod.is_finished() || pod.number >= self.replicas) {
            self.pods.remove(place);
            return true;
        }
        if self.starts() {
            return true;
        }
        if let Some(node) = (0..self.replicas).find(|node| self.pods.iter().all(|pod| pod.number != *node)) {
            return self.creates(&self.template.clone(), node, at);
        }
        if self.strategy == Strategy::OnDelete {
            return false;
        }
        let outdated = |pod: &super::PodState| pod.is_live() && pod.template != self.template;
        let unavailable = self.pods.iter().filter(|pod| !pod.is_ready()).count();
        let failing = self.pods.iter().position(|pod| outdated(pod) && !pod.is_ready());
        let place = failing.or_else(|| self.pods.iter().position(outdated).filter(|_| unavailable == 0));
        let Some(place) = place else { return false };
        if self.down.contains(&self.pods[place].number) {
            self.pods[place].terminate(at.now);
        } else {
            self.pods.remove(place);
        }
        true
    }
}
