//! Step -> API call -> outcome.
//!
//! Every write is a server-side apply by our own field manager whose body has our keys only, with the uid and the
//! resource version that the plan saw: an object that has changed since, or was replaced by another of its name, is
//! left alone.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use podidentity_api::{PodIdentityBindingStatus, names};
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedAccount, ObservedBinding, Rollout, StatefulSet, WorkloadId, WorkloadKind,
};
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::plan::{Plan, has_finalizer};
use podidentity_core::step::{Declared, Question, Step, Target};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::index::Object;
use crate::preflight::{Asked, Preflights};

/// A write that takes longer has failed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the API server says of a server-side apply to a stored object that is not of its definition's type.
const NOT_OF_ITS_TYPE: &str = "typed live object";

/// What was done of a plan.
#[derive(Debug, Default)]
pub struct Acted {
    /// The steps that went well.
    pub done: Vec<Step>,
    /// What the API server answered: the objects as they are now.
    pub written: Vec<Object>,
    /// What went wrong, in the order of the steps.
    pub problems: Vec<Problem>,
    /// What was not even tried: a dry run.
    pub withheld: Vec<Step>,
    /// What AWS answered, if it was asked.
    pub asked: Option<Asked>,
    /// Whether AWS is to be asked, and too much was asked already.
    pub postponed: bool,
}

/// Carries out a plan. Steps build on each other, so the first failure ends the run; only rolls are independent.
pub async fn act(client: &Client, preflights: &Preflights, namespace: &str, plan: &Plan) -> Acted {
    let mut acted = Acted::default();
    for step in &plan.steps {
        let write = Write { client, namespace };
        match write.step(step, preflights).await {
            Ok(Done::Postponed) => acted.postponed = true,
            Ok(Done::Asked(asked)) => {
                info!(namespace, %step, answer = asked.answered.verdict.reason(), "asked");
                acted.asked = Some(*asked);
                acted.done.push(step.clone());
            }
            Ok(Done::Wrote(object)) => {
                let rewritten = rewritten(step, &object);
                acted.written.push(object);
                match rewritten {
                    None => {
                        info!(namespace, %step, "done");
                        acted.done.push(step.clone());
                    }
                    Some(message) => {
                        warn!(namespace, %step, message, "stored as something else");
                        acted.problems.push(write.problem_of(step, ProblemKind::Rewritten, message));
                    }
                }
            }
            Err(problem) => {
                warn!(namespace, %step, kind = ?problem.kind, error = problem.message, "not done");
                acted.problems.push(problem);
                if !matches!(step, Step::Roll { .. }) {
                    break;
                }
            }
        }
    }
    acted
}

/// What admission has made of a write, if it stored something else than what was written.
fn rewritten(step: &Step, stored: &Object) -> Option<String> {
    match step {
        Step::Annotate { annotations, .. } => {
            let (key, value) = annotations.iter().find(|(key, value)| stored.annotation(key) != Some(value))?;
            let now = stored.annotation(key).map_or_else(|| "left out".to_owned(), |now| format!("set to {now:?}"));
            Some(format!(
                "annotation {key} was written as {value:?} and is {now} by an admission policy or webhook: let it leave \
                 that annotation alone"
            ))
        }
        Step::Roll { mark, .. } => {
            let key = names::IDENTITY_ANNOTATION;
            let now = stored.template_annotation(key);
            let what = now.map_or_else(|| "leaves it out".to_owned(), |now| format!("makes it {now:?}"));
            (now != Some(mark)).then(|| {
                format!("annotation {key} of the pod template was written, and an admission policy or webhook {what}")
            })
        }
        Step::SetFinalizer { .. } | Step::Preflight(_) => None,
    }
}

/// What became of a step.
enum Done {
    /// The object as it is now.
    Wrote(Object),
    /// AWS was asked.
    Asked(Box<Asked>),
    /// Too much was asked already.
    Postponed,
}

