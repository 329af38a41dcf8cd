//! The plan: what the operator does next, as data.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::{DeletionPolicy, PodIdentityBinding, RestartStatus, names};
use std::collections::BTreeMap;

use crate::account::{self, AccountState};
use crate::assess::{Assessment, Case, Deletion, Rollback};
use crate::objects::Workload;
use crate::provenance::Provenance;
use crate::restart_record;
use crate::revoke::Revocation;
use crate::rollout::WorkloadVerdict;
use crate::schedule::most_at_once;
use crate::snapshot::Snapshot;

pub use crate::step::{Declared, Step, Target};

/// The next writes, and when to check again if no event arrives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order; a step that fails ends the run, unless it is a restart.
    pub steps: Vec<Step>,
    /// Restarts to make once the status records them: the intent is recorded before the act.
    pub intents: Vec<Intent>,
    /// When to check again if no event arrives.
    pub check_at: Option<Timestamp>,
    /// The operator's restarts that are under way, without those in `steps` and `intents`.
    pub in_flight: usize,
    /// Whether the operator-wide limit defers further restarts.
    pub wants_slots: bool,
}

/// A restart that is about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// UID of the binding that the restart is for.
    pub binding: Option<String>,
    /// The record of the restart for the status.
    pub record: RestartStatus,
    /// The step that makes the restart.
    pub step: Step,
}

/// Plans the next writes.
pub fn plan(snapshot: &Snapshot, assessment: &Assessment) -> Plan {
    let mut plan = Plan::default();
    for deletion in &assessment.deleting {
        if has_finalizer(&deletion.binding.metadata) {
            plan.delete(snapshot, assessment, deletion);
        }
    }
    if let Some(case) = &assessment.owner
        && !snapshot.namespace_terminating()
    {
        plan.reconcile(snapshot, case);
    }
    plan
}

/// Whether the binding with this metadata has our finalizer.
pub fn has_finalizer(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|finalizer| finalizer == names::FINALIZER)
}

