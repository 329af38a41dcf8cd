//! All states of one object in order, to test what never happens in between.

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource};

use crate::Namespace;
use crate::wait::{DEADLINE, Watched};

/// The states of an object from now on.
pub struct History<K> {
    states: Vec<K>,
    events: BoxStream<'static, kube::Result<WatchEvent<K>>>,
}

impl<K: Watched + Resource<Scope = NamespaceResourceScope>> History<K> {
    /// Begins with the current state.
    pub async fn of(namespace: &Namespace, name: &str) -> Result<Self> {
        let api: Api<K> = namespace.api();
        let field = format!("metadata.name={name}");
        let list = api.list(&ListParams::default().fields(&field)).await?;
        let version = list.metadata.resource_version.context("the list has no resource version")?;
        let events = api.watch(&WatchParams::default().fields(&field).timeout(290), &version).await?;
        Ok(Self { states: list.items, events: events.boxed() })
    }

    /// All states up to the first one for which `is_last` is true.
    pub async fn until(self, is_last: impl Fn(&K) -> bool) -> Result<Vec<K>> {
        tokio::time::timeout(DEADLINE, self.read(is_last)).await.context("the last state did not come")?
    }

    async fn read(mut self, is_last: impl Fn(&K) -> bool) -> Result<Vec<K>> {
        while !self.states.last().is_some_and(&is_last) {
            match self.events.next().await.context("the watch ended")?? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.states.push(object),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(error) => bail!("the watch failed: {error}"),
            }
        }
        Ok(self.states)
    }
}
