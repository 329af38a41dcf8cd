//! Takes a role away from running pods when a binding with `deletionPolicy: Revoke` is deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus, Reason, RestartStatus, RolloutPolicy, names};

use crate::account;
use crate::desired_identity::short_hash;
use crate::injection::{ROLE_ARN, VOLUME, has_agent_volume};
use crate::objects::{ControllerRef, Pod, PodSpec, UpdateStrategy, Workload, WorkloadId};
use crate::restart_record::{self, Records};
use crate::rollout::{Progress, Restarted, held_back_from, is_below_partition, is_selected, patience, settled_at};
use crate::schedule::not_before;
use crate::snapshot::Snapshot;
use crate::verify::{JudgedPod, PodVerdict};
use crate::windows::{Opening, Pace};

/// The state of a revocation: what is left to do, and what cannot be done.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// Whether new pods still get the role from the operator's annotation, which has to go first.
    pub is_offered: bool,
    /// The field manager that keeps the role on the service account, if there is one. No restart
    /// then takes the role from pods.
    pub kept_by: Option<String>,
    /// Workloads and pods, as `Kind/name`, with the credentials of an EKS Pod Identity association.
    /// No restart takes these from them, and they do not delay the deletion of the binding.
    pub associated: Vec<String>,
    /// Restarts to make; those that the status records come first.
    pub due: Vec<Due>,
    /// Workloads that are being restarted, with their records.
    pub under_way: Vec<(WorkloadId, Option<RestartStatus>)>,
    /// Rollouts with pods that still have the role and that go without a restart.
    pub leaving: Vec<WorkloadId>,
    /// Restarts that the API server refuses, and when each is tried again.
    pub refused: Vec<(RestartStatus, Timestamp)>,
    /// Workloads and pods, as `Kind/name`, that have the role and that the operator does not
    /// restart: paused, `OnDelete`, below a partition, excluded by the binding's selector or policy,
    /// without progress in a restart, Jobs, and bare pods. They do not delay the deletion of the
    /// binding.
    pub kept: Vec<String>,
    /// The end of the settle time, after which the webhook is expected to have forgotten the
    /// annotation, if it is still ahead.
    pub settles_at: Option<Timestamp>,
    /// The opening of the next restart window, if due restarts wait for it.
    pub opening: Option<Opening>,
    /// When the binding's interval allows the next restart, if that time is still ahead.
    pub not_before: Option<Timestamp>,
    /// Whether the binding sets an interval, so that one workload is restarted at a time.
    pub one_by_one: bool,
    /// When to check again if no event arrives.
    pub check_at: Option<Timestamp>,
}

/// A restart that takes the role from pods.
#[derive(Clone, Debug)]
pub struct Due {
    /// The workload.
    pub workload: Arc<Workload>,
    /// The mark that the restart writes to the pod template.
    pub mark: String,
    /// Whether the status records the restart.
    pub recorded: bool,
    /// The workload's record of this restart.
    pub record: Option<RestartStatus>,
}

impl Revocation {
    /// Whether no restart is left to be made or waited for.
    pub fn is_finished(&self) -> bool {
        let restarts = self.due.len() + self.under_way.len() + self.refused.len();
        !self.is_offered && restarts == 0 && self.leaving.is_empty()
    }

    /// Why a due restart is not made now, apart from the settle time.
    pub(crate) fn later(&self) -> Option<String> {
        let window = self.opening.as_ref().map(|opening| {
            format!("the next restart window opens on {opening}; to restart at once, remove rollout.windows")
        });
        let interval = self.not_before.map(|at| format!("the next one is restarted at {at} (rollout.interval)"));
        window.or(interval)
    }

