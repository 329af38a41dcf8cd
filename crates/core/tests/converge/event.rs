//! The possible events, and how often they happen.

use jiff::SignedDuration;
use podidentity_api::{
    ConflictPolicy, DeletionPolicy, FailurePolicy, Mechanism, PodIdentityBindingSpec, PreflightPolicy, RolloutPolicy,
};
use proptest::prelude::*;

use crate::account_change::{AccountChange, account_change};
use crate::pace;
use crate::sim::{PodTrouble, UnmanagedKind, reference};
use crate::world::{Part, ROLES, WORKLOADS};

/// An event in the world.
#[derive(Clone, Debug)]
pub enum Event {
    Bind(usize, usize),
    DeleteBinding(usize),
    /// The spec of a binding changes.
    Spec(usize, SpecChange),
    /// The object that bindings refer to changes.
    RoleObject(RoleObject),
    /// A person releases the current generation.
    Release(usize),
    /// A person removes the finalizers of a binding and creates it anew, without its status.
    CreateAnew(usize),
    CreateAccount,
    Account(AccountChange),
    /// Creates a workload in one of the shapes of its kind, or scales it.
    Deploy {
        workload: usize,
        shape: usize,
        replicas: usize,
    },
    DeleteWorkload(usize),
    /// A user changes the template.
    Edit(usize, Edit),
    /// The surroundings of a workload change.
    Switch(usize, Switch),
    /// A Rollout is promoted.
    Promote(usize),
    /// A node is drained.
    Drain(usize),
    /// Something happens to one pod.
    Pod(usize, PodTrouble),
    /// A node of a DaemonSet goes down or comes back.
    Node(usize, usize, bool),
    /// The controller of the workload takes one step.
    PodProgress(usize),
    RolloutFinishes(usize),
    Unmanaged(UnmanagedKind),
    EndUnmanaged,
    Webhook(bool),
    /// EKS gets an association for the service account, or loses it.
    Association(bool),
    WebhookLag(i64),
    /// Writes start or stop to fail in this way.
    Fault(Fault),
    /// Something changes in AWS, on the way to it, or in the operator's flags for it.
    Aws(Aws),
    /// How many restarts the operator-wide limit allows.
    Slots(usize),
    TimePasses(i64),
    /// The operator reconciles, and takes at most this many steps before a crash.
    Reconcile(usize),
    /// From now on, the operator sees one kind of object in its current state, or sees all current
    /// states again.
    Behind(Part, bool),
    /// Everything that works comes to rest, and everything that is broken stays broken.
    Endure,
    /// Everything works and comes to rest.
    Quiet,
}

/// A change of the object that bindings refer to.
#[derive(Clone, Copy, Debug)]
pub enum RoleObject {
    Has(usize),
    HasNone,
    Goes,
}

/// A change of a binding's spec.
#[derive(Clone, Copy, Debug)]
pub enum SpecChange {
    OnConflict(ConflictPolicy),
    Suspend(bool),
    Audience(bool),
    Lifetime(bool),
    Regional(Option<bool>),
    OnFailure(FailurePolicy),
    Policy(RolloutPolicy),
    MaxConcurrent(i32),
    Settle(i32),
    Deadline(i32),
    Selector(bool),
    Deletion(DeletionPolicy),
    Preflight(Option<PreflightPolicy>),
    /// Restart windows, one of several kinds.
    Windows(usize),
    /// The interval, in seconds.
    Interval(Option<i64>),
    /// The binding takes the role of the object that it refers to.
    Refer,
    Mechanism(Mechanism),
}

