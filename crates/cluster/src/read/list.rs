//! Lists, page by page.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::ReadError;

/// As kubectl asks for.
const PAGE: u32 = 500;
/// An overloaded API server is asked so many times.
const TRIES: u32 = 4;

/// Told how far a long read is.
pub trait Progress: Sync {
    /// So many objects of a kind have been read; of how many, if it is known.
    fn read(&self, kind: &'static str, so_far: usize, total: Option<usize>);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn read(&self, _: &'static str, _: usize, _: Option<usize>) {}
}

/// Lists objects of one namespace or of all.
#[derive(Clone, Copy)]
pub struct Lister<'a> {
    /// The client.
    pub client: &'a Client,
    /// The namespace; `None`: all.
    pub namespace: Option<&'a str>,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
}

/// What was listed.
pub(super) struct Listed<K> {
    pub(super) items: Vec<K>,
    pub(super) undecodable: Vec<String>,
}

impl<K> Default for Listed<K> {
    fn default() -> Self {
        Self { items: Vec::new(), undecodable: Vec::new() }
    }
}

impl<'a> Lister<'a> {
    /// Whether the API server serves a resource. Everybody may ask that, so an absent resource is told from one that is
    /// out of bounds.
    pub(super) async fn serves(&self, version: &str, resource: &str) -> Result<bool, ReadError> {
        match self.client.list_api_group_resources(version).await {
            Ok(list) => Ok(list.resources.iter().any(|served| served.name == resource)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            // Discovery is closed to this user: listing will tell.
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(false),
            Err(error) => Err(ReadError::of(error, "get", "API resources", self.namespace)),
        }
    }

    /// All objects of a namespaced kind.
    pub(super) async fn all<K>(&self, kind: &'static str) -> Result<Listed<K>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let mut pages = self.pages(kind);
        let mut all = Listed::default();
        while let Some(page) = pages.next().await? {
            all.items.extend(page.items);
            all.undecodable.extend(page.undecodable);
        }
        Ok(all)
    }

    /// The same, or nothing.
    pub(super) async fn all_if<K>(&self, known: bool, kind: &'static str) -> Result<Listed<K>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        if known { self.all(kind).await } else { Ok(Listed::default()) }
    }

    /// The namespace, or all. Who may only look into a namespace often may not look at it: then nothing is known of it.
    pub(super) async fn namespaces<K>(&self) -> Result<Listed<K>, ReadError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api = Api::<DeserializeGuard<K>>::all(self.client.clone());
        let mut params = ListParams::default().limit(PAGE);
        if let Some(namespace) = self.namespace {
            params = params.fields(&format!("metadata.name={namespace}"));
        }
        let mut pages = Pages { api, params: Some(params), kind: "namespaces", so_far: 0, lister: *self };
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

    /// The names of all namespaces, or none if the user may not list them.
    pub async fn namespace_names<K>(&self) -> Result<Vec<String>, ReadError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let all = self.namespaces::<K>().await?;
        Ok(all.items.iter().filter_map(|namespace| namespace.meta().name.clone()).collect())
    }

    /// The names of the objects that a label selector selects, as `(namespace, name)`.
    pub async fn selected<K>(&self, kind: &'static str, selector: &str) -> Result<Vec<(String, String)>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let mut pages = self.pages::<K>(kind);
        pages.params = pages.params.map(|params| params.labels(selector));
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
        let api = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        Pages { api, params: Some(ListParams::default().limit(PAGE)), kind, so_far: 0, lister: *self }
    }
}

/// The pages of a list.
pub(super) struct Pages<'a, K> {
    api: Api<DeserializeGuard<K>>,
    /// What to ask next; `None`: the list has ended.
    params: Option<ListParams>,
    kind: &'static str,
    so_far: usize,
    lister: Lister<'a>,
}

impl<K> Pages<'_, K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Listed<K>>, ReadError> {
        let Some(mut params) = self.params.take() else { return Ok(None) };
        let mut tries = 0;
        let list = loop {
            let error = match self.api.list(&params).await {
                Ok(list) => break list,
                Err(error) => error,
            };
            tries += 1;
            if let Some(token) = expired(&error) {
                // The list has become too old; this goes on behind the same object, in the present.
                params = params.continue_token(&token);
            } else if let Some(pause) = overloaded(&error).filter(|_| tries < TRIES) {
                tokio::time::sleep(pause).await;
            } else {
                return Err(ReadError::of(error, "list", self.kind, self.lister.namespace));
            }
        };
        self.so_far += list.items.len();
        let left = list.metadata.remaining_item_count.and_then(|left| usize::try_from(left).ok());
        let more = list.metadata.continue_.filter(|token| !token.is_empty());
        let total = if more.is_some() { left.map(|left| left + self.so_far) } else { Some(self.so_far) };
        self.lister.progress.read(self.kind, self.so_far, total);
        self.params = more.map(|token| params.continue_token(&token));
        let mut page = Listed::default();
        for item in list.items {
            match item.0 {
                Ok(item) => page.items.push(item),
                Err(invalid) => {
                    let meta = invalid.metadata;
                    let (namespace, name) = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
                    page.undecodable.push(format!("{} {namespace}/{name}: {}", K::kind(&()), invalid.error));
                }
            }
        }
        Ok(Some(page))
    }
}

/// The token to go on with if the list has expired.
fn expired(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let token = status.metadata.as_ref()?.continue_.clone()?;
    (status.code == 410 && !token.is_empty()).then_some(token)
}

/// How long to wait before asking an overloaded API server again.
fn overloaded(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    matches!(status.code, 429 | 503 | 504).then(|| Duration::from_secs(u64::from(asked).clamp(1, 30)))
}