    /// Applies restart windows and the interval to these restarts too.
    fn keep_pace(&mut self, snapshot: &Snapshot, binding: &PodIdentityBinding, records: &Records<'_>) {
        let Some(next) = self.due.first().map(|due| due.workload.id()) else { return };
        let pace = Pace::of(&binding.spec.rollout, snapshot.now);
        let others = snapshot.workloads.iter().filter(|workload| workload.id() != next);
        let others = others.map(|workload| (&**workload, records.get(workload)));
        let not_before = pace.interval.and_then(|interval| not_before(others, interval));
        self.not_before = not_before.filter(|at| *at > snapshot.now);
        self.one_by_one = pace.interval.is_some();
        self.opening = pace.gate.opening().cloned();
        self.look_again_at(self.not_before);
        self.look_again_at(self.opening.as_ref().map(|opening| opening.at));
        self.look_again_at(pace.gate.closes_at());
    }

    /// Names the workload as one whose pods keep the role, if there are any.
    fn keep<'a>(&mut self, workload: &Workload, pods: impl Iterator<Item = &'a Pod>) {
        let mut pods = pods.peekable();
        if pods.peek().is_none() {
            return;
        }
        let id = workload.id();
        self.kept.push(match workload.strategy {
            UpdateStrategy::Partition(number) if pods.all(|pod| is_below_partition(workload, pod)) => {
                format!("{id} (those below number {number}, its partition)")
            }
            _ => id.to_string(),
        });
    }

    fn look_again_at(&mut self, at: Option<Timestamp>) {
        self.check_at = self.check_at.into_iter().chain(at).min();
    }
}

/// Finds the workloads whose live pods still have the role, and decides which of them to restart.
pub(crate) fn judge(snapshot: &Snapshot, binding: &PodIdentityBinding) -> Revocation {
    let settings = &snapshot.config.settings;
    let account = snapshot.service_account.as_deref();
    if account.and_then(|account| account::role_by_our_hand(account, settings)).is_some() {
        return Revocation { is_offered: true, ..Revocation::default() };
    }
    let roles = Roles {
        given: given_roles(binding),
        has_given: has_given(binding),
        of_another: account.and_then(|account| account::role_on(account, settings)),
        mark: mark(binding),
    };
    let mut revocation = Revocation {
        kept_by: account.and_then(|account| account::kept_by(account, settings, &roles.given)),
        ..Revocation::default()
    };
    let records = Records::of(binding);
    for workload in &snapshot.workloads {
        judge_workload(&mut revocation, snapshot, binding, &records, workload, &roles);
    }
    // Until the status records when the annotations were released, the settle time has not begun.
    let released_at = released_at(binding).or(Some(snapshot.now));
    let settles_at = settled_at(released_at, binding.spec.rollout.settle_seconds);
    revocation.settles_at = settles_at.filter(|at| *at > snapshot.now && !revocation.due.is_empty());
    revocation.look_again_at(revocation.settles_at);
    revocation.due.sort_by_key(|due| (!due.recorded, due.workload.id()));
    revocation.keep_pace(snapshot, binding, &records);
    revocation.kept.extend(unmanaged(snapshot, &roles));
    revocation.associated = with_credentials(snapshot);
    revocation
}

/// Pods with the role that go without a restart of ours, unless their controller is away. `until`:
/// how long they are waited for; `None`: they keep the role.
fn wait_for_leaving(revocation: &mut Revocation, workload: &Workload, pods: Vec<&Pod>, until: Option<Timestamp>) {
    match until {
        _ if pods.is_empty() => {}
        None => revocation.keep(workload, pods.into_iter()),
        Some(until) => {
            revocation.look_again_at(Some(until));
            revocation.leaving.push(workload.id());
        }
    }
}