impl Plan {
    /// Number of restarts among `steps`.
    pub fn restarts(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Restart { .. })).count()
    }

    /// Number of slots of the operator-wide limit that the plan takes.
    pub fn slots(&self) -> usize {
        self.in_flight + self.restarts() + self.intents.len()
    }

    /// All steps that follow if nothing changes meanwhile: `steps`, then the restarts that the
    /// status records first.
    pub fn shown(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(self.intents.iter().map(|intent| &intent.step))
    }

    fn reconcile(&mut self, snapshot: &Snapshot, case: &Case) {
        let binding = &case.binding;
        let under_way = case.workloads.iter().filter(|workload| workload.under_way);
        self.take_places(under_way.map(|workload| workload.record.as_ref()), snapshot.now);
        // These checks are needed even if nothing is written: a restart that is under way may fail,
        // and the reported status may change.
        self.look_again_at(case.workloads.iter().filter_map(WorkloadVerdict::check_at));
        self.look_again_at(case.account.check_at());
        if !case.may_write() {
            return;
        }
        self.look_again_at(case.preflight.check_at());
        let wants_finalizer = binding.spec.deletion_policy != DeletionPolicy::Retain;
        if wants_finalizer != has_finalizer(&binding.metadata) {
            self.steps.push(Step::SetFinalizer { binding: Target::of(&binding.metadata), present: wants_finalizer });
        }
        // The status first records a due rollback, so that the failed identity is not written
        // again. It also first records the role that an indirect binding resolves to.
        if matches!(case.rollback, Some(Rollback::Due(_))) || case.records_role_first() {
            return;
        }
        let question = case.preflight.due().filter(|_| case.broken_by_annotating().is_none());
        let question = question.cloned().map(Step::Preflight);
        if case.preflight.holds_back() {
            self.steps.extend(question);
            self.restart(snapshot, case);
        } else {
            self.annotate(snapshot, case);
            self.restart(snapshot, case);
            // An identity that is in force, or that proceeds without an answer, does not wait for
            // the answer.
            self.steps.extend(question);
        }
    }

    fn annotate(&mut self, snapshot: &Snapshot, case: &Case) {
        if case.gives_up_annotations() {
            return self.release(snapshot, &case.binding);
        }
        let AccountState::Outdated { force, .. } = &case.account.state else { return };
        let Some(account) = snapshot.service_account.as_ref() else { return };
        if case.broken_by_annotating().is_some() {
            return;
        }
        self.steps.push(Step::Annotate {
            account: Target::of(&account.metadata),
            annotations: case.expected.identity.annotations(&snapshot.config.settings),
            force: *force,
            written_for: Some(Provenance::of(&case.binding, &case.expected.identity)),
            declared: replaces_anothers(case).then(|| Declared::by(&case.binding.metadata)),
        });
    }

    fn restart(&mut self, snapshot: &Snapshot, case: &Case) {
        let slots = self.slots_left(snapshot);
        let schedule = case.schedule(slots, snapshot.now);
        self.wants_slots |= schedule.wants_slots;
        self.look_again_at(schedule.check_at);
        for start in schedule.starts {
            let workload = &start.verdict.workload;
            let (mark, before) = (start.mark.to_string(), start.verdict.record.as_ref());
            let record = restart_record::intended(workload, mark, start.healthy, snapshot.now, before);
            self.start(&case.binding, workload, record, start.recorded);
        }
    }

    /// Restarts a workload if the status records the restart. Otherwise plans an intent, so that
    /// the status records it first.
    fn start(&mut self, binding: &PodIdentityBinding, workload: &Workload, record: RestartStatus, is_recorded: bool) {
        let step = Step::restart(workload, record.mark.clone());
        if is_recorded {
            self.steps.push(step);
        } else {
            self.intents.push(Intent { binding: binding.metadata.uid.clone(), record, step });
        }
    }

    fn delete(&mut self, snapshot: &Snapshot, assessment: &Assessment, deletion: &Deletion) {
        let binding = &deletion.binding;
        let done = Step::SetFinalizer { binding: Target::of(&binding.metadata), present: false };
        // There is nothing to undo if another binding takes over without a gap, if the namespace is
        // terminating, or if the binding leaves everything as it is.
        let leaves_everything = binding.spec.suspend || binding.spec.deletion_policy == DeletionPolicy::Retain;
        if assessment.is_handed_over() || snapshot.namespace_terminating() || leaves_everything {
            self.steps.push(done);
            return;
        }
        self.release(snapshot, binding);
        let finished = match &deletion.revocation {
            Some(revocation) => {
                self.revoke(snapshot, binding, revocation);
                revocation.is_finished()
            }
            None => true,
        };
        if finished {
            self.steps.push(done);
        }
    }

    fn release(&mut self, snapshot: &Snapshot, binding: &PodIdentityBinding) {
        let settings = &snapshot.config.settings;
        let account = snapshot.service_account.as_ref().filter(|account| account.metadata.deletion_timestamp.is_none());
        if let Some(account) = account
            && account::owned_keys(account, settings).next().is_some()
        {
            self.steps.push(Step::Annotate {
                account: Target::of(&account.metadata),
                annotations: BTreeMap::new(),
                force: false,
                written_for: None,
                declared: Some(Declared::by(&binding.metadata)),
            });
        }
    }

    fn revoke(&mut self, snapshot: &Snapshot, binding: &PodIdentityBinding, revocation: &Revocation) {
        self.look_again_at(revocation.check_at);
        self.take_places(revocation.under_way.iter().map(|(_, record)| record.as_ref()), snapshot.now);
        if revocation.settles_at.is_some() || revocation.opening.is_some() || revocation.not_before.is_some() {
            return;
        }
        let most = if revocation.one_by_one { 1 } else { usize::MAX };
        let free = most_at_once(&binding.spec.rollout).saturating_sub(revocation.under_way.len()).min(most);
        let allowed = free.min(revocation.due.len());
        let slots = self.slots_left(snapshot);
        self.wants_slots |= allowed > slots;
        for due in revocation.due.iter().take(allowed.min(slots)) {
            let (workload, before) = (&due.workload, due.record.as_ref());
            let record = restart_record::intended(workload, due.mark.clone(), workload.healthy, snapshot.now, before);
            self.start(binding, workload, record, due.recorded);
        }
    }

    /// Counts the restarts under way that still hold a slot of the operator-wide limit.
    fn take_places<'a>(&mut self, records: impl Iterator<Item = Option<&'a RestartStatus>>, now: Timestamp) {
        for record in records {
            let until = record.map(restart_record::holds_place_until);
            if until.is_none_or(|until| until > now) {
                self.in_flight += 1;
                self.look_again_at(until);
            }
        }
    }

    fn slots_left(&self, snapshot: &Snapshot) -> usize {
        snapshot.rollout_slots.saturating_sub(self.slots())
    }

    fn look_again_at(&mut self, at: impl IntoIterator<Item = Timestamp>) {
        self.check_at = self.check_at.into_iter().chain(at).min();
    }
}