impl SpecChange {
    pub fn make(self, spec: &mut PodIdentityBindingSpec) {
        match self {
            Self::OnConflict(policy) => spec.on_conflict = policy,
            Self::Suspend(on) => spec.suspend = on,
            Self::Audience(on) => spec.audience = on.then(|| "a.example".to_owned()),
            Self::Lifetime(on) => spec.token_expiration_seconds = on.then_some(3600),
            Self::Regional(regional) => spec.sts_regional_endpoints = regional,
            Self::OnFailure(policy) => spec.rollout.on_failure = policy,
            Self::Policy(policy) => spec.rollout.policy = policy,
            Self::MaxConcurrent(most) => spec.rollout.max_concurrent = most,
            Self::Settle(seconds) => spec.rollout.settle_seconds = seconds,
            Self::Deadline(seconds) => spec.rollout.progress_deadline_seconds = seconds,
            Self::Selector(on) => {
                spec.rollout.workload_selector.match_labels =
                    on.then(|| ("tier".to_owned(), "app".to_owned())).into_iter().collect();
            }
            Self::Deletion(policy) => spec.deletion_policy = policy,
            Self::Preflight(policy) => spec.preflight = policy,
            Self::Windows(which) => spec.rollout.windows = pace::windows(which),
            // The API server accepts no annotation fields with EKS Pod Identity.
            Self::Mechanism(Mechanism::PodIdentity) => {
                spec.mechanism = Mechanism::PodIdentity;
                (spec.audience, spec.token_expiration_seconds, spec.sts_regional_endpoints) = (None, None, None);
                spec.preflight = None;
            }
            Self::Mechanism(Mechanism::Irsa) => spec.mechanism = Mechanism::Irsa,
            Self::Refer => (spec.role_arn, spec.role_ref) = (String::new(), Some(reference())),
            Self::Interval(seconds) => spec.rollout.interval = seconds.map(|seconds| format!("{seconds}s")),
        }
    }
}

/// A change in AWS, on the way to it, or of the operator's flags for it.
#[derive(Clone, Copy, Debug)]
pub enum Aws {
    /// AWS permits no one to assume the role, or does again.
    Refuses(usize, bool),
    Away(bool),
    NoTokens(bool),
    /// The operator's `--preflight`.
    Asked(PreflightPolicy),
    /// The operator's `--preflight-on-unavailable=proceed`.
    Proceed(bool),
    /// The operator's `--preflight-recheck`.
    Recheck(Option<SignedDuration>),
}

/// A change of a template.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    Revision,
    Preset(bool),
    Elsewhere(bool),
    Mounts(bool),
    Revert,
    Undo,
}

/// A change in the surroundings of a workload.
#[derive(Clone, Copy, Debug)]
pub enum Switch {
    Paused(bool),
    /// New pods never become ready, or do again.
    Broken(bool),
    /// New pods with this role never become ready.
    BrokenAs(usize),
    NeedsRole,
    Quota(bool),
    /// New pods find no node or no image, or do again.
    Stuck(bool),
    Refused(bool),
    /// Admission changes the operator's mark, or removes it.
    Rewritten(Option<&'static str>),
}

/// A failure of writes.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    RoleRewritten(Option<&'static str>),
    AccountRefused(bool),
    StatusRefused(bool),
    Lost(usize),
    Unanswered(usize),
}

fn spec_change() -> impl Strategy<Value = SpecChange> {
    let on_failure =
        prop_oneof![Just(FailurePolicy::Halt), Just(FailurePolicy::Continue), Just(FailurePolicy::Rollback)];
    let policy = prop_oneof![4 => Just(RolloutPolicy::Automatic), 1 => Just(RolloutPolicy::Manual), 1 => Just(RolloutPolicy::Never)];
    let deletion = prop_oneof![
        1 => Just(DeletionPolicy::Release), 3 => Just(DeletionPolicy::Revoke), 1 => Just(DeletionPolicy::Retain)
    ];
    prop_oneof![
        prop_oneof![Just(ConflictPolicy::Report), Just(ConflictPolicy::TakeOver), Just(ConflictPolicy::Override)]
            .prop_map(SpecChange::OnConflict),
        prop_oneof![2 => Just(false), 1 => Just(true)].prop_map(SpecChange::Suspend),
        any::<bool>().prop_map(SpecChange::Audience),
        any::<bool>().prop_map(SpecChange::Lifetime),
        any::<Option<bool>>().prop_map(SpecChange::Regional),
        on_failure.prop_map(SpecChange::OnFailure),
        policy.prop_map(SpecChange::Policy),
        (1..4_i32).prop_map(SpecChange::MaxConcurrent),
        prop_oneof![Just(0), Just(2), Just(10)].prop_map(SpecChange::Settle),
        prop_oneof![Just(10), Just(60), Just(600)].prop_map(SpecChange::Deadline),
        any::<bool>().prop_map(SpecChange::Selector),
        deletion.prop_map(SpecChange::Deletion),
        proptest::option::of(preflight()).prop_map(SpecChange::Preflight),
        (0..pace::WINDOWS).prop_map(SpecChange::Windows),
        proptest::option::of(prop_oneof![Just(30), Just(600), Just(7200)]).prop_map(SpecChange::Interval),
        Just(SpecChange::Refer),
        mechanism().prop_map(SpecChange::Mechanism),
    ]
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    prop_oneof![Just(Mechanism::Irsa), Just(Mechanism::PodIdentity)]
}

