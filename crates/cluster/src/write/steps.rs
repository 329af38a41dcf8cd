//! Step -> request -> outcome.
//!
//! Every write is a server-side apply by our own field manager. Its body has only our keys, and the
//! UID and the resource version that the plan saw. A write therefore never changes an object that
//! has changed since, or another object of the same name.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client, Resource};
use podidentity_api::names;
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedBinding, Rollout, StatefulSet, WorkloadId, WorkloadKind,
};
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::plan::{Plan, has_finalizer};
use podidentity_core::step::{Declared, Question, Step, Target};
use serde_json::json;
use tracing::{info, warn};

use super::request::{Ownership, Part, Requests, WriteError, only};
use crate::http::error::Meaning;
use crate::index::Object;
use crate::preflight::{Asked, Preflights};

/// The results of a plan's steps.
#[derive(Debug, Default)]
pub struct Written {
    /// The steps that succeeded.
    pub done: Vec<Step>,
    /// The objects that the API server returned.
    pub objects: Vec<Object>,
    /// The problems, in the order of the steps.
    pub problems: Vec<Problem>,
    /// The steps that a dry run does not try.
    pub withheld: Vec<Step>,
    /// The answer of AWS, if it was asked.
    pub asked: Option<Asked>,
    /// Whether the question to AWS must wait because too many are under way.
    pub postponed: bool,
}

/// The result of a step.
enum Done {
    /// The object as stored now.
    Wrote(Object),
    /// AWS was asked.
    Asked(Box<Asked>),
    /// Too many questions are already under way.
    Postponed,
}

/// Writes the steps of a plan. Steps build on each other, so the first failure ends the run. Only
/// restarts are independent.
pub async fn write_steps(client: &Client, preflights: &Preflights, namespace: &str, plan: &Plan) -> Written {
    let mut written = Written::default();
    let writer = Writer { requests: Requests { client, namespace } };
    for step in &plan.steps {
        match writer.carry_out(step, preflights).await.map_err(Problem::from) {
            Ok(Done::Postponed) => written.postponed = true,
            Ok(Done::Asked(asked)) => {
                info!(namespace, %step, answer = %asked.answered.verdict.reason(), "asked");
                written.asked = Some(*asked);
                written.done.push(step.clone());
            }
            Ok(Done::Wrote(object)) => {
                let rewritten = rewritten(step, &object);
                written.objects.push(object);
                match rewritten {
                    None => {
                        info!(namespace, %step, "done");
                        written.done.push(step.clone());
                    }
                    Some(message) => {
                        warn!(namespace, %step, message, "stored as something else");
                        written.problems.push(writer.problem_of(step, ProblemKind::Rewritten, message));
                    }
                }
            }
            Err(problem) => {
                warn!(namespace, %step, kind = ?problem.kind, error = problem.message, "not done");
                written.problems.push(problem);
                if !matches!(step, Step::Restart { .. }) {
                    break;
                }
            }
        }
    }
    written
}

/// Returns what admission changed, if the API server stored something else.
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
        Step::Restart { mark, .. } => {
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

struct Writer<'a> {
    requests: Requests<'a>,
}

