//! What holds at any time for every plan, every status and every write.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::{PodIdentityBinding, RollbackStatus};
use podidentity_core::assess::{Assessment, Case, Deletion};
use podidentity_core::claim::Claim;
use podidentity_core::objects::Workload;
use podidentity_core::plan::{Plan, Step};
use podidentity_core::role::is_indirect;
use podidentity_core::rollout::{Cause, Phase, WorkloadVerdict};
use podidentity_core::snapshot::Snapshot;
use podidentity_core::status::Report;

use crate::rest::is_ready;
use crate::sim::{self, PodState, ROLE_KEY};
use crate::world::World;

/// The most restarts of one workload in a simulated day without changes: four attempts on each of
/// seven occasions, and refused ones once in half an hour.
const MOST_IN_A_DAY: usize = 60;

/// What holds for every plan, whatever has happened before.
pub fn of_plan(world: &World, view: &Snapshot, assessment: &Assessment, plan: &Plan) {
    // A binding whose role is not known has nothing to take over with.
    let unknown = assessment.owner.as_ref().is_some_and(|owner| owner.binding.spec.unresolved.is_some());
    let claimed = !unknown && view.bindings.iter().any(|binding| binding.metadata.deletion_timestamp.is_none());
    let gives_up = |step: &Step| matches!(step, Step::Annotate { annotations, .. } if annotations.is_empty());
    let moves = assessment.owner.as_ref().is_some_and(Case::gives_up_annotations);
    assert!(!claimed || moves || !plan.steps.iter().any(gives_up), "a claimed account keeps its annotation");
    let starts = plan.restarts() + plan.intents.len();
    assert!(starts == 0 || plan.slots() <= view.rollout_slots, "more restarts than slots: {plan:?}");
    for deletion in &assessment.deleting {
        takes_every_role_or_says_so(world, view, deletion, plan);
    }
    let Some(case) = &assessment.owner else { return };
    for verdict in &case.workloads {
        crate::survey::meets(|| format!("{:?}", verdict.phase));
    }
    writes_what_is_wanted(case, plan);
    restarts_as_many_as_allowed(view, case, plan);
    judges_each_by_itself(world, view, case);
    fails_only_by_its_restart(world, case);
}

/// When a revocation lets its binding go, no pod has a role by injection, unless the service account
/// still gives that role or the operator says that the pod keeps it.
fn takes_every_role_or_says_so(world: &World, view: &Snapshot, deletion: &Deletion, plan: &Plan) {
    let Some(revocation) = deletion.revocation.as_ref().filter(|_| world.sees_all()) else { return };
    let name = deletion.binding.metadata.name.as_ref();
    let lets_go =
        |step: &Step| matches!(step, Step::SetFinalizer { binding, present: false } if Some(&binding.name) == name);
    // A binding that was never in force has given no role.
    let was_in_force = deletion.binding.status.as_ref().is_none_or(|status| {
        let account = status.service_account.as_ref();
        let written = account.and_then(|account| account.written_role_arn.as_ref());
        written.or(status.role_arn.as_ref()).or(status.last_verified_role_arn.as_ref()).is_some()
    });
    if !plan.steps.iter().any(lets_go) || !revocation.is_finished() || !was_in_force {
        return;
    }
    for workload in view.workloads.iter().map(|it| it.id()) {
        let is_kept = revocation.kept.iter().any(|kept| kept.split(' ').next() == Some(&workload.to_string()));
        let mut live = world.cluster.workloads[&workload.name].live().filter(|pod| !pod.is_elsewhere());
        let kept = live.find(|pod| !pod.is_preset() && pod.role().is_some() && pod.role() != world.cluster.role());
        assert!(is_kept || kept.is_none(), "{workload} keeps a role, and nobody is told: {kept:?}");
    }
}

fn writes_what_is_wanted(case: &Case, plan: &Plan) {
    let binding = &case.binding;
    let annotates = |step: &&Step| matches!(step, Step::Annotate { .. });
    if binding.spec.suspend {
        let writes = plan.shown().any(|step| rolled(step).is_some()) || plan.shown().any(|step| annotates(&step));
        assert!(!writes, "suspended, and yet {:?}", plan.steps);
    }
    let status = binding.status.as_ref();
    let rollback = status.and_then(|status| status.rollback.as_ref());
    let rollback = rollback.filter(|rollback| Some(rollback.generation) == binding.metadata.generation);
    let same_role = |it: &&RollbackStatus| !is_indirect(binding) || it.from == binding.spec.role_arn;
    let wanted = rollback.filter(same_role).map_or(&binding.spec.role_arn, |rollback| &rollback.to);
    for step in &plan.steps {
        let Step::Annotate { annotations, .. } = step else { continue };
        if case.expected.identity.is_of_association() {
            assert!(annotations.is_empty(), "nothing is annotated with EKS Pod Identity");
            continue;
        }
        if annotations.is_empty() && binding.spec.unresolved.is_some() {
            // Another binding is deleted, and this one has no role to take over with.
            continue;
        }
        assert_eq!(annotations.get(ROLE_KEY), Some(wanted), "only the role that is wanted now is ever written");
    }
}

