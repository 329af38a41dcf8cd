//! The cluster, the operator, and the operator's view.

use std::sync::Arc;

use jiff::SignedDuration;
use podidentity_api::{Mechanism, PodIdentityBinding, names};
use podidentity_core::assess::Assessment;
use podidentity_core::claim::Claim;
use podidentity_core::objects::{Pod, ServiceAccount, Workload, WorkloadKind};
use podidentity_core::outcome::{Outcome, ProblemKind};
use podidentity_core::plan::{Plan, Step, plan};
use podidentity_core::role::release_value;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::status::reports;

use crate::asking;
use crate::event::{Aws, Edit, Event, Fault, RoleObject, Switch};
use crate::pace;
use crate::problem;
use crate::rules;
use crate::sim::{Cluster, Refusal, Strategy};
use crate::time;

pub const ROLES: [&str; 3] =
    ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b", "arn:aws:iam::111122223333:role/c"];
pub const WORKLOADS: [(&str, WorkloadKind); 5] = [
    ("web", WorkloadKind::Deployment),
    ("worker", WorkloadKind::Deployment),
    ("db", WorkloadKind::StatefulSet),
    ("agent", WorkloadKind::DaemonSet),
    ("shop", WorkloadKind::Rollout),
];
pub const BINDINGS: [&str; 2] = ["first", "second"];

/// A kind of object with its own watch.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Workloads,
    Pods,
    Account,
    Bindings,
}

/// The parts of the view that are outdated.
#[derive(Default)]
pub struct Behind {
    workloads: Option<Vec<Arc<Workload>>>,
    pods: Option<Vec<Arc<Pod>>>,
    #[allow(clippy::option_option)] // seen as it was, or seen to be absent
    account: Option<Option<Arc<ServiceAccount>>>,
    bindings: Option<Vec<Arc<PodIdentityBinding>>>,
}

pub struct World {
    pub cluster: Cluster,
    pub behind: Behind,
    /// How many restarts the operator-wide limit allows.
    pub slots: usize,
    /// The total of events and reconciles.
    pub steps: u64,
}

/// The result of a reconcile.
pub struct Turn {
    pub plan: Plan,
    /// Whether nothing was left to do or to report.
    pub is_quiet: bool,
}

impl World {
    pub fn new() -> Self {
        Self { cluster: Cluster::new(), behind: Behind::default(), slots: usize::MAX, steps: 0 }
    }

    pub fn happen(&mut self, event: &Event) {
        self.steps += 1;
        let cluster = &mut self.cluster;
        match *event {
            Event::Bind(name, role) => cluster.bind(BINDINGS[name], ROLES[role]),
            Event::CreateAnew(name) => cluster.create_binding_anew(BINDINGS[name]),
            Event::DeleteBinding(name) => cluster.delete_binding(BINDINGS[name]),
            Event::Spec(name, change) => cluster.edit_binding(BINDINGS[name], |spec| change.make(spec)),
            Event::RoleObject(RoleObject::Has(role)) => cluster.roles.set(Some(ROLES[role]), None),
            Event::RoleObject(RoleObject::HasNone) => cluster.roles.set(None, None),
            Event::RoleObject(RoleObject::Goes) => cluster.roles.delete(),
            Event::Release(name) => {
                let binding = cluster.bindings.get(BINDINGS[name]);
                let release = binding.map(|it| release_value(&cluster.roles.resolved(it))).unwrap_or_default();
                cluster.annotate_binding(BINDINGS[name], names::RELEASE_ANNOTATION, &release);
            }
            Event::CreateAccount => cluster.create_account(),
            Event::Account(change) => change.make(cluster),
            Event::Deploy { workload, shape, replicas } => self.deploy(WORKLOADS[workload], shape, replicas),
            Event::DeleteWorkload(name) => cluster.delete_workload(WORKLOADS[name].0),
            Event::Edit(name, edit) => self.edit(WORKLOADS[name].0, edit),
            Event::Switch(name, switch) => self.switch(WORKLOADS[name].0, switch),
            Event::Promote(name) => cluster.promote(WORKLOADS[name].0),
            Event::Drain(name) => cluster.drain(WORKLOADS[name].0),
            Event::Pod(name, trouble) => cluster.trouble_pod(WORKLOADS[name].0, trouble),
            Event::Node(name, node, down) => cluster.touch(WORKLOADS[name].0, |it| it.node(node, down)),
            Event::PodProgress(name) => drop(cluster.progress(WORKLOADS[name].0)),
            Event::RolloutFinishes(name) => while cluster.progress(WORKLOADS[name].0) {},
            Event::Unmanaged(kind) => cluster.unmanaged(kind),
            Event::EndUnmanaged => cluster.end_unmanaged(),
            Event::Webhook(on) => cluster.webhook = on,
            Event::Association(exists) => cluster.association = exists,
            Event::WebhookLag(seconds) => cluster.webhook_lag = seconds,
            Event::Fault(fault) => self.fault(fault),
            Event::Aws(aws) => self.aws(aws),
            Event::Slots(slots) => self.slots = slots,
            Event::TimePasses(seconds) => cluster.pass(seconds),
            Event::Reconcile(steps) => drop(self.reconcile(steps)),
            Event::Behind(part, behind) => self.fall_behind(part, behind),
            Event::Endure => drop(self.endure()),
            Event::Quiet => drop(self.quiesce()),
        }
    }

