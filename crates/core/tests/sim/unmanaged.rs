//! Pods that belong to no workload that the operator restarts.

use super::Cluster;
use super::pod::{Owner, PodState};
use super::workload::Template;

/// The creator of a pod without a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmanagedKind {
    /// No controller.
    Bare,
    /// A Job.
    Job,
    /// A Deployment that owns the pod directly and has the name of another one.
    Direct,
}

/// A pod without a workload.
#[derive(Clone, Debug)]
pub struct Unmanaged {
    pub kind: UnmanagedKind,
    pub pod: PodState,
}

impl Cluster {
    /// Creates a pod; nothing happens if the API server refuses it.
    pub fn unmanaged(&mut self, kind: UnmanagedKind) {
        let (id, known) = (self.count(), self.known());
        let owner = match kind {
            UnmanagedKind::Bare => None,
            UnmanagedKind::Job => Some(Owner { kind: "Job", name: "nightly".to_owned(), label: None }),
            UnmanagedKind::Direct => Some(Owner { kind: "Deployment", name: "web".to_owned(), label: None }),
        };
        if let Ok(mut pod) =
            PodState::admitted(format!("unmanaged-{id}"), owner, &Template::default(), &known, self.now)
        {
            // One that another controller makes never comes up.
            pod.set_ready(kind != UnmanagedKind::Direct);
            self.unmanaged.push(Unmanaged { kind, pod });
        }
    }

    /// Ends the oldest of these pods: a Job's pod stays and is finished, other pods are gone.
    pub fn end_unmanaged(&mut self) {
        let Some(unmanaged) = self.unmanaged.first_mut() else { return };
        if unmanaged.kind == UnmanagedKind::Job && !unmanaged.pod.is_finished() {
            unmanaged.pod.finish();
        } else {
            self.unmanaged.remove(0);
        }
    }
}
