//! Pods that belong to no workload that is restarted.

use super::Cluster;
use super::pod::{Owner, PodState};
use super::workload::Template;

/// Who has made a pod of no workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayKind {
    /// Nobody.
    Bare,
    /// A Job.
    Job,
    /// A Deployment that owns the pod itself, of the name of another one.
    Direct,
}

/// A pod of no workload.
#[derive(Clone, Debug)]
pub struct Stray {
    pub kind: StrayKind,
    pub pod: PodState,
}

impl Cluster {
    /// Somebody runs a pod; nothing happens if the API server does not take it.
    pub fn stray(&mut self, kind: StrayKind) {
        let (id, known) = (self.count(), self.known());
        let owner = match kind {
            StrayKind::Bare => None,
            StrayKind::Job => Some(Owner { kind: "Job", name: "nightly".to_owned(), label: None }),
            StrayKind::Direct => Some(Owner { kind: "Deployment", name: "web".to_owned(), label: None }),
        };
        if let Ok(mut pod) = PodState::admitted(format!("stray-{id}"), owner, &Template::default(), &known, self.now) {
            pod.set_ready(true);
            self.strays.push(Stray { kind, pod });
        }
    }

    /// The oldest of them ends: a Job's pod stays, and is finished; others are gone.
    pub fn end_stray(&mut self) {
        let Some(stray) = self.strays.first_mut() else { return };
        if stray.kind == StrayKind::Job && !stray.pod.is_finished() {
            stray.pod.finish();
        } else {
            self.strays.remove(0);
        }
    }
}
