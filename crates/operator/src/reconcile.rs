//! One reconcile, from top to bottom.
//!
//! ```text
//! take memory ──► decide ──► write ──► events ──► decide again ──► statuses ──► when is it due? ──► put memory back
//! ```

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::http::clock::Clock;
use podidentity_cluster::index::{IdentityKey, Index};
use podidentity_cluster::preflight::{Asked, Preflights};
use podidentity_cluster::write::events::EventPublisher;
use podidentity_cluster::write::status::{StatusWriter, WrittenStatuses};
use podidentity_cluster::write::steps::{Written, write_steps};
use podidentity_core::assess::Assessment;
use podidentity_core::outcome::{Outcome, Problem, ProblemKind};
use podidentity_core::plan::{Plan, plan};
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::status::{Report, deletion_events, reports, step_events, transitions};
use podidentity_core::step::Step;
use tokio::time::Instant;
use tracing::info;

use crate::args::DryRun;
use crate::memory::{Memories, Memory};
use crate::metrics::Metrics;
use crate::rollout_limit::SharedRolloutLimit;

/// Delay of a question that is postponed because too many others are under way.
const POSTPONED: Duration = Duration::from_secs(1);

/// The dependencies of a reconcile.
pub(crate) struct Reconciler {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) index: Index,
    pub(crate) events: EventPublisher,
    pub(crate) metrics: Metrics,
    pub(crate) preflights: Preflights,
    pub(crate) config: Arc<Config>,
    pub(crate) dry_run: DryRun,
    pub(crate) rollout_limit: SharedRolloutLimit,
    pub(crate) memories: Memories,
}

/// A decision and its inputs.
struct Decision {
    snapshot: Snapshot,
    assessment: Assessment,
    plan: Plan,
}

/// No binding names the identity any more, or the operator no longer looks after its namespace.
struct Unbound;

impl Reconciler {
    /// Reconciles one identity. Returns when the identity is due again if no event arrives.
    pub(crate) async fn reconcile(self: Arc<Self>, key: IdentityKey) -> Option<Instant> {
        let mut memory = self.memories.take(&key);
        let Ok(due) = self.run(&key, &mut memory).await else {
            // Nothing is left to do for the identity.
            self.rollout_limit.set(&key, 0);
            return None;
        };
        self.memories.put(key, memory);
        due
    }

    /// Intent before act: the plan contains a restart only after the status has recorded it. This
    /// round writes the status, and the next one restarts.
    async fn run(&self, key: &IdentityKey, memory: &mut Memory) -> Result<Option<Instant>, Unbound> {
        let decision = self.decide(key, memory)?;
        let written = self.write(key, &decision.plan, memory).await;
        let mut outcome = Outcome::of(&decision.assessment, written.done, written.problems);
        outcome.withheld = written.withheld;
        if let Some(Asked { answered, took }) = written.asked {
            self.metrics.asked(&answered.verdict, took);
            outcome.answered = Some(answered);
        }
        self.count(key, &decision.plan, &outcome, memory);
        outcome.restored = outcome.restored.or_else(|| memory.unreported_restoration.take());
        self.publish_events(&decision, &outcome).await;

        // The status describes the state after the writes, so the index must have them first.
        for object in written.objects {
            self.index.refresh(object);
        }
        let progressed = !outcome.done.is_empty() || !outcome.problems.is_empty();
        let after = if progressed { self.decide(key, memory)? } else { decision };
        if more_follows_at_once(&after, &outcome) {
            return Ok(Some(Instant::now()));
        }
        let problem = outcome.problems.iter().find(|problem| !is_recorded(problem)).map(|problem| problem.kind);
        if !memory.backoff.is_worth_reporting() {
            outcome.problems.retain(|problem| problem.kind != ProblemKind::Failed);
        }
        let reports = reports(&after.snapshot, &after.assessment, &after.plan, &outcome);
        let reported = self.write_statuses(key, &after.snapshot.bindings, &reports, &outcome, memory).await;

        let unreported = reported.as_ref().err().copied();
        if unreported.is_some() && outcome.restored.is_some() {
            memory.unreported_restoration = outcome.restored;
        }
        if let Some(kind) = problem.or(unreported) {
            self.metrics.failed(kind);
            return Ok(Some(Instant::now() + memory.backoff.failed(kind)));
        }
        memory.backoff.succeeded();
        let now = Instant::now();
        let due = after.plan.check_at.map(|at| now + self.until(at));
        let postponed = written.postponed.then(|| now + POSTPONED);
        Ok([progressed.then_some(now), reported.ok().flatten(), due, postponed].into_iter().flatten().min())
    }