    fn deploy(&mut self, (name, kind): (&str, WorkloadKind), shape: usize, replicas: usize) {
        if self.cluster.workloads.contains_key(name) {
            return self.cluster.scale(name, replicas);
        }
        self.cluster.create(kind, name, |it| {
            it.replicas = replicas;
            (it.slow, it.sees_late, it.left_out) = (shape % 2 == 1, shape >= 2, replicas == 3 && shape == 3);
            it.progress_deadline = (shape == 2).then_some(1200);
            match (kind, shape) {
                (WorkloadKind::Deployment, 3) => it.strategy = Strategy::Recreate,
                (WorkloadKind::StatefulSet, 1) => it.parallel = true,
                (WorkloadKind::StatefulSet, 2) => it.strategy = Strategy::Partition(1),
                (WorkloadKind::StatefulSet | WorkloadKind::DaemonSet, 3) => it.strategy = Strategy::OnDelete,
                (WorkloadKind::Rollout, 1) => it.strategy = Strategy::TimedCanary(90),
                (WorkloadKind::Rollout, 3) => it.strategy = Strategy::BlueGreen(90),
                (WorkloadKind::Rollout, 2) => it.strategy = Strategy::Canary,
                _ => {}
            }
        });
    }

    fn edit(&mut self, name: &str, edit: Edit) {
        let cluster = &mut self.cluster;
        match edit {
            Edit::Revision => cluster.edit_template(name, |it| it.template.revision += 1),
            Edit::Preset(on) => cluster.edit_template(name, |it| it.template.preset = on),
            Edit::Elsewhere(on) => cluster.edit_template(name, |it| it.template.elsewhere = on),
            Edit::Mounts(on) => cluster.edit_template(name, |it| it.template.mounts = on),
            Edit::Revert => cluster.revert(name),
            Edit::Undo => cluster.undo(name),
        }
    }

    fn switch(&mut self, name: &str, switch: Switch) {
        let cluster = &mut self.cluster;
        match switch {
            Switch::Paused(on) => cluster.pause(name, on),
            Switch::Broken(on) => cluster.touch(name, |it| it.broken = on),
            Switch::BrokenAs(role) => cluster.touch(name, |it| it.broken_as = Some(ROLES[role].to_owned())),
            Switch::NeedsRole => cluster.touch(name, |it| it.needs_role = true),
            Switch::Quota(on) => cluster.touch(name, |it| it.quota = on),
            Switch::Stuck(on) => cluster.touch(name, |it| it.stuck = on),
            Switch::Refused(true) => drop(cluster.refused.insert(name.to_owned())),
            Switch::Refused(false) => drop(cluster.refused.remove(name)),
            Switch::Rewritten(Some(mark)) => drop(cluster.rewritten.insert(name.to_owned(), mark.to_owned())),
            Switch::Rewritten(None) => drop(cluster.rewritten.remove(name)),
        }
    }

    fn aws(&mut self, aws: Aws) {
        let cluster = &mut self.cluster;
        match aws {
            Aws::Refuses(role, true) => drop(cluster.sts.refuses.insert(ROLES[role].to_owned())),
            Aws::Refuses(role, false) => drop(cluster.sts.refuses.remove(ROLES[role])),
            Aws::Away(away) => cluster.sts.away = away,
            Aws::NoTokens(none) => cluster.sts.no_tokens = none,
            Aws::Asked(policy) => cluster.preflight = policy,
            Aws::Proceed(proceeds) => cluster.proceed_unasked = proceeds,
            Aws::Recheck(recheck) => cluster.recheck = recheck,
        }
    }