fn judge_workload(
    revocation: &mut Revocation,
    snapshot: &Snapshot,
    binding: &PodIdentityBinding,
    records: &Records<'_>,
    workload: &Arc<Workload>,
    roles: &Roles<'_>,
) {
    let mark = &roles.mark;
    let (leaving, pods): (Vec<_>, Vec<_>) =
        live_pods(snapshot, workload).partition(|judged| workload.is_leaving(&judged.pod));
    let left_out = binding.spec.rollout.policy == RolloutPolicy::Never || !is_selected(workload, &binding.spec.rollout);
    let patience = patience(workload, binding.spec.rollout.progress_deadline_seconds);
    let leaving = leaving.iter().map(|judged| &*judged.pod).filter(|pod| roles.injected(pod, workload));
    let until = released_at(binding).unwrap_or(snapshot.now) + patience;
    let goes = !left_out && revocation.kept_by.is_none() && until > snapshot.now;
    wait_for_leaving(revocation, workload, leaving.collect(), goes.then_some(until));
    let with_role = || pods.iter().map(|judged| &*judged.pod).filter(|pod| roles.injected(pod, workload));
    // A restart does not reach the pods below a partition.
    let has_role = with_role().any(|pod| !is_below_partition(workload, pod));
    let marked = workload.template_annotation(names::IDENTITY_ANNOTATION) == Some(mark);
    let record = records.get(workload).filter(|record| record.mark == *mark);
    if marked && (record.is_some() || !records.has_status) {
        let it = Restarted { workload, pods: &pods, patience, now: snapshot.now };
        match it.progress(!has_role) {
            Progress::Coming(at) => {
                revocation.look_again_at(at);
                revocation.under_way.push((workload.id(), record.cloned()));
            }
            Progress::Up | Progress::Stopped | Progress::Paused(_) => revocation.keep(workload, with_role()),
        }
        return;
    }
    let leaves = workload.metadata.deletion_timestamp.is_some();
    let is_held = !has_role || leaves || held_back_from(workload, with_role()).is_some();
    if left_out || marked || revocation.kept_by.is_some() || is_held {
        return revocation.keep(workload, with_role());
    }
    revocation.keep(workload, with_role().filter(|pod| is_below_partition(workload, pod)));
    if let Some((record, (_, until))) =
        record.and_then(|record| Some((record, restart_record::refusal(record, workload, snapshot.now)?)))
    {
        revocation.look_again_at(Some(until));
        revocation.refused.push((record.clone(), until));
        return;
    }
    let recorded = record.is_some_and(|record| restart_record::is_of(record, workload, mark));
    revocation.due.push(Due { workload: Arc::clone(workload), mark: mark.clone(), recorded, record: record.cloned() });
}

/// The roles in the status: the role in force, and the last verified role.
pub(crate) fn recorded_roles(binding: &PodIdentityBinding) -> impl Iterator<Item = &str> {
    let status = binding.status.iter();
    status.flat_map(|status| [&status.role_arn, &status.last_verified_role_arn]).flatten().map(String::as_str)
}

/// The roles that are to be taken from pods.
struct Roles<'a> {
    /// The roles that the binding is known to have given.
    given: BTreeSet<&'a str>,
    /// Whether the binding may have given others before these.
    has_given: bool,
    /// The role that another manager has put on the service account. No restart takes it away.
    of_another: Option<&'a str>,
    /// The mark of the revocation.
    mark: String,
}

impl Roles<'_> {
    /// Whether the pod has one of the roles by injection, not from its workload's template.
    fn injected(&self, pod: &Pod, workload: &Workload) -> bool {
        let preset = roles_set(&workload.template.spec);
        roles_set(&pod.spec).difference(&preset).any(|role| self.are_of(role, pod))
    }

    /// Whether the revocation made the pod. The binding has given it nothing, unless the webhook was
    /// late.
    fn is_after(&self, pod: &Pod) -> bool {
        pod.annotation(names::IDENTITY_ANNOTATION) == Some(&self.mark)
    }

    /// Whether the role is one of them. While a role is changed several times, a pod may have any of
    /// those in between, and no record would have them all after a crash. So whatever the webhook
    /// has given to the pod counts, unless another manager gives it still, or may have given it after
    /// the revocation.
    fn are_of(&self, role: &str, pod: &Pod) -> bool {
        let by_another = || self.is_after(pod) && self.of_another.is_some();
        let by_webhook = || pod.spec.volumes.iter().any(|volume| volume.name == VOLUME) && !by_another();
        self.given.contains(role) || self.has_given && self.of_another != Some(role) && by_webhook()
    }
}

