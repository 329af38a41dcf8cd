//! The part of the cluster that the operator watches: all of it, or a few namespaces.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use podidentity_core::objects::Namespace;
use tokio::sync::oneshot;
use tracing::warn;

use super::streams::Source;
use crate::index::{IdentityKey, Index, Kind, Object, ObjectId};

/// Interval of polling what only a user with rights in the whole cluster can watch.
pub(crate) const POLL_EVERY: Duration = Duration::from_secs(60);
/// Wait after a failed poll.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The whole cluster, or a few namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchScope {
    /// Every namespace. Needs rights in the whole cluster.
    Cluster,
    /// These namespaces, whether they exist already or not. Needs rights in each of them and
    /// nowhere else.
    Namespaces(BTreeSet<String>),
}

impl WatchScope {
    /// The watches that together observe all objects of a kind: one for the whole cluster (`None`),
    /// or one per namespace.
    pub(crate) fn parts(&self) -> Vec<Option<String>> {
        match self {
            Self::Cluster => vec![None],
            Self::Namespaces(names) => names.iter().cloned().map(Some).collect(),
        }
    }
}

/// A client for one kind of object in a part of a [`WatchScope`].
pub(crate) fn api<K>(client: &Client, part: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match part {
        None => Api::all(client.clone()),
        Some(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// Keeps one namespace object in the index by polling it every minute: a Role in a namespace can
/// grant get on that namespace, but not watch.
pub(crate) async fn poll_namespace(source: Source, name: String, listed: oneshot::Sender<()>) {
    let api = Api::<Namespace>::all(source.client(Kind::Namespace.as_str()));
    let mut listed = Some(listed);
    let mut seen = None;
    loop {
        match api.get_opt(&name).await {
            Ok(found) => {
                let version = found.as_ref().and_then(|namespace| namespace.metadata.resource_version.clone());
                if version != seen {
                    seen = version;
                    for key in put(&source.index, &name, found) {
                        (source.listeners.notify)(key);
                    }
                }
                if let Some(listed) = listed.take() {
                    // The receiver is gone only while the process shuts down.
                    let _ = listed.send(());
                }
                tokio::time::sleep(POLL_EVERY).await;
            }
            Err(error) => {
                source.listeners.telemetry.watch_failed(Kind::Namespace.as_str());
                warn!(namespace = name, %error, "the namespace cannot be looked at, trying again");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

fn put(index: &Index, name: &str, found: Option<Namespace>) -> Vec<IdentityKey> {
    match found {
        Some(namespace) => index.apply(Object::Namespace(Arc::new(namespace))),
        None => index.delete(&ObjectId::of_namespace(name), None),
    }
}