    fn fault(&mut self, fault: Fault) {
        let cluster = &mut self.cluster;
        match fault {
            Fault::RoleRewritten(role) => cluster.role_rewritten = role.map(str::to_owned),
            Fault::AccountRefused(on) => cluster.faults.account_refused = on,
            Fault::StatusRefused(on) => cluster.faults.status_refused = on,
            Fault::Lost(writes) => cluster.faults.lost = writes,
            Fault::Unanswered(writes) => cluster.faults.unanswered = writes,
        }
    }

    fn fall_behind(&mut self, part: Part, behind: bool) {
        let view = behind.then(|| self.view());
        match part {
            Part::Workloads => self.behind.workloads = view.map(|it| it.workloads),
            Part::Pods => self.behind.pods = view.map(|it| it.pods),
            Part::Account => self.behind.account = view.map(|it| it.service_account),
            Part::Bindings => self.behind.bindings = view.map(|it| it.bindings),
        }
    }

    /// The cluster as the operator sees it.
    pub fn view(&self) -> Snapshot {
        let mut view = self.cluster.snapshot();
        let behind = &self.behind;
        view.workloads = behind.workloads.clone().unwrap_or(view.workloads);
        view.pods = behind.pods.clone().unwrap_or(view.pods);
        view.service_account = behind.account.clone().unwrap_or(view.service_account);
        view.bindings = behind.bindings.clone().unwrap_or(view.bindings);
        view
    }

    /// Whether the operator sees all current states.
    pub fn sees_all(&self) -> bool {
        let Behind { workloads, pods, account, bindings } = &self.behind;
        workloads.is_none() && pods.is_none() && account.is_none() && bindings.is_none()
    }

    /// The operator knows its own writes immediately.
    fn sees_own_write(&mut self, step: &Step) {
        let now = self.cluster.snapshot();
        match step {
            Step::Annotate { .. } => {
                if let Some(account) = &mut self.behind.account {
                    *account = now.service_account;
                }
            }
            Step::Restart { workload, .. } => {
                for seen in self.behind.workloads.iter_mut().flatten().filter(|it| it.id() == *workload) {
                    if let Some(new) = now.workloads.iter().find(|it| it.id() == *workload) {
                        *seen = Arc::clone(new);
                    }
                }
            }
            Step::SetFinalizer { binding, .. } => self.sees_binding(&binding.name),
            Step::Preflight(_) => {}
        }
    }

    fn sees_binding(&mut self, name: &str) {
        let Some(bindings) = &mut self.behind.bindings else { return };
        let is_it = |it: &Arc<PodIdentityBinding>| it.metadata.name.as_deref() == Some(name);
        bindings.retain(|it| !is_it(it) || self.cluster.bindings.contains_key(name));
        for seen in bindings.iter_mut().filter(|it| is_it(it)) {
            *seen = self.cluster.roles.resolved(&self.cluster.bindings[name]);
        }
    }

    /// The decision on a view.
    fn decide(&self, view: &mut Snapshot) -> (Assessment, Plan) {
        let assessment = Assessment::of(view);
        view.rollout_slots = self.slots;
        let plan = plan(view, &assessment);
        (assessment, plan)
    }

    /// Runs one reconcile. A crash after `steps` steps also loses the status.
    pub fn reconcile(&mut self, steps: usize) -> Turn {
        self.steps += 1;
        let mut view = self.view();
        let (assessment, plan) = self.decide(&mut view);
        rules::of_plan(self, &view, &assessment, &plan);
        pace::is_kept(self, &view, &assessment, &plan);
        asking::annotates_what_was_asked(self, &assessment, &plan);
        let (mut done, mut problems, mut answered) = (Vec::new(), Vec::new(), None);
        for (index, step) in plan.steps.iter().enumerate().take(steps) {
            let written = self.cluster.apply(step);
            if matches!(written, Ok(()) | Err(Refusal::Rewritten)) {
                self.sees_own_write(step);
            }
            if written.is_ok() && !asking::goes_on(&plan.steps[index..]) {
                rules::enforcement_admits(self, &view);
            }
            match written {
                Ok(()) => {
                    if let Step::Preflight(question) = step {
                        asking::is_new(self, question);
                        answered = Some(self.cluster.ask(question));
                    }
                    done.push(step.clone());
                }
                Err(refusal) => {
                    problems.push(problem::of(step, refusal));
                    if !matches!(step, Step::Restart { .. }) {
                        break;
                    }
                }
            }
        }
        let mut is_quiet = plan.steps.is_empty();
        if steps >= plan.steps.len() {
            let outcome = Outcome { answered, ..Outcome::of(&assessment, done, problems) };
            is_quiet &= self.report(&outcome);
        }
        Turn { plan, is_quiet }
    }

