//! Step -> request -> outcome.
//!
//! Every write is a server-side apply by our own field manager. Its body has only our keys, and the
//! UID and the resource version that the plan saw: a write never touches an object that has changed
//! since, or another one of its name.

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

/// What became of a plan's steps.
#[derive(Debug, Default)]
pub struct Written {
    /// The steps that went well.
    pub done: Vec<Step>,
    /// What the API server answered: the objects as they are now.
    pub objects: Vec<Object>,
    /// What went wrong, in the order of the steps.
    pub problems: Vec<Problem>,
    /// The steps that a dry run does not try.
    pub withheld: Vec<Step>,
    /// What AWS answered, if it was asked.
    pub asked: Option<Asked>,
    /// Whether AWS is to be asked, and too many questions are under way already.
    pub postponed: bool,
}

/// What became of a step.
enum Done {
    /// The object as it is now.
    Wrote(Object),
    /// AWS was asked.
    Asked(Box<Asked>),
    /// Too many questions are under way already.
    Postponed,
}

/// Writes the steps of a plan. Steps build on each other, so the first failure ends the run; only
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

/// What admission changed, if the API server stored something else than what was written.
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

    /// Gives up our finalizer. Where that does not remove it, removes it whoever owns it: of a
    /// binding restored from a backup, whoever restored it owns the finalizer; to one whose stored
    /// spec violates the schema nothing can be applied. Either would stay forever.
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

    /// Fails unless the binding is still what was observed: another process, or this one before its
    /// restart, may have seen a later declaration and written what this one is about to take away.
    /// The service account is written only if it is as it was before this look-up, so no later
    /// declaration's role is ever replaced.
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

    /// The metadata of a binding as the API server has it now, by a list of one: that needs no
    /// right of its own.
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
        // The key is ours by name; whoever else wrote it copied it from us.
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
