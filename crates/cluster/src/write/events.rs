//! Events about steps and findings. Shards publish them concurrently with the reconciles.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use podidentity_api::{PodIdentityBinding, names};
use podidentity_core::foreign::Foreign;
use podidentity_core::objects::WorkloadId;
use podidentity_core::status::Transition;
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tracing::warn;

/// How long a shard waits for an answer before it publishes the next event.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many events are published at the same time.
const SHARDS: usize = 4;

/// How many batches may wait in each shard, less than a kilobyte each: the event queue holds 8,000
/// reconciles. When the queue is full, reconciles wait, so an API server that cannot keep up with
/// the events does not get even more changes.
const WAITING: usize = 2_000;

/// How long a reconcile waits for a full queue. After that, the API server is considered
/// unresponsive and the events are dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many events a shard remembers to count repetitions. kube's recorder keeps each event for six
/// minutes, and scans all of them whenever it publishes one.
const REMEMBERED: usize = 100;

/// The API server accepts an event note of up to 1 kB.
const NOTE_LIMIT: usize = 1000;

/// Queues events for publication. Cheap to clone.
#[derive(Clone)]
pub struct EventPublisher {
    /// All events of one binding go to the same shard, and stay in order.
    shards: Arc<[mpsc::Sender<Batch>]>,
}

/// Events of one binding.
struct Batch {
    binding: ObjectReference,
    generation: i64,
    transitions: Vec<Transition>,
}

impl EventPublisher {
    /// A publisher, and a future that publishes the queued events until the last clone of the
    /// publisher is dropped.
    pub fn new(client: Client) -> (Self, impl Future<Output = ()> + Send) {
        let (shards, ends): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| mpsc::channel(WAITING)).unzip();
        let publishing = join_all(ends.into_iter().map(move |shard| publish_all(client.clone(), shard)));
        (Self { shards: shards.into() }, publishing.map(|_| ()))
    }

    /// Queues events of a binding. Lost events do no harm: the status contains the same
    /// information.
    pub async fn publish(&self, binding: &PodIdentityBinding, transitions: Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        let generation = binding.metadata.generation.unwrap_or_default();
        let batch = Batch { binding: binding.object_ref(&()), generation, transitions };
        if let Err(SendTimeoutError::Timeout(batch)) = self.shard(&batch.binding).send_timeout(batch, PATIENCE).await {
            warn!(
                namespace = batch.binding.namespace,
                binding = batch.binding.name,
                events = batch.transitions.len(),
                "events not published: the API server does not take those before them"
            );
        }
    }

    fn shard(&self, binding: &ObjectReference) -> &mpsc::Sender<Batch> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((&binding.namespace, &binding.name));
        #[allow(clippy::cast_possible_truncation)] // any few bits of it will do
        let number = hash as usize % self.shards.len();
        &self.shards[number]
    }
}

/// Publishes the batches of a shard until its queue closes.
async fn publish_all(client: Client, mut shard: mpsc::Receiver<Batch>) {
    let recorder = || {
        let reporter = Reporter { controller: names::FIELD_MANAGER.to_owned(), instance: None };
        Recorder::new(client.clone(), reporter)
    };
    let mut current = recorder();
    let mut remembered = 0;
    while let Some(batch) = shard.recv().await {
        if remembered >= REMEMBERED {
            current = recorder();
            remembered = 0;
        }
        remembered += batch.transitions.len();
        publish(&current, batch).await;
    }
}

/// Publishes a batch.
///
/// The recorder combines repeated events into one with a count and keeps the first note. The action
/// therefore names the generation, so that only events of one generation of the binding and of one
/// workload are combined.
async fn publish(recorder: &Recorder, Batch { binding, generation, transitions }: Batch) {
    for transition in transitions {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason.into(),
            note: Some(shortened(Foreign::new(&transition.note).up_to(NOTE_LIMIT).line().to_string())),
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
        api_version: Some(workload.kind.api_version().to_owned()),
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