/// The workloads with the mark of a recorded, unfinished restart, together with those that restart
/// now, never exceed the binding's limit: one until the identity is proven.
fn restarts_as_many_as_allowed(view: &Snapshot, case: &Case, plan: &Plan) {
    let starts: Vec<&str> = plan.shown().filter_map(rolled).collect();
    if starts.is_empty() {
        return;
    }
    let open = case.workloads.iter().filter(|verdict| is_open(case, verdict));
    let open = open.filter(|verdict| !starts.contains(&verdict.workload.id().name.as_str())).count();
    let proven = case.workloads.iter().any(WorkloadVerdict::proves_injection);
    let limit = if proven { case.binding.spec.rollout.max_concurrent.try_into().unwrap() } else { 1 };
    assert!(open + starts.len() <= limit, "{open} are restarted and {starts:?}, {limit} allowed: {:?}", case.workloads);
    for workload in view.workloads.iter().filter(|it| starts.contains(&it.id().name.as_str())) {
        assert!(!workload.paused && workload.desired > 0, "{} is not to be restarted", workload.id());
    }
}

/// Whether the workload has been restarted, and has neither come up nor been given up.
fn is_open(case: &Case, verdict: &WorkloadVerdict) -> bool {
    let mark = verdict.workload.template_annotation(podidentity_api::names::IDENTITY_ANNOTATION);
    let records = case.binding.status.iter().flat_map(|status| &status.restarts);
    let mut recorded = records.filter(|record| {
        let id = verdict.workload.id();
        record.kind == id.kind.as_str() && record.name == id.name && record.uid == verdict.workload.metadata.uid
    });
    let given_up = matches!(
        verdict.phase,
        Phase::Failed { .. } | Phase::Lapsed { .. } | Phase::NotHelped { .. } | Phase::Excluded
    );
    let is_verified = verdict.pods.iter().all(|judged| judged.verdict.is_verified());
    let is_up = is_verified && verdict.workload.rolled_out;
    recorded.any(|record| mark == Some(&record.mark)) && !given_up && !is_up && !verdict.is_current() && waits(verdict)
}

/// Whether the restart must continue by itself. A workload that waits for a person or for another
/// identity has released its slot.
fn waits(verdict: &WorkloadVerdict) -> bool {
    matches!(verdict.phase, Phase::Rolling { .. } | Phase::Paused { .. })
}

/// The verdict on a workload does not depend on the other workloads. Every third reconcile tries
/// one of them.
fn judges_each_by_itself(world: &World, view: &Snapshot, case: &Case) {
    if case.workloads.len() < 2 || !world.steps.is_multiple_of(3) {
        return;
    }
    let chosen = usize::try_from(world.steps / 3).unwrap() % case.workloads.len();
    let verdict = &case.workloads[chosen];
    let id = verdict.workload.id();
    let is_of = |controller: &podidentity_core::objects::ControllerRef| {
        !controller.direct && controller.kind == id.kind.as_str() && controller.name == id.name
    };
    let pods = view.pods.iter().filter(|pod| pod.controller().is_some_and(is_of));
    let alone =
        Snapshot { workloads: vec![Arc::clone(&verdict.workload)], pods: pods.cloned().collect(), ..view.clone() };
    let alone = Assessment::of(&alone).owner.unwrap().workloads.remove(0);
    assert_eq!(alone.phase, verdict.phase, "{id} is judged by others: {:?}", case.binding.status);
    assert_eq!((alone.under_way, alone.record), (verdict.under_way, verdict.record.clone()));
}

/// A restart is blamed only if the workload was healthy when the restart was made, or recorded
/// before a crash, if no other manager changed the template before the failure, and if a pod fails.
fn fails_only_by_its_restart(world: &World, case: &Case) {
    if !world.sees_all() {
        return;
    }
    for verdict in &case.workloads {
        let Phase::Failed { cause: Cause::NotUp, message } = &verdict.phase else { continue };
        let workload = &world.cluster.workloads[&verdict.workload.id().name];
        let restart = workload.restart;
        // A change after the failure does not excuse it.
        let failed_before = verdict.record.as_ref().is_some_and(|record| record.failed.is_some());
        assert!(
            restart.is_some_and(|restart| restart.healthy && (!restart.edited || failed_before)),
            "{} is not to blame: {message}, {restart:?}, {:?}",
            verdict.workload.id(),
            verdict.record
        );
        let fails = workload.live().any(PodState::is_failing);
        assert!(fails, "{} is called broken, and no pod of it fails: {message}", verdict.workload.id());
    }
}

fn rolled(step: &Step) -> Option<&str> {
    match step {
        Step::Restart { workload, .. } => Some(&workload.name),
        Step::SetFinalizer { .. } | Step::Annotate { .. } | Step::Preflight(_) => None,
    }
}

