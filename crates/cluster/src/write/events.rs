//! Events: news of what was done and found. They are published beside the reconciles.

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

/// For so long an event may go unanswered before the next one is published.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many events are published at the same time.
const LANES: usize = 4;

/// How many reconciles' news may wait in each lane, less than a kilobyte each. Then reconciles wait for a place in it: an API
/// server that gets more changes than it can be told of is not sent even more.
const WAITING: usize = 2_000;

/// So long a reconcile waits for a place. Then the API server does not answer, and its news are left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many events of a lane are remembered, to count those that repeat themselves. Kube's recorder keeps each for six
/// minutes, and goes through all that it keeps for each one that it publishes.
const REMEMBERED: usize = 100;

/// An event's note may have 1 kB.
const NOTE_LIMIT: usize = 1000;

/// Takes news to be published. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    /// The news of one binding are all in the same one, and stay in order.
    lanes: Arc<[mpsc::Sender<News>]>,
}

/// What there is to tell of a binding.
struct News {
    binding: ObjectReference,
    generation: i64,
    transitions: Vec<Transition>,
}

impl Announcer {
    /// An announcer, and the future that publishes what it takes until the last clone of it is gone.
    pub fn new(client: Client) -> (Self, impl Future<Output = ()> + Send) {
        let (lanes, ends): (Vec<_>, Vec<_>) = (0..LANES).map(|_| mpsc::channel(WAITING)).unzip();
        let publishing = join_all(ends.into_iter().map(move |lane| publish_all(client.clone(), lane)));
        (Self { lanes: lanes.into() }, publishing.map(|_| ()))
    }

    /// Takes news of a binding. Losing them is no harm: the status has it all.
    pub async fn announce(&self, binding: &PodIdentityBinding, transitions: Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        let generation = binding.metadata.generation.unwrap_or_default();
        let news = News { binding: binding.object_ref(&()), generation, transitions };
        if let Err(SendTimeoutError::Timeout(news)) = self.lane(&news.binding).send_timeout(news, PATIENCE).await {
            warn!(
                namespace = news.binding.namespace,
                binding = news.binding.name,
                events = news.transitions.len(),
                "events not published: the API server does not take those before them"
            );
        }
    }

    fn lane(&self, binding: &ObjectReference) -> &mpsc::Sender<News> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((&binding.namespace, &binding.name));
        #[allow(clippy::cast_possible_truncation)] // any few bits of it will do
        let number = hash as usize % self.lanes.len();
        &self.lanes[number]
    }
}

/// Publishes what comes in a lane until nothing more will come.
async fn publish_all(client: Client, mut lane: mpsc::Receiver<News>) {
    let recorder = || {
        let reporter = Reporter { controller: names::FIELD_MANAGER.to_owned(), instance: None };
        Recorder::new(client.clone(), reporter)
    };
    let mut current = recorder();
    let mut remembered = 0;
    while let Some(news) = lane.recv().await {
        if remembered >= REMEMBERED {
            current = recorder();
            remembered = 0;
        }
        remembered += news.transitions.len();
        publish(&current, news).await;
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