    /// Reports what is new. Returns whether nothing was.
    fn report(&mut self, outcome: &Outcome) -> bool {
        let mut view = self.view();
        let (assessment, next) = self.decide(&mut view);
        // Like the operator, this reports nothing that the next step outdates, and retries a failed
        // write first.
        let worth_telling = outcome.is_worth_telling();
        if !outcome.done.is_empty() && !worth_telling && !next.steps.is_empty() {
            return false;
        }
        let mut told = outcome.clone();
        told.problems.retain(|problem| problem.kind != ProblemKind::Failed);
        let reports = reports(&view, &assessment, &next, &told);
        for report in &reports {
            rules::of_report(self, &view, report);
            if self.cluster.store_status(report) {
                if !self.sees_all() {
                    self.cluster.was_recorded_on_the_past(report);
                }
                self.sees_binding(&report.binding.name);
            }
        }
        if outcome.problems.is_empty() {
            rules::enforcement_admits(self, &view);
        }
        reports.is_empty() && outcome.problems.is_empty() && next.shown().next().is_none()
    }

    /// For each crash, the operator takes this many steps; then this many seconds pass, a
    /// controller takes a step, and the operator is back.
    pub fn crash(&mut self, crashes: &[(usize, i64, usize)], names: &[&str]) {
        for &(steps, seconds, progress) in crashes {
            self.reconcile(steps);
            self.cluster.pass(seconds);
            self.cluster.progress(names[progress]);
        }
    }

    /// All writes arrive, and the operator sees everything; what is broken in the cluster stays
    /// broken. Continues for a day or until nothing happens any more. Returns whether nothing
    /// happens any more.
    pub fn endure(&mut self) -> bool {
        let day = self.cluster.now + SignedDuration::from_hours(24);
        self.behind = Behind::default();
        self.slots = self.slots.max(1);
        let faults = &mut self.cluster.faults;
        (faults.lost, faults.unanswered, faults.status_refused) = (0, 0, false);
        self.cluster.tried.clear();
        self.cluster.sts.asked.clear();
        let mut rests = false;
        for _ in 0..400 {
            rests = self.round();
            if rests || self.cluster.now >= day {
                break;
            }
        }
        rules::restarts_are_bounded(self);
        asking::questions_are_bounded(self);
        rests
    }

    /// Lets everything settle: everything works, and no one interferes. Returns whether it settled
    /// within a bounded number of rounds.
    pub fn quiesce(&mut self) -> bool {
        self.behind = Behind::default();
        self.slots = self.slots.max(1);
        let cluster = &mut self.cluster;
        cluster.faults = crate::sim::Faults::default();
        (cluster.webhook, cluster.webhook_lag, cluster.role_rewritten) = (true, 0, None);
        // Users create the associations that bindings declare, and remove the others.
        let bindings: Vec<_> = cluster.bindings.values().cloned().map(Arc::new).collect();
        if let Some(owner) = Claim::of(&bindings).owner {
            cluster.association = owner.spec.mechanism == Mechanism::PodIdentity;
        }
        (cluster.sts.away, cluster.sts.no_tokens) = (false, false);
        cluster.sts.refuses.clear();
        // An operator that rechecks from time to time never rests.
        cluster.recheck = None;
        cluster.refused.clear();
        cluster.rewritten.clear();
        (0..400).any(|_| self.round())
    }

    /// The operator acts, controllers act, and time passes until something is due. Returns whether
    /// nothing is left to happen.
    fn round(&mut self) -> bool {
        let turn = self.reconcile(usize::MAX);
        let progressed = self.cluster.progress_all();
        let is_quiet = turn.is_quiet && !progressed;
        if is_quiet {
            let mut view = self.view();
            self.decide(&mut view);
            time::changes_nothing_before(&view, turn.plan.check_at, self.steps);
        }
        let at = [turn.plan.check_at, self.cluster.next_deadline()].into_iter().flatten().min();
        let due = at.filter(|_| is_quiet).map_or(SignedDuration::ZERO, |at| at.duration_since(self.cluster.now));
        self.cluster.pass(due.as_secs().max(1));
        is_quiet && at.is_none()
    }
}