/// Whether the operator may have written a role for the binding. A status without any role is that
/// of a binding that was never in force, for want of a grant, for example.
fn has_given(binding: &PodIdentityBinding) -> bool {
    let written = |status: &PodIdentityBindingStatus| {
        status.service_account.as_ref().is_some_and(|account| account.written_role_arn.is_some())
    };
    binding.status.as_ref().is_none_or(|status| recorded_roles(binding).next().is_some() || written(status))
}

/// The roles that the binding is known to have given: the declared role, the role in force, and the
/// last verified role.
fn given_roles(binding: &PodIdentityBinding) -> BTreeSet<&str> {
    recorded_roles(binding).chain([binding.spec.role_arn.as_str()]).collect()
}

/// When the operator released the annotations, as the status of the deleted binding records it.
fn released_at(binding: &PodIdentityBinding) -> Option<Timestamp> {
    let released = |it: &&Condition| {
        it.type_ == condition::SERVICE_ACCOUNT_ANNOTATED && it.status == "False" && Reason::Released.is(&it.reason)
    };
    let status = binding.status.as_ref()?;
    status.conditions.iter().find(released).map(|it| it.last_transition_time.0)
}

/// The template mark of a revocation. A binding always has the same one, and it is never the hash
/// of an identity.
fn mark(binding: &PodIdentityBinding) -> String {
    let uid = binding.metadata.uid.as_deref().unwrap_or_default();
    format!("revoked-{}", short_hash(&format!("revoked by {uid}")))
}

fn live_pods<'a>(snapshot: &'a Snapshot, workload: &'a Workload) -> impl Iterator<Item = JudgedPod> + 'a {
    let pods = snapshot.pods.iter().filter(|pod| pod.is_live() && is_of(pod, workload));
    pods.map(|pod| JudgedPod { pod: Arc::clone(pod), verdict: PodVerdict::default() })
}

fn is_of(pod: &Pod, workload: &Workload) -> bool {
    let owner = pod.controller().filter(|owner| !owner.direct);
    owner.is_some_and(|owner| {
        owner.kind == workload.kind.as_str() && Some(&owner.name) == workload.metadata.name.as_ref()
    })
}

/// The live pods that get credentials from an association, each as `Kind/name` of its controller,
/// or of the pod if it has none.
fn with_credentials(snapshot: &Snapshot) -> Vec<String> {
    let has = |pod: &&Arc<Pod>| pod.is_live() && has_agent_volume(pod);
    snapshot.pods.iter().filter(has).map(|pod| owner_of(pod)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// `Kind/name` of the pod's controller, or of the pod if it has none.
fn owner_of(pod: &Pod) -> String {
    match ControllerRef::of(&pod.metadata) {
        Some(owner) => format!("{}/{}", owner.kind, owner.name),
        None => format!("Pod/{}", pod.name()),
    }
}

/// The roles that the containers' environment variables name.
fn roles_set(spec: &PodSpec) -> BTreeSet<&str> {
    let variables =
        spec.all_containers().flat_map(|container| &container.env).filter(|variable| variable.name == ROLE_ARN);
    variables.filter_map(|variable| variable.value.as_deref()).collect()
}

/// The live pods that have one of the roles and belong to no workload, each as `Kind/name` of its
/// controller, or of the pod if it has none.
fn unmanaged(snapshot: &Snapshot, roles: &Roles<'_>) -> BTreeSet<String> {
    let is_unmanaged = |pod: &&Arc<Pod>| !snapshot.workloads.iter().any(|workload| is_of(pod, workload));
    let has_role = |pod: &&Arc<Pod>| roles_set(&pod.spec).iter().any(|role| roles.are_of(role, pod));
    let pods = snapshot.pods.iter().filter(|pod| pod.is_live()).filter(has_role).filter(is_unmanaged);
    pods.map(|pod| owner_of(pod)).collect()
}
