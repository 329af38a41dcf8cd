//! Custom resources of other tools, watched while the API server serves them. They may never be
//! installed, or come and go at any time.
//!
//! ```text
//! are they served? ──► yes: start the streams ──► no more: stop them, forget their objects
//! ```
//!
//! With rights in the whole cluster, a watch on the CustomResourceDefinition answers the question.
//! With rights in a few namespaces only, the operator polls the API server's discovery every
//! minute.

use std::time::Duration;

use futures::future::{BoxFuture, Either, join_all, pending};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, pin_mut};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::scope::{POLL_EVERY, WatchScope};
use super::streams::{KindStream, Source};
use crate::http::discovery::serves;
use crate::index::Kind;

const WATCHED: &str = "CustomResourceDefinition";
/// How long startup waits for a definition that exists but cannot be used because it is not
/// accepted or is being deleted.
const PATIENCE: Duration = Duration::from_secs(10);

/// A custom resource that may or may not be installed.
pub(crate) struct Optional {
    pub(crate) kind: Kind,
    /// For example `argoproj.io/v1alpha1`.
    pub(crate) api_version: &'static str,
    pub(crate) plural: &'static str,
    /// The streams that keep its objects.
    pub(crate) streams: fn(&Source) -> Vec<KindStream>,
}

impl Optional {
    /// Name of the CustomResourceDefinition, for example `rollouts.argoproj.io`.
    fn definition(&self) -> String {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        format!("{}.{group}", self.plural)
    }

    /// The stream of its objects, which starts and stops with their definition. The receiver is
    /// ready when startup no longer has to wait for them: they are listed, there are none, or their
    /// presence is unknown.
    pub(crate) fn stream(self, source: &Source) -> KindStream {
        let (looked, receiver) = oneshot::channel();
        let keeper =
            Keeper { resource: self, source: source.clone(), looked: Some(looked), listed: None, running: None };
        (keeper.run().boxed(), receiver)
    }
}

struct Keeper {
    resource: Optional,
    source: Source,
    /// Signals once that startup no longer has to wait.
    looked: Option<oneshot::Sender<()>>,
    /// Ready when the streams have delivered their first full lists.
    listed: Option<BoxFuture<'static, ()>>,
    running: Option<BoxFuture<'static, ()>>,
}

impl Keeper {
    async fn run(mut self) {
        let mut served = match self.source.scope {
            WatchScope::Cluster => defined(self.source.client(WATCHED), &self.resource.definition()),
            WatchScope::Namespaces(_) => {
                let Optional { api_version, plural, .. } = self.resource;
                discovered(self.source.client(WATCHED), api_version, plural)
            }
        };
        let patience = tokio::time::sleep(PATIENCE);
        pin_mut!(patience);
        loop {
            let running = self.running.as_mut().map_or(Either::Left(pending()), Either::Right);
            let listed = self.listed.as_mut().map_or(Either::Left(pending()), Either::Right);
            tokio::select! {
                served = served.next() => match served {
                    Some(Ok(true)) => self.start(),
                    Some(Ok(false)) => {
                        self.stop();
                        self.need_not_be_waited_for();
                    }
                    Some(Err(error)) => {
                        warn!(
                            %error,
                            "it cannot be seen whether {definition} is installed, trying again; until then its objects \
                             may be left out (for a whole cluster this needs the rights to list and watch \
                             customresourcedefinitions of this name)",
                            definition = self.resource.definition()
                        );
                        self.source.listeners.telemetry.watch_failed(WATCHED);
                        self.need_not_be_waited_for();
                    }
                    None => return,
                },
                () = running => self.running = None,
                () = &mut patience, if self.looked.is_some() => self.need_not_be_waited_for(),
                () = listed => {
                    self.listed = None;
                    self.need_not_be_waited_for();
                }
            }
        }
    }

    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        info!(definition = self.resource.definition(), "installed: its objects are watched");
        let (running, listed): (Vec<_>, Vec<_>) = (self.resource.streams)(&self.source).into_iter().unzip();
        self.running = Some(join_all(running).map(|_| ()).boxed());
        self.listed = Some(join_all(listed).map(|_| ()).boxed());
    }

    fn stop(&mut self) {
        if self.running.take().is_some() {
            info!(definition = self.resource.definition(), "not installed any more");
        }
        self.listed = None;
        let index = &self.source.index;
        for key in index.objects(self.resource.kind, None).iter().flat_map(|id| index.delete(id, None)) {
            (self.source.listeners.notify)(key);
        }
    }

    fn need_not_be_waited_for(&mut self) {
        if let Some(looked) = self.looked.take() {
            // The receiver is gone only while the process shuts down.
            let _ = looked.send(());
        }
    }
}

type Served = BoxStream<'static, Result<bool, watcher::Error>>;

/// Whether the definition exists, from a watch on it.
fn defined(client: Client, definition: &str) -> Served {
    // Metadata only: the definition itself is large.
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={definition}"));
    let mut listed = false;
    let served = watch(api, config).default_backoff().map(move |event| {
        let event = event?;
        Ok(match event {
            Event::Init => {
                listed = false;
                None
            }
            Event::InitApply(definition) | Event::Apply(definition) => {
                listed = true;
                // The API server deletes the objects first, and their stream reports the deletions.
                // The definition's own deletion follows.
                definition.meta().deletion_timestamp.is_none().then_some(true)
            }
            Event::InitDone if listed => None,
            Event::InitDone | Event::Delete(_) => Some(false),
        })
    });
    served.filter_map(async |served| served.transpose()).boxed()
}

/// Polls whether the API server serves the resource; every user may ask that.
fn discovered(client: Client, api_version: &'static str, plural: &'static str) -> Served {
    let mut ticks = interval(POLL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asked = stream::unfold((client, ticks), async move |(client, mut ticks)| {
        ticks.tick().await;
        let served = serves(&client, api_version, plural).await.map_err(watcher::Error::InitialListFailed);
        Some((served, (client, ticks)))
    });
    asked.boxed()
}