impl Writer<'_> {
    async fn carry_out(&self, step: &Step, preflights: &Preflights) -> Result<Done, WriteError> {
        let object = match step {
            Step::Preflight(question) => {
                let Requests { client, namespace } = &self.requests;
                let asked = preflights.ask(client, namespace, question).await;
                return Ok(asked.map_or(Done::Postponed, |asked| Done::Asked(Box::new(asked))));
            }
            Step::SetFinalizer { binding, present: true } => {
                let body = json!({"metadata": {"finalizers": [names::FINALIZER]}});
                let applied = self.requests.apply(binding, body, Ownership::Shared, Part::Object).await;
                applied.map(Object::binding)
            }
            Step::SetFinalizer { binding, present: false } => self.remove_finalizer(binding).await,
            Step::Annotate { account, annotations, force, written_for, declared } => {
                if let Some(declared) = declared {
                    self.still_declared(declared).await?;
                }
                let mut annotations = annotations.clone();
                annotations
                    .extend(written_for.iter().map(|it| (names::BOUND_BY_ANNOTATION.to_owned(), it.to_string())));
                let body = json!({"metadata": {"annotations": annotations}});
                let ownership = if *force { Ownership::Taken } else { Ownership::Shared };
                self.requests.apply(account, body, ownership, Part::Object).await.map(Object::account)
            }
            Step::Restart { workload, target, mark } => {
                let restarted = self.restart(workload, target, mark).await;
                restarted.map_err(|error| WriteError { workload: Some(workload.clone()), ..error })
            }
        };
        object.map(Done::Wrote)
    }

    fn problem_of(&self, step: &Step, kind: ProblemKind, message: String) -> Problem {
        let namespace = self.requests.namespace;
        let (workload, what) = match step {
            Step::Restart { workload, .. } => {
                (Some(workload.clone()), format!("{} {}/{}", workload.kind.as_str(), namespace, workload.name))
            }
            Step::Annotate { account, .. } | Step::Preflight(Question { account, .. }) => {
                (None, format!("ServiceAccount {namespace}/{}", account.name))
            }
            Step::SetFinalizer { binding, .. } => (None, self.requests.name_of::<ObservedBinding>(&binding.name)),
        };
        Problem { workload, what, kind, message }
    }

    /// Gives up our finalizer. If that does not remove the finalizer, removes it regardless of its
    /// owner. The restorer of a backup owns the finalizer of a restored binding, and apply fails on
    /// a binding whose stored spec violates the schema. Either binding would stay forever.
    async fn remove_finalizer(&self, binding: &Target) -> Result<Object, WriteError> {
        let body = json!({"metadata": {"finalizers": []}});
        let applied = self.requests.apply::<ObservedBinding>(binding, body, Ownership::Shared, Part::Object).await;
        let left = match applied {
            Ok(stored) if !has_finalizer(stored.meta()) => return Ok(Object::binding(stored)),
            Ok(stored) => stored.meta().clone(),
            Err(error) if error.meaning == Meaning::StoredInvalid => {
                let Some(found) = self.look_up(&binding.name).await? else { return Err(error) };
                found
            }
            Err(error) => return Err(error),
        };
        let others: Vec<_> = left.finalizers.iter().flatten().filter(|it| *it != names::FINALIZER).collect();
        let body = json!({"metadata": {"finalizers": others}});
        self.requests.merge(&Target { name: binding.name.clone(), ..Target::of(&left) }, body, Part::Object).await
    }

    /// Fails unless the binding is still as observed. Another process, or this one before its
    /// restart, may have seen a later declaration and already written the role that this step would
    /// replace. The service account is written only if it has not changed since before this lookup,
    /// so this step never replaces the role of a later declaration.
    async fn still_declared(&self, declared: &Declared) -> Result<(), WriteError> {
        let found = self.look_up(&declared.binding).await?;
        if found.is_some_and(|meta| Declared::by(&meta) == *declared) {
            return Ok(());
        }
        Err(WriteError {
            workload: None,
            what: self.requests.name_of::<ObservedBinding>(&declared.binding),
            meaning: Meaning::Changed,
            kind: ProblemKind::Stale,
            message: "it has changed since it was observed".to_owned(),
        })
    }

    /// The current metadata of a binding in the API server. A list of one object needs no right of
    /// its own.
    async fn look_up(&self, binding: &str) -> Result<Option<ObjectMeta>, WriteError> {
        let Requests { client, namespace } = self.requests;
        let api = Api::<ObservedBinding>::namespaced(client.clone(), namespace);
        let what = || self.requests.name_of::<ObservedBinding>(binding);
        let found = self.requests.within_time(what, api.list_metadata(&only(binding))).await?;
        Ok(found.items.into_iter().next().map(|found| found.metadata))
    }

    async fn restart(&self, workload: &WorkloadId, target: &Target, mark: &str) -> Result<Object, WriteError> {
        let annotations = json!({names::IDENTITY_ANNOTATION: mark});
        let body = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        // The key belongs to the operator by its name; any other writer has copied it.
        let (taken, object) = (Ownership::Taken, Part::Object);
        Ok(match workload.kind {
            WorkloadKind::Deployment => {
                Object::workload(self.requests.apply::<Deployment>(target, body, taken, object).await?)
            }
            WorkloadKind::StatefulSet => {
                Object::workload(self.requests.apply::<StatefulSet>(target, body, taken, object).await?)
            }
            WorkloadKind::Rollout => {
                Object::workload(self.requests.apply::<Rollout>(target, body, taken, object).await?)
            }
            WorkloadKind::DaemonSet => {
                Object::workload(self.requests.apply::<DaemonSet>(target, body, taken, object).await?)
            }
        })
    }
}
