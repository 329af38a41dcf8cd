//! Events: news of what was done and found. They are published beside the reconciles and hold none of them up.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::WorkloadId;
use podidentity_core::status::Transition;
use tokio::sync::mpsc;
use tracing::warn;

/// For so long an event may go unanswered before the next one is published.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many reconciles' news may wait to be published; what comes then is left out.
const WAITING: usize = 10_000;

/// An event's note may have 1 kB.
const NOTE_LIMIT: usize = 1000;

/// Takes news to be published. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    sender: mpsc::Sender<News>,
}

/// What there is to tell of a binding.
struct News {
    binding: ObjectReference,
    generation: i64,
    transitions: Vec<Transition>,
}

impl Announcer {
    /// An announcer, and the future that publishes what it takes, in that order, until the last clone of it is gone.
    pub fn new(recorder: Recorder) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let publish = async move {
            while let Some(news) = receiver.recv().await {
                publish(&recorder, news).await;
            }
        };
        (Self { sender }, publish)
    }

    /// Takes news of a binding. Losing them is no harm: the status has it all.
    pub fn announce(&self, binding: &PodIdentityBinding, transitions: Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        let generation = binding.metadata.generation.unwrap_or_default();
        let news = News { binding: binding.object_ref(&()), generation, transitions };
        if let Err(mpsc::error::TrySendError::Full(news)) = self.sender.try_send(news) {
            let News { binding, transitions, .. } = news;
            warn!(
                namespace = binding.namespace,
                binding = binding.name,
                events = transitions.len(),
                "events not published: too many wait for the API server"
            );
        }
    }
}

/// Publishes news of a binding.
///
/// Repeated events become one with a count, which keeps the note of the first. What is counted together are therefore
/// only events of one generation of the binding and of one workload.
async fn publish(recorder: &Recorder, News { binding, generation, transitions }: News) {
    for transition in transitions {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason.to_owned(),
            note: Some(shortened(transition.note)),
            action: format!("ReconcileGeneration{generation}"),
            secondary: transition.workload.map(|workload| workload_reference(&binding, workload)),
        };
        match tokio::time::timeout(TIMEOUT, recorder.publish(&event, &binding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, reason = event.reason, "event not published"),
            Err(_) => {
                let seconds = TIMEOUT.as_secs();
                warn!(
                    reason = event.reason,
                    "event not published: no answer within {seconds} s; the others of this change are left out"
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
