//! The subject of an explanation: an identity, and the workload and pod that were requested or that
//! have the worst findings.

use std::borrow::Cow;
use std::sync::Arc;

use podidentity_core::assess::{Assessment, Case};
use podidentity_core::injection::{self, Entry, Given};
use podidentity_core::objects::{Pod, Workload};
use podidentity_core::rollout::WorkloadVerdict;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::unbound::{annotated_role, as_if_bound};
use podidentity_core::verify::{AccountOf, JudgedPod, PodVerdict, verify_by_hand};

use super::Around;
use crate::flags::{Target, TargetKind};

/// The subject of an explanation.
pub(crate) struct Subject<'a> {
    /// The snapshot as it was read.
    pub(crate) snapshot: &'a Snapshot,
    /// What was read besides the identity.
    pub(crate) around: &'a Around,
    /// The assessment of the snapshot. Without a binding, it assumes a suspended binding that
    /// declares what is annotated.
    pub(crate) assessment: Assessment,
    /// Whether a binding names the service account.
    pub(crate) bound: bool,
    /// The name of the requested binding.
    pub(crate) asked: Option<String>,
    /// The pod. `None` if there is no live pod.
    pub(crate) pod: Option<Arc<Pod>>,
    /// The findings in the pod. `None` if there is no role to judge against, or if the pod no
    /// longer counts.
    pub(crate) judged: Option<JudgedPod>,
    /// The workload of the pod, or the requested workload.
    pub(crate) workload: Option<WorkloadVerdict>,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, target: &Target, around: &'a Around) -> Self {
        let assumed = as_if_bound(snapshot);
        let assessment = Assessment::of(assumed.as_ref().unwrap_or(snapshot));
        let mut subject = Self {
            snapshot,
            around,
            bound: !snapshot.bindings.is_empty(),
            asked: (target.kind == TargetKind::Binding).then(|| target.name.clone()),
            pod: None,
            judged: None,
            workload: None,
            assessment,
        };
        match target.kind {
            TargetKind::Pod => subject.choose_pod(&target.name),
            TargetKind::Workload(kind) => subject.choose_workload(kind, &target.name),
            TargetKind::Binding | TargetKind::ServiceAccount => subject.choose_worst(),
        }
        if subject.case().is_none() {
            subject.judge_by_hand();
        }
        subject
    }

    /// Judges a pod that has no role by its service account by the role that it names itself, if it
    /// does.
    fn judge_by_hand(&mut self) {
        let Some(pod) = self.pod.as_ref().filter(|pod| pod.is_live()) else { return };
        let findings = verify_by_hand(pod, AccountOf::NoRole, &self.snapshot.config.settings);
        let verdict = PodVerdict { findings };
        self.judged = (!verdict.findings.is_empty()).then(|| JudgedPod { pod: Arc::clone(pod), verdict });
    }

    pub(crate) fn case(&self) -> Option<&Case> {
        self.assessment.owner.as_ref()
    }

    fn choose_pod(&mut self, name: &str) {
        self.pod = self.snapshot.pods.iter().find(|pod| pod.name() == name).cloned();
        let judged = self.case().and_then(|case| case.pods().find(|judged| judged.pod.name() == name)).cloned();
        self.judged = judged;
        self.find_owner();
    }

    /// Finds the pods by their controller, which also covers workloads that cannot be restarted.
    fn choose_workload(&mut self, kind: &str, name: &str) {
        self.choose(|pod| pod.controller().is_some_and(|owner| owner.kind == kind && owner.name == name));
        self.find_workload(kind, name);
    }

    fn choose_worst(&mut self) {
        self.choose(|_| true);
        self.find_owner();
    }

    /// Chooses the pod with the worst finding, or the first of equally bad pods. If none of the
    /// pods is judged, chooses a live one.
    fn choose(&mut self, of: impl Fn(&Pod) -> bool) {
        let worst = |judged: &&JudgedPod| {
            let worst = judged.verdict.findings.first().map(|finding| (finding.severity, finding.reason));
            (worst.is_none(), worst)
        };
        let judged = self.case().and_then(|case| case.pods().filter(|it| of(&it.pod)).min_by_key(worst)).cloned();
        let live = || self.snapshot.pods.iter().find(|pod| pod.is_live() && of(pod)).cloned();
        self.pod = judged.as_ref().map(|judged| Arc::clone(&judged.pod)).or_else(live);
        self.judged = judged;
    }

    fn find_owner(&mut self) {
        if let Some(owner) = self.pod.as_ref().and_then(|pod| pod.controller().cloned()) {
            self.find_workload(&owner.kind, &owner.name);
        }
    }

    fn find_workload(&mut self, kind: &str, name: &str) {
        let workloads = self.case().map(|case| &case.workloads);
        self.workload = workloads.and_then(|all| all.iter().find(|it| is(&it.workload, kind, name))).cloned();
    }

    /// The entry of the webhook's ConfigMap, if it gives the service account its role.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        let account = self.snapshot.service_account.as_deref()?;
        match Given::on(account, &self.snapshot.config.settings) {
            Given::Entry(entry) => Some(entry).filter(|entry| !entry.role_arn.is_empty()),
            Given::Annotations(_) | Given::Association(_) => None,
        }
    }

    /// The role in the service account's annotation, or else in the webhook's ConfigMap.
    pub(crate) fn annotated_role(&self) -> Option<Cow<'_, str>> {
        annotated_role(self.snapshot.service_account.as_deref()?, &self.snapshot.config.settings)
    }

    /// Whether the pods are to have the credentials of an EKS Pod Identity association.
    pub(crate) fn is_of_association(&self) -> bool {
        self.case().is_some_and(|case| case.expected.identity.is_of_association())
    }

    /// The wanted role: the role of the binding, or else of the annotation.
    pub(crate) fn role(&self) -> Option<Cow<'_, str>> {
        self.case()
            .map(|case| Cow::Borrowed(case.expected.identity.role_arn.as_str()))
            .or_else(|| self.annotated_role())
    }

    pub(crate) fn account_name(&self) -> String {
        format!("{}/{}", self.snapshot.namespace, self.snapshot.service_account_name)
    }

    /// The workload, whether or not there is a role to judge it by.
    pub(crate) fn workload(&self) -> Option<&Workload> {
        if let Some(verdict) = &self.workload {
            return Some(&verdict.workload);
        }
        let owner = self.pod.as_ref()?.controller()?;
        self.snapshot.workloads.iter().find(|it| is(it, &owner.kind, &owner.name)).map(Arc::as_ref)
    }

    /// What the webhook evaluates: the template, or the pod if there is no template.
    pub(crate) fn admitted(&self) -> Option<injection::Target<'_>> {
        match self.workload() {
            Some(workload) => Some((&workload.template).into()),
            None => self.pod.as_deref().map(injection::Target::from),
        }
    }

    /// The controller of the pod, for example `Deployment/web`.
    pub(crate) fn controller(&self) -> Option<String> {
        let owner = self.pod.as_ref().and_then(|pod| pod.controller().cloned());
        match (&self.workload, owner) {
            (Some(verdict), _) => Some(verdict.workload.id().to_string()),
            (None, Some(owner)) => Some(format!("{}/{}", owner.kind, owner.name)),
            (None, None) => None,
        }
    }

    pub(crate) fn title(&self, target: &Target) -> String {
        let title = format!("{} {}/{}", target.kind.kind(), self.snapshot.namespace, target.name);
        match &self.pod {
            Some(pod) if target.kind != TargetKind::Pod => format!("{title}, told of pod {}", pod.name()),
            _ => title,
        }
    }
}