    /// Decides what to do about an identity.
    fn decide(&self, key: &IdentityKey, memory: &mut Memory) -> Result<Decision, Unbound> {
        let mut snapshot = self.index.snapshot(key, &self.config, self.clock.now()).ok_or(Unbound)?;
        // The assessment reads what tenants wrote. It runs without the lock of the rollout limit, so that no
        // other identity waits for it. Only planning needs the shared limit.
        let assessment = Assessment::of(&snapshot);
        let plan = self.rollout_limit.plan(key, |slots| {
            snapshot.rollout_slots = slots;
            plan(&snapshot, &assessment)
        });
        if let Some(case) = &assessment.owner {
            self.metrics.rollouts_ended(&memory.ended_rollouts(case));
        }
        Ok(Decision { snapshot, assessment, plan })
    }

    /// Writes the steps of a plan. A dry run withholds them, and logs them whenever they change.
    async fn write(&self, key: &IdentityKey, plan: &Plan, memory: &mut Memory) -> Written {
        if self.dry_run == DryRun::Off {
            return write_steps(&self.client, &self.preflights, &key.namespace, plan).await;
        }
        let withheld: Vec<Step> = plan.shown().cloned().collect();
        if memory.withholds(&withheld) {
            for step in &withheld {
                info!(namespace = key.namespace, %step, "would be done");
            }
        }
        Written { withheld, ..Written::default() }
    }

    /// Records the outcome of a plan in metrics, rollout limit and memory.
    fn count(&self, key: &IdentityKey, plan: &Plan, outcome: &Outcome, memory: &mut Memory) {
        self.metrics.acted(outcome);
        let restarted = outcome.restarted();
        let withheld = !outcome.withheld.is_empty();
        if restarted.len() < plan.restarts() || withheld {
            // A refused or withheld restart takes no slot from others. It does not wait for a slot
            // either: two refused restarts would wake each other endlessly. A later reconcile tries
            // it again.
            let intents = if withheld { 0 } else { plan.intents.len() };
            self.rollout_limit.set(key, plan.in_flight + restarted.len() + intents);
        }
        memory.restarted(restarted.into_iter().cloned());
    }

    /// Publishes events about the completed steps and about bindings that are being deleted.
    async fn publish_events(&self, decision: &Decision, outcome: &Outcome) {
        let Decision { snapshot, assessment, .. } = decision;
        for (binding, deletion) in deletion_events(snapshot, assessment, outcome) {
            self.events.publish(&binding, vec![deletion]).await;
        }
        let restarts = step_events(snapshot, outcome);
        let deleting = || assessment.deleting.first().map(|deletion| &deletion.binding);
        if let Some(binding) = assessment.owning_binding().or_else(deleting)
            && !restarts.is_empty()
        {
            self.events.publish(binding, restarts).await;
        }
    }

    /// Writes statuses and publishes their transitions as events. Returns when to reconcile again:
    /// at once after an urgent change that was stored, because the next decision may build on it;
    /// later if counts have to wait.
    async fn write_statuses(
        &self,
        key: &IdentityKey,
        bindings: &[Arc<PodIdentityBinding>],
        reports: &[Report],
        outcome: &Outcome,
        memory: &mut Memory,
    ) -> Result<Option<Instant>, ProblemKind> {
        if reports.is_empty() {
            memory.status_is_current();
        }
        if reports.is_empty() || self.dry_run == DryRun::Silent {
            return Ok(None);
        }
        let urgent = reports.iter().any(|report| report.urgent);
        if !urgent && let Some(again_at) = memory.counts_wait_until(Instant::now()) {
            return Ok(Some(again_at));
        }
        let Self { client, clock, index, .. } = self;
        let writer = StatusWriter { client, clock, index, namespace: &key.namespace };
        let WrittenStatuses { written, changed, refused, problem } = writer.write(reports).await;
        memory.status_is_current();
        self.metrics.statuses_refused(refused);
        // Publishes only the transitions of written statuses: a later retry of the other statuses
        // no longer shows these transitions.
        for report in written {
            let name = Some(&report.binding.name);
            if let Some(binding) = bindings.iter().find(|binding| binding.metadata.name.as_ref() == name) {
                let transitions = transitions(binding.status.as_ref(), &report.status, outcome);
                self.events.publish(binding, transitions).await;
            }
        }
        match problem {
            Some(problem) => Err(problem.kind),
            None => Ok((urgent && changed).then(Instant::now)),
        }
    }