struct Write<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Write<'_> {
    async fn step(&self, step: &Step, preflights: &Preflights) -> Result<Done, Problem> {
        let wrote = match step {
            Step::SetFinalizer { binding, present: true } => {
                let body = json!({"metadata": {"finalizers": [names::FINALIZER]}});
                self.apply::<ObservedBinding>(binding, body, false, false).await.map(Object::binding)
            }
            Step::SetFinalizer { binding, present: false } => self.remove_finalizer(binding).await,
            Step::Annotate { account, annotations, force, written_for, declared } => {
                if let Some(declared) = declared {
                    self.still_declared(declared).await?;
                }
                let mut annotations = annotations.clone();
                annotations
                    .extend(written_for.iter().map(|it| (names::BOUND_BY_ANNOTATION.to_owned(), it.to_string())));
                self.annotate(account, &annotations, *force).await
            }
            Step::Preflight(question) => {
                let asked = preflights.ask(self.client, self.namespace, question).await;
                return Ok(asked.map_or(Done::Postponed, |asked| Done::Asked(Box::new(asked))));
            }
            Step::Roll { workload, target, mark } => {
                let restarted = self.roll(workload, target, mark).await;
                restarted.map_err(|problem| Problem { workload: Some(workload.clone()), ..problem })
            }
        };
        wrote.map(Done::Wrote)
    }

    fn problem_of(&self, step: &Step, kind: ProblemKind, message: String) -> Problem {
        let (workload, what) = match step {
            Step::Roll { workload, .. } => {
                (Some(workload.clone()), format!("{} {}/{}", workload.kind.as_str(), self.namespace, workload.name))
            }
            Step::Annotate { account, .. } | Step::Preflight(Question { account, .. }) => {
                (None, format!("ServiceAccount {}/{}", self.namespace, account.name))
            }
            Step::SetFinalizer { binding, .. } => (None, self.name_of::<ObservedBinding>(&binding.name)),
        };
        Problem { workload, what, kind, message }
    }

    /// Gives up our finalizer. Where that does not remove it, it is removed whoever owns it: a binding that was restored
    /// from a backup has it by the hand of whoever restored it, and one whose stored spec is of no valid type cannot be
    /// applied to at all. Either would be deleted for ever.
    async fn remove_finalizer(&self, binding: &Target) -> Result<Object, Problem> {
        let body = json!({"metadata": {"finalizers": []}});
        let left = match self.apply::<ObservedBinding>(binding, body, false, false).await {
            Ok(stored) if !has_finalizer(stored.meta()) => return Ok(Object::binding(stored)),
            Ok(stored) => stored.meta().clone(),
            Err(problem) if problem.message.contains(NOT_OF_ITS_TYPE) => {
                let Some(found) = self.look_up(&binding.name).await? else { return Err(problem) };
                found
            }
            Err(problem) => return Err(problem),
        };
        let others: Vec<_> = left.finalizers.iter().flatten().filter(|it| *it != names::FINALIZER).collect();
        let body = json!({"metadata": {"finalizers": others}});
        self.merge(&Target { name: binding.name.clone(), ..Target::of(&left) }, body, false).await
    }

    /// An error unless the binding is still what was observed: another process, or this one before it was started anew,
    /// may have seen a later declaration and written what this one is about to take away. As the service account is
    /// written only if it is as it was before this look, no later declaration's role is ever replaced.
    async fn still_declared(&self, declared: &Declared) -> Result<(), Problem> {
        let found = self.look_up(&declared.binding).await?;
        if found.is_some_and(|meta| Declared::by(&meta) == *declared) {
            return Ok(());
        }
        let what = self.name_of::<ObservedBinding>(&declared.binding);
        Err(Problem {
            workload: None,
            what,
            kind: ProblemKind::Stale,
            message: "it has changed since it was observed".to_owned(),
        })
    }

    /// The metadata of a binding as the API server has it now, by a list of one: that needs no right of its own.
    async fn look_up(&self, binding: &str) -> Result<Option<ObjectMeta>, Problem> {
        let api = Api::<ObservedBinding>::namespaced(self.client.clone(), self.namespace);
        let what = || self.name_of::<ObservedBinding>(binding);
        let found = self.within_time(what, api.list_metadata(&only(binding))).await?;
        Ok(found.items.into_iter().next().map(|found| found.metadata))
    }

    /// Writes the status of a binding that cannot be applied to: field by field, those that are there and no more to be
    /// as well.
    async fn replace_status(&self, binding: &Target, status: &PodIdentityBindingStatus) -> Result<Object, Problem> {
        let what = || self.name_of::<ObservedBinding>(&binding.name);
        let stored = Api::<DynamicObject>::namespaced_with(
            self.client.clone(),
            self.namespace,
            &ApiResource::erase::<ObservedBinding>(&()),
        );
        let found = self.within_time(what, stored.list(&only(&binding.name))).await?;
        let mut body = json!(status);
        let before = found.items.first().and_then(|found| found.data["status"].as_object());
        for key in before.into_iter().flat_map(|before| before.keys()) {
            if body[key].is_null() {
                body[key] = Value::Null;
            }
        }
        self.merge(binding, json!({"metadata": {}, "status": body}), true).await
    }

    /// Merges `body` into a binding as it was observed: for what cannot be applied.
    async fn merge(&self, binding: &Target, mut body: Value, status: bool) -> Result<Object, Problem> {
        body["metadata"]["uid"] = json!(binding.uid);
        body["metadata"]["resourceVersion"] = json!(binding.resource_version);
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(body);
        let api = Api::<ObservedBinding>::namespaced(self.client.clone(), self.namespace);
        let request = async {
            if status {
                api.patch_status(&binding.name, &params, &patch).await
            } else {
                api.patch(&binding.name, &params, &patch).await
            }
        };
        let what = || self.name_of::<ObservedBinding>(&binding.name);
        self.within_time(what, request).await.map(Object::binding)
    }

    async fn annotate(
        &self,
        account: &Target,
        annotations: &BTreeMap<String, String>,
        force: bool,
    ) -> Result<Object, Problem> {
        let body = json!({"metadata": {"annotations": annotations}});
        Ok(Object::account(self.apply::<ObservedAccount>(account, body, force, false).await?))
    }

    async fn roll(&self, workload: &WorkloadId, target: &Target, mark: &str) -> Result<Object, Problem> {
        let annotations = json!({names::IDENTITY_ANNOTATION: mark});
        let body = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        // The key is ours by name; whoever else wrote it copied it from us.
        Ok(match workload.kind {
            WorkloadKind::Deployment => Object::workload(self.apply::<Deployment>(target, body, true, false).await?),
            WorkloadKind::StatefulSet => Object::workload(self.apply::<StatefulSet>(target, body, true, false).await?),
            WorkloadKind::Rollout => Object::workload(self.apply::<Rollout>(target, body, true, false).await?),
            WorkloadKind::DaemonSet => Object::workload(self.apply::<DaemonSet>(target, body, true, false).await?),
        })
    }

    /// Applies `body`, completed with type, name and preconditions, and returns the object as it is now.
    async fn apply<K>(&self, target: &Target, mut body: Value, force: bool, status: bool) -> Result<K, Problem>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        body["apiVersion"] = json!(K::api_version(&()));
        body["kind"] = json!(K::kind(&()));
        body["metadata"]["name"] = json!(target.name);
        body["metadata"]["namespace"] = json!(self.namespace);
        body["metadata"]["uid"] = json!(target.uid);
        body["metadata"]["resourceVersion"] = json!(target.resource_version);
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        let params = PatchParams { force, ..PatchParams::apply(names::FIELD_MANAGER) };
        let patch = Patch::Apply(body);
        let request = async {
            if status {
                api.patch_status(&target.name, &params, &patch).await
            } else {
                api.patch(&target.name, &params, &patch).await
            }
        };
        self.within_time(|| self.name_of::<K>(&target.name), request).await
    }

    fn name_of<K: Resource<DynamicType = ()>>(&self, name: &str) -> String {
        format!("{} {}/{name}", K::kind(&()), self.namespace)
    }

    async fn within_time<T>(
        &self,
        what: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(WRITE_TIMEOUT, request).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(problem(what(), &error)),
            Err(_) => {
                let message = format!("no answer within {} s", WRITE_TIMEOUT.as_secs());
                Err(Problem { workload: None, what: what(), kind: ProblemKind::Failed, message })
            }
        }
    }
}