fn is(workload: &Workload, kind: &str, name: &str) -> bool {
    workload.kind.as_str() == kind && workload.metadata.name.as_deref() == Some(name)
}

/// Whether the snapshot contains the object.
pub(crate) fn contains(snapshot: &Snapshot, target: &Target) -> bool {
    names(snapshot, target.kind).any(|name| name == target.name)
}

/// The names of all objects of this kind in the snapshot.
pub(crate) fn names(snapshot: &Snapshot, kind: TargetKind) -> Box<dyn Iterator<Item = String> + '_> {
    match kind {
        TargetKind::Binding => Box::new(snapshot.bindings.iter().filter_map(|binding| binding.metadata.name.clone())),
        // Includes a service account that does not exist but that a binding or workload names:
        // `explain` says so.
        TargetKind::ServiceAccount => Box::new(std::iter::once(snapshot.service_account_name.clone())),
        TargetKind::Pod => Box::new(snapshot.pods.iter().map(|pod| pod.name().to_owned())),
        TargetKind::Workload(kind) => {
            let managed = snapshot.workloads.iter().map(|workload| workload.id());
            let managed = managed.filter(move |id| id.kind.as_str() == kind).map(|id| id.name);
            let owners = snapshot.pods.iter().filter_map(|pod| pod.controller().cloned());
            Box::new(managed.chain(owners.filter(move |owner| owner.kind == kind).map(|owner| owner.name)))
        }
    }
}