    /// Adds all restarts in flight to the rollout limit. Runs before the first decision, because restarts
    /// that another process has begun count, too.
    pub(crate) async fn survey(&self) {
        for key in self.index.bound() {
            if let Some(snapshot) = self.index.snapshot(&key, &self.config, self.clock.now()) {
                self.rollout_limit.observe(&key, plan(&snapshot, &Assessment::of(&snapshot)).in_flight);
            }
            // Ten thousand identities take half a second.
            tokio::task::yield_now().await;
        }
    }

    fn until(&self, at: Timestamp) -> Duration {
        // Slightly late rather than slightly early: an early reconcile would only have to run
        // again.
        at.duration_since(self.clock.now()).try_into().unwrap_or(Duration::ZERO) + Duration::from_millis(10)
    }
}

/// Whether the status records the problem and the time of the next attempt, as it does for a
/// refused restart.
fn is_recorded(problem: &Problem) -> bool {
    problem.workload.is_some() && matches!(problem.kind, ProblemKind::Refused | ProblemKind::Rewritten)
}

/// Whether the next step would outdate a status at once. Never if the status has restarts or a
/// restoration to report.
fn more_follows_at_once(after: &Decision, outcome: &Outcome) -> bool {
    !outcome.done.is_empty() && !outcome.is_worth_telling() && !after.plan.steps.is_empty()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::http::{StatusCode, Uri};
    use podidentity_cluster::http::heartbeat::Heartbeats;
    use podidentity_cluster::index::Object;
    use podidentity_cluster::preflight::Place;
    use podidentity_cluster::queue::channel;
    use podidentity_cluster::queue::load::Load;
    use podidentity_cluster::sts::{Options, Sts};
    use podidentity_core::objects::Deployment;
    use serde_json::{Value, json};
    use tokio::sync::watch;

    use super::*;
    use crate::args::MetricsPerBinding;
    use crate::metrics::{Exposition, Sources};

    /// A reconciler of these objects, whose API server refuses every request because it is too large.
    fn refused(index: &Index, metrics: &Metrics) -> Reconciler {
        let too_large = json!({"kind": "Status", "status": "Failure", "code": 500, "reason": "InternalError",
            "message": "etcdserver: request is too large"})
        .to_string();
        let server = Router::new().fallback(move || async move { (StatusCode::INTERNAL_SERVER_ERROR, too_large) });
        reconciler(server, index, metrics)
    }

    fn reconciler(server: Router, index: &Index, metrics: &Metrics) -> Reconciler {
        let client = Client::new(server, "default");
        let sts = Sts::new(Options::from_environment("test")).unwrap();
        Reconciler {
            client: client.clone(),
            clock: Clock::default(),
            index: index.clone(),
            events: EventPublisher::new(client).0,
            metrics: metrics.clone(),
            preflights: Preflights::new(sts, Place::Unknown, 1),
            config: Arc::default(),
            dry_run: DryRun::Off,
            rollout_limit: SharedRolloutLimit::new(10, channel().0, metrics.clone()),
            memories: Memories::default(),
        }
    }

    /// The alert PodIdentityStatusRefused asks for this metric.
    #[tokio::test]
    async fn a_status_that_cannot_be_stored_is_counted() {
        let (index, metrics) = (Index::default(), Metrics::new());
        let binding = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "b", "resourceVersion": "1", "generation": 1},
            "spec": {"serviceAccountName": "web", "roleArn": "arn:aws:iam::111122223333:role/web", "deletionPolicy": "Retain"}});
        index.apply(Object::Binding(Arc::new(serde_json::from_value(binding).unwrap())));
        let key = IdentityKey { namespace: "shop".to_owned(), service_account: "web".to_owned() };
        let again = Arc::new(refused(&index, &metrics)).reconcile(key).await;
        assert!(again.is_some(), "it is tried again");
        let (_, leads) = watch::channel(true);
        let (load, heartbeats, per_binding) = (Load::default(), Heartbeats::default(), MetricsPerBinding::Auto);
        let text = Exposition::new(&metrics, &Sources { index, load, heartbeats, leads, per_binding }).text();
        assert!(text.contains("podidentity_statuses_refused_total 1\n"), "{text}");
    }

    /// An API server whose definition of PodIdentityBinding has no `declaredRoleArn`, and that stores
    /// everything else.
    fn older(binding: Value) -> (Router, Arc<Mutex<Vec<String>>>) {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        let server = Router::new().fallback(move |uri: Uri, body: String| async move {
            let body: Value = serde_json::from_str(&body).unwrap();
            seen.lock().unwrap().push(uri.path().to_owned());
            if body["status"]["declaredRoleArn"].is_string() {
                let message =
                    "failed to create typed patch object: .status.declaredRoleArn: field not declared in schema";
                let refusal = json!({"kind": "Status", "status": "Failure", "code": 500, "message": message});
                return (StatusCode::INTERNAL_SERVER_ERROR, refusal.to_string());
            }
            let mut stored =
                if uri.path().contains("/podidentitybindings/") { binding } else { json!({"metadata": {}}) };
            stored["metadata"]["resourceVersion"] = json!("2");
            stored["status"] = body["status"].clone();
            (StatusCode::OK, stored.to_string())
        });
        (server, requests)
    }

    /// The answer to the status brings its event to the index first, so no event wakes the identity.
    #[tokio::test]
    async fn a_recorded_restart_is_made_although_the_definition_lacks_a_field_of_the_status() {
        let role = "arn:aws:iam::111122223333:role/web";
        let binding = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "b", "resourceVersion": "1", "generation": 1,
                "finalizers": ["podidentity.dev/release"]},
            "spec": {"serviceAccountName": "web", "roleArn": role}});
        let account = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "a", "resourceVersion": "1",
                "annotations": {"eks.amazonaws.com/role-arn": role},
                "managedFields": [{"manager": "podidentity-operator", "operation": "Apply", "time": "2026-01-01T00:01:00Z",
                    "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}}}]}});
        let workload = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "d", "resourceVersion": "1", "generation": 1},
            "spec": {"replicas": 1, "template": {"metadata": {}, "spec": {"serviceAccountName": "web", "containers": [{"name": "app"}]}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}});
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "p", "resourceVersion": "1",
                "creationTimestamp": "2025-12-31T00:00:00Z", "ownerReferences": [{"apiVersion": "apps/v1",
                    "kind": "ReplicaSet", "name": "web-h", "uid": "r", "controller": true}], "labels": {"pod-template-hash": "h"}},
            "spec": {"serviceAccountName": "web", "containers": [{"name": "app"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let (index, metrics) = (Index::default(), Metrics::new());
        index.apply(Object::binding(serde_json::from_value(binding.clone()).unwrap()));
        index.apply(Object::account(serde_json::from_value(account).unwrap()));
        index.apply(Object::workload(serde_json::from_value::<Deployment>(workload).unwrap()));
        index.apply(Object::pod(serde_json::from_value(pod).unwrap()));
        let (server, requests) = older(binding);
        let reconciler = Arc::new(reconciler(server, &index, &metrics));
        let key = IdentityKey { namespace: "shop".to_owned(), service_account: "web".to_owned() };

        let again = Arc::clone(&reconciler).reconcile(key.clone()).await;
        let requests = || std::mem::take(&mut *requests.lock().unwrap());
        let status = "/apis/podidentity.dev/v1alpha1/namespaces/shop/podidentitybindings/web/status";
        assert_eq!(requests(), [status, status], "the restart is recorded");
        assert!(again.is_some_and(|at| at <= Instant::now()), "it is made at once: {again:?}");
        reconciler.reconcile(key).await;
        let restart = "/apis/apps/v1/namespaces/shop/deployments/web";
        assert_eq!(requests().first().map(String::as_str), Some(restart));
    }
}
