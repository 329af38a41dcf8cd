//! The API server's handling of the operator's writes.

use std::collections::BTreeMap;

use podidentity_api::{RestartStatus, names};
use podidentity_core::plan::{Declared, Step, Target};
use podidentity_core::status::Report;

use super::{Cluster, ROLE_KEY, Restart};

/// Why the API server did not carry out a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Stale,
    Conflict,
    /// An admission policy refuses the step.
    Refused,
    /// The step was stored, but admission changed it.
    Rewritten,
    /// There was no answer, whether or not the step was carried out.
    Failed,
}

/// Faults of the operator's writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Admission refuses writes to the service account.
    pub account_refused: bool,
    /// The API server refuses all status writes.
    pub status_refused: bool,
    /// This many writes are lost.
    pub lost: usize,
    /// The answers of this many writes are lost.
    pub unanswered: usize,
}

impl Cluster {
    pub fn apply(&mut self, step: &Step) -> Result<(), Refusal> {
        if let Step::Restart { workload, .. } = step {
            *self.tried.entry(workload.name.clone()).or_default() += 1;
        }
        if self.faults.lost > 0 {
            self.faults.lost -= 1;
            return Err(Refusal::Failed);
        }
        let done = self.write(step);
        if self.faults.unanswered > 0 {
            self.faults.unanswered -= 1;
            return Err(Refusal::Failed);
        }
        done
    }

    fn write(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::SetFinalizer { binding, present } => self.set_finalizer(binding, *present),
            Step::Annotate { account, annotations, force, written_for, declared } => {
                if declared.as_ref().is_some_and(|declared| !self.declares(declared)) {
                    return Err(Refusal::Stale);
                }
                let mut all = annotations.clone();
                all.extend(written_for.iter().map(|it| (names::BOUND_BY_ANNOTATION.to_owned(), it.to_string())));
                self.annotate(account, all, *force)
            }
            // A preflight writes nothing: the caller asks AWS.
            Step::Preflight(_) => Ok(()),
            Step::Restart { workload, target, mark } => self.roll(&workload.name, target, mark),
        }
    }

    fn declares(&self, declared: &Declared) -> bool {
        let binding = self.bindings.get(&declared.binding);
        binding.is_some_and(|binding| Declared::by(&binding.metadata) == *declared)
    }

    fn set_finalizer(&mut self, target: &Target, present: bool) -> Result<(), Refusal> {
        let version = self.count();
        let binding = self.bindings.get_mut(&target.name).ok_or(Refusal::Stale)?;
        if Target::of(&binding.metadata) != *target {
            return Err(Refusal::Stale);
        }
        binding.metadata.finalizers = present.then(|| vec![names::FINALIZER.into()]);
        binding.metadata.resource_version = Some(version.to_string());
        self.collect_bindings();
        Ok(())
    }

    fn annotate(
        &mut self,
        target: &Target,
        mut annotations: BTreeMap<String, String>,
        force: bool,
    ) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let account = self.account.as_mut().ok_or(Refusal::Stale)?;
        if self.faults.account_refused {
            return Err(Refusal::Refused);
        }
        let asked = annotations.get(ROLE_KEY).cloned();
        match (&self.role_rewritten, &asked) {
            (Some(role), Some(_)) if role.is_empty() => drop(annotations.remove(ROLE_KEY)),
            (Some(role), Some(_)) => drop(annotations.insert(ROLE_KEY.into(), role.clone())),
            _ => {}
        }
        let before = account.annotations.clone();
        account.apply(target, &annotations, force, now)?;
        account.written.clone_from(&asked);
        if account.annotations != before || annotations.is_empty() {
            account.version = version;
        }
        self.account_writes += 1;
        self.offers_change();
        if annotations.get(ROLE_KEY) == asked.as_ref() { Ok(()) } else { Err(Refusal::Rewritten) }
    }

    fn roll(&mut self, name: &str, target: &Target, mark: &str) -> Result<(), Refusal> {
        let (version, now) = (self.count(), self.now);
        let workload = self.workloads.get_mut(name).ok_or(Refusal::Stale)?;
        if workload.uid != target.uid || workload.version.to_string() != target.resource_version {
            return Err(Refusal::Stale);
        }
        if self.refused.contains(name) {
            return Err(Refusal::Refused);
        }
        let asked = Some(mark);
        let mark = self.rewritten.get(name).map_or(mark, String::as_str);
        let mark = Some(mark).filter(|mark| !mark.is_empty());
        if workload.template.mark.as_deref() != mark {
            let restart = workload.restarted();
            // A crash may come between the record and the restart; the recorded health counts.
            let healthy = restart.healthy || std::mem::take(&mut workload.recorded_healthy);
            workload.restart = Some(Restart { healthy, ..restart });
            let before = workload.template.clone();
            workload.template.mark = mark.map(str::to_owned);
            workload.marked_at = mark.map(|_| now);
            workload.template_changed(before, now);
            workload.version = version;
            self.rolls += 1;
        }
        if mark == asked { Ok(()) } else { Err(Refusal::Rewritten) }
    }

    /// Stores a status unless the binding has changed since. Returns whether it did.
    pub fn store_status(&mut self, report: &Report) -> bool {
        let version = self.count();
        if self.faults.status_refused {
            return false;
        }
        let binding = self.bindings.get_mut(&report.binding.name);
        let Some(binding) = binding.filter(|binding| Target::of(&binding.metadata) == report.binding) else {
            return false;
        };
        let before = binding.status.take().map(|status| status.restarts).unwrap_or_default();
        binding.status = Some(report.status.clone());
        // A refusal in the status is not a new record.
        let known = |new: &RestartStatus| before.iter().any(|old| (&old.name, old.since.0) == (&new.name, new.since.0));
        for new in report.status.restarts.iter().filter(|new| !known(new)) {
            if let Some(workload) = self.workloads.values_mut().find(|it| it.name == new.name) {
                workload.recorded_healthy = workload.restarted().healthy;
            }
        }
        binding.metadata.resource_version = Some(version.to_string());
        true
    }

    /// Restarts that were recorded on an outdated view are judged by what that view showed.
    pub fn was_recorded_on_the_past(&mut self, report: &Report) {
        for record in &report.status.restarts {
            let workload = self.workloads.values_mut().find(|it| it.name == record.name);
            if let Some(workload) = workload.filter(|_| record.healthy) {
                workload.recorded_healthy = true;
            }
        }
    }
}
