//! Lists of objects. Only part of each object is kept.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Client, Resource};
use podidentity_core::objects::Namespace;
use serde::de::DeserializeOwned;

use super::ReadError;
use super::pages::Pages;
use crate::http::connection::Connection;
use crate::http::discovery::serves;
use crate::http::error::Meaning;
use crate::http::page_size::READ_PAGE;
use crate::index::Object;

/// Receives the progress of a long read.
pub trait Progress: Sync {
    /// Reports how many objects of a kind have been read, and the total if it is known.
    fn read(&self, kind: &'static str, so_far: usize, total: Option<usize>);
}

/// Ignores progress.
pub struct NoProgress;

impl Progress for NoProgress {
    fn read(&self, _: &'static str, _: usize, _: Option<usize>) {}
}

/// Lists objects of one namespace or of all.
#[derive(Clone, Copy)]
pub struct Lister<'a> {
    /// The client.
    pub client: &'a Client,
    /// The namespace; `None`: all.
    pub namespace: Option<&'a str>,
    /// Receives the progress.
    pub progress: &'a dyn Progress,
}

/// The objects of a list.
pub(super) struct Listed<K> {
    pub(super) items: Vec<K>,
    pub(super) undecodable: Vec<String>,
}

impl<K> Default for Listed<K> {
    fn default() -> Self {
        Self { items: Vec::new(), undecodable: Vec::new() }
    }
}

impl Connection {
    /// Lists objects of one namespace or of all, without progress.
    pub fn lister<'a>(&'a self, namespace: Option<&'a str>) -> Lister<'a> {
        Lister { client: &self.client, namespace, progress: &NoProgress }
    }
}

impl<'a> Lister<'a> {
    /// Whether the API server serves a resource. Every user may ask that, so the answer
    /// distinguishes an absent resource from one that the user may not list.
    pub(super) async fn serves(&self, version: &str, resource: &str) -> Result<bool, ReadError> {
        match serves(self.client, version, resource).await {
            Ok(served) => Ok(served),
            // This user has no access to discovery; the list itself will show the error.
            Err(error) if Meaning::of(&error) == Meaning::Forbidden => Ok(false),
            Err(error) => Err(ReadError::of(&error, "get", "API resources", self.namespace)),
        }
    }

    /// All objects of a namespaced kind, each reduced by `keep` as soon as its page arrives.
    pub(super) async fn all<K>(&self, kind: &'static str, keep: fn(K) -> Object) -> Result<Listed<Object>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let mut pages = self.pages(kind);
        let mut all = Listed::default();
        while let Some(page) = pages.next().await? {
            all.items.extend(page.items.into_iter().map(keep));
            all.undecodable.extend(page.undecodable);
        }
        Ok(all)
    }

    /// All objects if the kind is `known`, else none.
    pub(super) async fn all_if<K>(
        &self,
        known: bool,
        kind: &'static str,
        keep: fn(K) -> Object,
    ) -> Result<Listed<Object>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        if known { self.all(kind, keep).await } else { Ok(Listed::default()) }
    }

    /// The namespace, or all namespaces. A user with rights in a namespace often may not read the
    /// namespace itself; then the list is empty.
    pub(super) async fn namespaces(&self) -> Result<Listed<Namespace>, ReadError> {
        let mut params = ListParams::default().limit(READ_PAGE);
        if let Some(namespace) = self.namespace {
            params = params.fields(&format!("metadata.name={namespace}"));
        }
        let mut pages = Pages::<Namespace>::new(*self, Namespace::url_path(&(), None), params, "namespaces");
        let mut all = Listed::default();
        loop {
            match pages.next().await {
                Ok(Some(page)) => all.items.extend(page.items),
                Ok(None) => return Ok(all),
                Err(ReadError::Forbidden { .. }) => return Ok(Listed::default()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Fails if the user may not list a kind.
    pub(super) async fn may_list<K>(&self, kind: &'static str) -> Result<(), ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let params = ListParams::default().limit(1);
        Pages::<K>::new(*self, K::url_path(&(), self.namespace), params, kind).next().await.map(|_| ())
    }

    /// The names of all namespaces, or none if the user may not list them.
    pub async fn namespace_names(&self) -> Result<Vec<String>, ReadError> {
        let all = self.namespaces().await?;
        Ok(all.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect())
    }

    /// The names of the objects that a label selector selects, as `(namespace, name)`.
    pub async fn selected<K>(&self, kind: &'static str, selector: &str) -> Result<Vec<(String, String)>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let mut pages = self.pages::<K>(kind);
        pages.select(selector);
        let mut names = Vec::new();
        while let Some(page) = pages.next().await? {
            names.extend(page.items.into_iter().map(|item| {
                let meta = item.meta();
                (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
            }));
        }
        Ok(names)
    }

    pub(super) fn pages<K>(&self, kind: &'static str) -> Pages<'a, K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        Pages::new(*self, K::url_path(&(), self.namespace), ListParams::default().limit(READ_PAGE), kind)
    }
}