fn preflight() -> impl Strategy<Value = PreflightPolicy> {
    prop_oneof![
        1 => Just(PreflightPolicy::Never), 1 => Just(PreflightPolicy::Report), 3 => Just(PreflightPolicy::Require)
    ]
}

fn aws() -> impl Strategy<Value = Aws> {
    prop_oneof![
        4 => (0..ROLES.len(), any::<bool>()).prop_map(|(role, refuses)| Aws::Refuses(role, refuses)),
        2 => any::<bool>().prop_map(Aws::Away),
        1 => any::<bool>().prop_map(Aws::NoTokens),
        2 => preflight().prop_map(Aws::Asked),
        1 => any::<bool>().prop_map(Aws::Proceed),
        1 => proptest::option::of(Just(SignedDuration::from_mins(10))).prop_map(Aws::Recheck),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => Just(Edit::Revision),
        1 => any::<bool>().prop_map(Edit::Preset),
        1 => any::<bool>().prop_map(Edit::Elsewhere),
        1 => prop_oneof![3 => Just(false), 1 => Just(true)].prop_map(Edit::Mounts),
        1 => Just(Edit::Revert),
        2 => Just(Edit::Undo),
    ]
}

fn switch() -> impl Strategy<Value = Switch> {
    let rewritten = prop_oneof![2 => Just(None), 1 => Just(Some("other")), 1 => Just(Some(""))];
    prop_oneof![
        any::<bool>().prop_map(Switch::Paused),
        any::<bool>().prop_map(Switch::Broken),
        (0..ROLES.len()).prop_map(Switch::BrokenAs),
        Just(Switch::NeedsRole),
        any::<bool>().prop_map(Switch::Quota),
        any::<bool>().prop_map(Switch::Stuck),
        any::<bool>().prop_map(Switch::Refused),
        rewritten.prop_map(Switch::Rewritten),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let rewritten = prop_oneof![2 => Just(None), 1 => Just(Some("other")), 1 => Just(Some(""))];
    prop_oneof![
        rewritten.prop_map(Fault::RoleRewritten),
        any::<bool>().prop_map(Fault::AccountRefused),
        prop_oneof![2 => Just(false), 1 => Just(true)].prop_map(Fault::StatusRefused),
        (1..3_usize).prop_map(Fault::Lost),
        (1..3_usize).prop_map(Fault::Unanswered),
    ]
}

fn pod_trouble() -> impl Strategy<Value = PodTrouble> {
    prop_oneof![
        Just(PodTrouble::Fails),
        Just(PodTrouble::Terminates),
        Just(PodTrouble::Unready),
        Just(PodTrouble::Recovers),
        Just(PodTrouble::Ends),
    ]
}

fn unmanaged_kind() -> impl Strategy<Value = UnmanagedKind> {
    prop_oneof![Just(UnmanagedKind::Bare), Just(UnmanagedKind::Job), Just(UnmanagedKind::Direct)]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![Just(Part::Workloads), Just(Part::Pods), Just(Part::Account), Just(Part::Bindings)]
}

/// Actions of users on bindings and accounts.
fn of_identity() -> impl Strategy<Value = Event> {
    let binding = prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    prop_oneof![
        4 => (binding.clone(), 0..ROLES.len()).prop_map(|(name, role)| Event::Bind(name, role)),
        1 => binding.clone().prop_map(Event::DeleteBinding),
        1 => binding.clone().prop_map(Event::CreateAnew),
        5 => (binding.clone(), spec_change()).prop_map(|(name, change)| Event::Spec(name, change)),
        1 => binding.prop_map(Event::Release),
        2 => prop_oneof![
            6 => (0..ROLES.len()).prop_map(|role| Event::RoleObject(RoleObject::Has(role))),
            1 => Just(Event::RoleObject(RoleObject::HasNone)),
            1 => Just(Event::RoleObject(RoleObject::Goes)),
        ],
        3 => Just(Event::CreateAccount),
        1 => account_change().prop_map(Event::Account),
    ]
}

/// Events of workloads and pods.
fn of_workloads() -> impl Strategy<Value = Event> {
    let workload = || 0..WORKLOADS.len();
    prop_oneof![
        6 => (workload(), 0..4_usize, 0..4_usize)
            .prop_map(|(workload, shape, replicas)| Event::Deploy { workload, shape, replicas }),
        1 => workload().prop_map(Event::DeleteWorkload),
        3 => (workload(), edit()).prop_map(|(name, edit)| Event::Edit(name, edit)),
        3 => (workload(), switch()).prop_map(|(name, switch)| Event::Switch(name, switch)),
        1 => workload().prop_map(Event::Promote),
        1 => workload().prop_map(Event::Drain),
        2 => (workload(), pod_trouble()).prop_map(|(name, trouble)| Event::Pod(name, trouble)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(node, down)| Event::Node(3, node, down)),
        6 => workload().prop_map(Event::PodProgress),
        4 => workload().prop_map(Event::RolloutFinishes),
        1 => unmanaged_kind().prop_map(Event::Unmanaged),
        1 => Just(Event::EndUnmanaged),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        14 => of_identity(),
        28 => of_workloads(),
        2 => any::<bool>().prop_map(Event::Webhook),
        1 => any::<bool>().prop_map(Event::Association),
        1 => (0..10_i64).prop_map(Event::WebhookLag),
        2 => fault().prop_map(Event::Fault),
        3 => aws().prop_map(Event::Aws),
        1 => (0..3_usize).prop_map(Event::Slots),
        5 => prop_oneof![4 => 0..40_i64, 1 => 0..4000_i64].prop_map(Event::TimePasses),
        14 => prop_oneof![1 => 0..3_usize, 2 => Just(usize::MAX)].prop_map(Event::Reconcile),
        3 => (part(), any::<bool>()).prop_map(|(part, behind)| Event::Behind(part, behind)),
        2 => Just(Event::Endure),
        2 => Just(Event::Quiet),
    ]
}

/// Usually a binding whose workloads have the role, some of them with a new role that is being
/// rolled out.
pub fn beginning() -> impl Strategy<Value = Vec<Event>> {
    let deployed = proptest::collection::vec((0..WORKLOADS.len(), 0..4_usize, 1..4_usize), 1..5);
    let changed = prop_oneof![
        2 => Just(Vec::new()),
        2 => Just(vec![Event::Bind(0, 1)]),
        1 => (0..WORKLOADS.len()).prop_map(|failing| vec![
            Event::Spec(0, SpecChange::OnFailure(FailurePolicy::Rollback)),
            Event::Switch(failing, Switch::BrokenAs(1)),
            Event::Bind(0, 1),
        ]),
        1 => spec_change().prop_map(|change| vec![Event::Spec(0, change), Event::Bind(0, 1)]),
        1 => Just(vec![
            Event::RoleObject(RoleObject::Has(0)), Event::Spec(0, SpecChange::Refer), Event::RoleObject(RoleObject::Has(1)),
        ]),
        1 => any::<bool>().prop_map(|exists| vec![
            Event::Association(exists), Event::Spec(0, SpecChange::Mechanism(Mechanism::PodIdentity)),
        ]),
        1 => any::<bool>().prop_map(|refuses| vec![
            Event::Spec(0, SpecChange::Preflight(Some(PreflightPolicy::Require))),
            Event::Aws(Aws::Refuses(1, refuses)),
            Event::Bind(0, 1),
        ]),
    ];
    let bound = (deployed, changed, any::<bool>()).prop_map(|(deployed, changed, before)| {
        let deploy = |(workload, shape, replicas)| Event::Deploy { workload, shape, replicas };
        let mut events: Vec<Event> = deployed.into_iter().map(deploy).collect();
        events.extend([Event::Endure, Event::CreateAccount]);
        let bind = [Event::Bind(0, 0), Event::Endure];
        if before {
            events.splice(0..0, [Event::CreateAccount, Event::Bind(0, 0)]);
        } else {
            events.extend(bind);
        }
        events.extend(changed);
        events
    });
    prop_oneof![1 => Just(Vec::new()), 5 => bound]
}