/// A list of the object of this name: that needs no right to get it.
fn only(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

/// Writes the status of a binding and returns the binding as it is now.
pub async fn write_status(
    client: &Client,
    namespace: &str,
    binding: &Target,
    status: &PodIdentityBindingStatus,
) -> Result<Object, Problem> {
    let body = json!({"status": status});
    // The status is ours alone; the default that the schema gives belongs to whoever created the binding.
    let write = Write { client, namespace };
    let stored = match write.apply::<ObservedBinding>(binding, body, true, true).await {
        Err(problem) if problem.message.contains(NOT_OF_ITS_TYPE) => write.replace_status(binding, status).await,
        written => written.map(Object::binding),
    }?;
    match &stored {
        Object::Binding(stored) if stored.status.clone().unwrap_or_default() != *status => Err(Problem {
            workload: None,
            what: format!("status of {}", write.name_of::<ObservedBinding>(&binding.name)),
            kind: ProblemKind::Refused,
            message:
                "the API server stores only part of it, because its definition of PodIdentityBinding is of another \
                      version than the operator: apply the definition that belongs to this operator (config/crd)"
                    .to_owned(),
        }),
        _ => Ok(stored),
    }
}

/// Sorts out what an error means.
fn problem(what: String, error: &kube::Error) -> Problem {
    let kube::Error::Api(status) = error else {
        return Problem { workload: None, what, kind: ProblemKind::Failed, message: error.to_string() };
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut conflicts = causes.filter(|cause| cause.reason == "FieldManagerConflict").peekable();
    if conflicts.peek().is_some() {
        let named =
            conflicts.map(|cause| format!("{} ({})", cause.message, cause.field)).collect::<Vec<_>>().join(", ");
        return Problem { workload: None, what, kind: ProblemKind::Conflict, message: named };
    }
    let kind = match status.code {
        // Without causes a 409 is a resource version or uid that is not the object's any more.
        404 | 409 | 410 => ProblemKind::Stale,
        400..=403 | 405..=408 | 411..=428 => ProblemKind::Refused,
        _ => ProblemKind::Failed,
    };
    Problem { workload: None, what, kind, message: status.message.clone() }
}