/// Whether the service account carries a different role that the operator wrote for another
/// binding, or without recording for which one.
fn replaces_anothers(case: &Case) -> bool {
    let replaces = case.account.role_in_force.as_ref().is_some_and(|role| *role != case.expected.identity.role_arn);
    let own = case.account.provenance.as_ref().is_some_and(|written| written.is_of(&case.binding));
    replaces && !own
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::objects::{WorkloadId, WorkloadKind};

    /// Whatever the deadlines of the binding and of the workload: they are the tenant's.
    #[test]
    fn a_restart_under_way_holds_a_slot_for_half_an_hour_at_most() {
        let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let record: RestartStatus =
            serde_json::from_value(json!({"kind": "Deployment", "name": "web", "mark": "0a23456789",
            "generation": 1, "since": begun, "healthy": true}))
            .unwrap();
        let after = |seconds: i64| {
            let mut plan = Plan::default();
            plan.take_places([Some(&record)].into_iter(), begun + SignedDuration::from_secs(seconds));
            (plan.in_flight, plan.slots(), plan.check_at)
        };
        let over = begun + SignedDuration::from_mins(30);
        assert_eq!(after(0), (1, 1, Some(over)));
        assert_eq!(after(30 * 60 - 1), (1, 1, Some(over)));
        assert_eq!(after(30 * 60), (0, 0, None));
        assert_eq!(after(86_400), (0, 0, None));
    }

    /// Those under way, those of the next writes, and those that the status records first.
    #[test]
    fn all_restarts_take_slots_and_no_other_step_does() {
        let restart = || Step::Restart {
            workload: WorkloadId { kind: WorkloadKind::Deployment, name: "web".to_owned() },
            target: Target { name: "web".to_owned(), uid: "1".to_owned(), resource_version: "2".to_owned() },
            mark: "0a23456789".to_owned(),
        };
        let binding = Target { name: "my-app".to_owned(), uid: "3".to_owned(), resource_version: "4".to_owned() };
        let record: RestartStatus = serde_json::from_value(json!({"kind": "Deployment", "name": "web", "mark": "",
            "generation": 1, "since": "2026-01-01T00:00:00Z", "healthy": true}))
        .unwrap();
        let intent = || Intent { binding: None, record: record.clone(), step: restart() };
        let plan = Plan {
            steps: vec![restart(), Step::SetFinalizer { binding, present: true }, restart(), restart()],
            intents: vec![intent(), intent(), intent(), intent()],
            in_flight: 2,
            ..Plan::default()
        };
        assert_eq!((plan.restarts(), plan.slots()), (3, 9));
        assert_eq!(plan.shown().count(), 8);
    }
}
