//! All states of a namespace's objects, observed without the proxy.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::{StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Resource;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use podidentity_api::names::IDENTITY_ANNOTATION;
use tokio::task::JoinHandle;

use crate::Namespace;
use crate::fixtures::role_annotation;
use crate::process::lock;
use crate::wait::Watched;

/// One value that one object had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Kind and name.
    pub object: String,
    /// The object's uid.
    pub uid: String,
    /// The role of a service account, or the mark of a workload's template.
    pub value: Option<String>,
}

/// Watches a namespace until it is dropped.
pub struct Observer {
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Observer {
    /// Starts the watches.
    pub fn start(namespace: &Namespace) -> Self {
        let mut observer = Self { seen: Arc::default(), tasks: Vec::new() };
        observer.watch::<ServiceAccount>(namespace, |account| {
            account.metadata.annotations.as_ref()?.get(&role_annotation()).cloned()
        });
        observer.watch::<Deployment>(namespace, |it| {
            it.spec.template.metadata.as_ref()?.annotations.as_ref()?.get(IDENTITY_ANNOTATION).cloned()
        });
        observer.watch::<StatefulSet>(namespace, |it| {
            it.spec.template.metadata.as_ref()?.annotations.as_ref()?.get(IDENTITY_ANNOTATION).cloned()
        });
        observer
    }

    /// The values that objects took on, in order. Each differs from the one before it.
    pub fn values(&self) -> Vec<Seen> {
        lock(&self.seen).iter().map(|(_, seen)| seen.clone()).collect()
    }

    fn watch<K>(&mut self, namespace: &Namespace, value: fn(&K) -> Option<String>)
    where
        K: Watched + Resource<Scope = NamespaceResourceScope>,
    {
        let events = watcher(namespace.api::<K>(), watcher::Config::default()).default_backoff();
        let seen = Arc::clone(&self.seen);
        self.tasks.push(tokio::spawn(async move {
            pin_mut!(events);
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    note(&seen, &object, value(&object));
                }
            }
        }));
    }
}

fn note<K: Watched>(seen: &Mutex<Vec<(Instant, Seen)>>, object: &K, value: Option<String>) {
    let meta = object.meta();
    let name = meta.name.clone().unwrap_or_default();
    let new = Seen { object: format!("{}/{name}", K::kind(&())), uid: meta.uid.clone().unwrap_or_default(), value };
    let mut seen = lock(seen);
    let last = seen.iter().rev().map(|(_, seen)| seen).find(|seen| seen.object == new.object && seen.uid == new.uid);
    if last != Some(&new) {
        seen.push((Instant::now(), new));
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