/// What holds for every status.
pub fn of_report(world: &World, view: &Snapshot, report: &Report) {
    let counted = |workload: &Arc<Workload>| {
        // From the operator's view of the binding, which the report describes.
        let is_it = |it: &&Arc<PodIdentityBinding>| it.metadata.name.as_ref() == Some(&report.binding.name);
        let selector = view.bindings.iter().find(is_it).map(|it| &it.spec.rollout.workload_selector);
        selector.is_none_or(selects_all) || workload.labels.get("tier").is_some_and(|tier| tier == "app")
    };
    if is_ready(&report.status) {
        for workload in view.workloads.iter().filter(|it| counted(it)) {
            let id = workload.id();
            let is_of = |it: &podidentity_core::objects::ControllerRef| {
                it.kind == id.kind.as_str() && it.name == id.name && !it.direct
            };
            let has_pods = view
                .pods
                .iter()
                .any(|pod| pod.controller().is_some_and(is_of) && pod.phase == podidentity_core::objects::Phase::Alive);
            assert!(workload.desired == 0 || has_pods, "Ready, and {id} has no pods: {:?}", report.status);
        }
    }
    if world.sees_all() {
        proof_is_none_too_early(world, report);
    }
}

fn selects_all(selector: &podidentity_api::LabelSelector) -> bool {
    selector.is_empty()
}

/// A role counts as proven only after every workload that was restarted for it has come up, because
/// a rollback returns to this role.
fn proof_is_none_too_early(world: &World, report: &Report) {
    let Some(binding) = world.cluster.bindings.get(&report.binding.name) else { return };
    let before = binding.status.as_ref().and_then(|status| status.last_verified_role_arn.as_ref());
    let proven = report.status.last_verified_role_arn.as_ref();
    let selects_all = binding.spec.rollout.workload_selector.is_empty();
    let here = world.cluster.workloads.values().filter(|it| !it.template.elsewhere && (selects_all || !it.left_out));
    let managed = here.clone().any(|it| it.live().count() > 0);
    let mut strays = world.cluster.unmanaged.iter().map(|it| &it.pod).filter(|pod| pod.is_live());
    let unready = !managed && strays.any(|pod| !pod.is_ready());
    assert!(proven == before || !unready, "{proven:?} is proven by a pod that is not ready: {:?}", report.status);
    let mut down = here.filter(|it| it.replicas > 0 && !it.has_come_up() && !it.live().all(sim::PodState::is_ready));
    let down = down.next();
    assert!(proven == before || down.is_none(), "{proven:?} is proven while a workload is not up: {down:?}");
}

/// `config/enforcement` always admits pods that get the role that the operator has put on the
/// service account, however far the operator has got: between two of its steps, after a crash,
/// while a status is outdated. The exception is a role that was declared a moment ago and is
/// already replaced: the operator has not seen the newer declaration yet.
pub fn enforcement_admits(world: &World, view: &Snapshot) {
    let Some(offered) = world.cluster.account.as_ref().and_then(sim::Account::role_by_our_hand) else { return };
    if !world.sees_all() || world.cluster.role_rewritten.is_some() || world.cluster.faults.status_refused {
        return;
    }
    // A binding that lost the service account to another one of the same second demands its role
    // until its status is written.
    let bindings: Vec<_> = world.cluster.bindings.values().cloned().map(Arc::new).collect();
    let Some(binding) = Claim::of(&bindings).owner else { return };
    let version = |it: &ObjectMeta| (it.uid.clone(), it.generation);
    let seen = view.bindings.iter().any(|it| version(&it.metadata) == version(&binding.metadata));
    let demanded = demanded_roles(&binding);
    let admitted = !seen || demanded.is_empty() || demanded.contains(&offered);
    assert!(admitted, "{offered} would be refused: {binding:?}");
}

/// The roles that `config/enforcement` accepts for a binding; empty if it demands nothing.
fn demanded_roles(binding: &PodIdentityBinding) -> Vec<&str> {
    let Some(status) = &binding.status else { return Vec::new() };
    let (None, Some(in_force)) = (&binding.metadata.deletion_timestamp, &status.role_arn) else { return Vec::new() };
    let rolled_back = status.rollback.as_ref().filter(|it| Some(it.generation) == binding.metadata.generation);
    // The policy cannot see the object that a binding refers to.
    let declared = if is_indirect(binding) { status.declared_role_arn.as_ref() } else { Some(&binding.spec.role_arn) };
    [Some(in_force), rolled_back.map(|it| &it.to).or(declared)].into_iter().flatten().map(String::as_str).collect()
}

/// Since the world was left alone, no workload has restarted more often than a day allows.
pub fn restarts_are_bounded(world: &World) {
    for (name, tried) in &world.cluster.tried {
        assert!(*tried <= MOST_IN_A_DAY, "{name} was restarted {tried} times: {:?}", world.cluster.bindings);
    }
}
