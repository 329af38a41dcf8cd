//! Argo Rollouts: watched while its custom resource is installed, which may be never, or change at any time.
//!
//! ```text
//! watch on the one definition ──► it is there: start the stream ──► it is gone: stop it, forget its objects
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Either, pending};
use futures::{FutureExt, StreamExt, pin_mut};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use podidentity_core::objects::{Rollout, WorkloadKind};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::index::{Index, Kind, Object};
use crate::layers;
use crate::pulse::Pulse;
use crate::watch::{Listeners, stream};

const DEFINITION: &str = "rollouts.argoproj.io";
const WATCHED: &str = "CustomResourceDefinition";
/// A definition that is there but cannot be used (not accepted, being deleted) keeps nobody from working for longer.
const PATIENCE: Duration = Duration::from_secs(10);
const KIND: Kind = Kind::Workload(WorkloadKind::Rollout);

/// The stream of Rollouts, which begins and ends with their definition, and what is told when they need no more be
/// waited for: they are listed, there are none, or it cannot be known.
pub(crate) fn rollouts(
    client: &Client,
    index: &Index,
    listeners: &Listeners,
) -> (BoxFuture<'static, ()>, oneshot::Receiver<()>) {
    let (looked, receiver) = oneshot::channel();
    let keeper = Keeper {
        client: client.clone(),
        pulse: Arc::new(listeners.pulses.begin(WATCHED)),
        index: index.clone(),
        listeners: listeners.clone(),
        looked: Some(looked),
        listed: None,
        running: None,
        seen: false,
    };
    (keeper.run().boxed(), receiver)
}

struct Keeper {
    client: Client,
    pulse: Arc<Pulse>,
    index: Index,
    listeners: Listeners,
    /// Told once when nobody has to wait any more.
    looked: Option<oneshot::Sender<()>>,
    /// Told by the stream of its first full list.
    listed: Option<oneshot::Receiver<()>>,
    running: Option<BoxFuture<'static, ()>>,
    /// Whether the list that is under way has shown the definition.
    seen: bool,
}

impl Keeper {
    async fn run(mut self) {
        // Metadata only: the definition itself is large.
        let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(layers::felt(&self.client, &self.pulse));
        let config = watcher::Config::default().fields(&format!("metadata.name={DEFINITION}"));
        let definitions = watch(api, config).default_backoff();
        let patience = tokio::time::sleep(PATIENCE);
        pin_mut!(definitions, patience);
        loop {
            let running = self.running.as_mut().map_or(Either::Left(pending()), Either::Right);
            let listed = self.listed.as_mut().map_or(Either::Left(pending()), Either::Right);
            tokio::select! {
                event = definitions.next() => match event {
                    Some(Ok(event)) => self.keep(&event),
                    Some(Err(error)) => {
                        warn!(%error, "it cannot be seen whether Argo Rollouts is installed, trying again");
                        self.listeners.observer.watch_failed(WATCHED);
                        self.need_not_be_waited_for();
                    }
                    None => return,
                },
                () = running => self.running = None,
                () = &mut patience, if self.looked.is_some() => self.need_not_be_waited_for(),
                _ = listed => {
                    self.listed = None;
                    self.need_not_be_waited_for();
                }
            }
        }
    }

    fn keep(&mut self, event: &Event<PartialObjectMeta<CustomResourceDefinition>>) {
        match event {
            Event::Init => self.seen = false,
            Event::InitApply(definition) | Event::Apply(definition) => {
                self.seen = true;
                // Its objects go first, and the stream shows how; the definition's own end comes after.
                if definition.meta().deletion_timestamp.is_none() {
                    self.start();
                }
            }
            Event::InitDone if self.seen => {}
            Event::InitDone | Event::Delete(_) => {
                self.stop();
                self.need_not_be_waited_for();
            }
        }
    }

    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        info!("Argo Rollouts is installed: its Rollouts are watched");
        let (running, listed) = stream(&self.client, &self.index, &self.listeners, KIND, Object::workload::<Rollout>);
        (self.running, self.listed) = (Some(running), Some(listed));
    }

    fn stop(&mut self) {
        if self.running.take().is_some() {
            info!("Argo Rollouts is not installed any more");
        }
        self.listed = None;
        for key in self.index.retain(KIND, &HashSet::new()) {
            (self.listeners.notify)(key);
        }
    }

    fn need_not_be_waited_for(&mut self) {
        if let Some(looked) = self.looked.take() {
            // The receiver is only gone when the process is shutting down.
            let _ = looked.send(());
        }
    }
}
