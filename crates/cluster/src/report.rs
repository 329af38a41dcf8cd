//! Statuses and events.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource};
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::WorkloadId;
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::status::{Report, Transition};
use tracing::{debug, warn};

use crate::act;
use crate::index::Index;

/// Nobody waits longer for an event to be published: the binding's next reconcile has to wait as long.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// An event's note may have 1 kB.
const NOTE_LIMIT: usize = 1000;

/// Writes statuses, and files what the API server answered. Returns the first problem.
pub async fn write(client: &Client, index: &Index, namespace: &str, reports: &[Report]) -> Result<(), Problem> {
    let mut first = Ok(());
    for report in reports {
        match act::write_status(client, namespace, &report.binding, &report.status).await {
            Ok(binding) => {
                index.refresh(binding);
            }
            Err(problem) => {
                if problem.kind == ProblemKind::Stale {
                    debug!(namespace, binding = report.binding.name, "status not written: the binding has changed");
                } else {
                    warn!(namespace, binding = report.binding.name, error = problem.message, "status not written");
                }
                first = first.and(Err(problem));
            }
        }
    }
    first
}

/// Publishes events about a binding. Losing one is no harm: the status has it all.
///
/// Repeated events become one with a count, which keeps the note of the first. What is counted together are therefore
/// only events of one generation of the binding and of one workload.
pub async fn publish(recorder: &Recorder, binding: &PodIdentityBinding, transitions: Vec<Transition>) {
    let reference: ObjectReference = binding.object_ref(&());
    let generation = binding.metadata.generation.unwrap_or_default();
    for transition in transitions {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason.to_owned(),
            note: Some(shortened(transition.note)),
            action: format!("ReconcileGeneration{generation}"),
            secondary: transition.workload.map(|workload| workload_reference(&reference, workload)),
        };
        match tokio::time::timeout(EVENT_TIMEOUT, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, reason = event.reason, "event not published"),
            Err(_) => {
                let seconds = EVENT_TIMEOUT.as_secs();
                warn!(
                    reason = event.reason,
                    "event not published: no answer within {seconds} s; the others are left out"
                );
                return;
            }
        }
    }
}

fn workload_reference(binding: &ObjectReference, workload: WorkloadId) -> ObjectReference {
    ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some(workload.kind.as_str().to_owned()),
        name: Some(workload.name),
        namespace: binding.namespace.clone(),
        ..ObjectReference::default()
    }
}

fn shortened(mut note: String) -> String {
    let limit = note.char_indices().map(|(at, _)| at).take_while(|at| *at < NOTE_LIMIT).last().unwrap_or(0);
    if note.len() > NOTE_LIMIT {
        note.truncate(limit);
        note.push('…');
    }
    note
}
