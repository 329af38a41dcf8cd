//! Lists, page by page. The client retries pages that an overloaded API server refuses.

use std::fmt::Debug;
use std::marker::PhantomData;

use kube::Resource;
use kube::api::ListParams;
use kube::core::{ListMeta, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::ReadError;
use super::list::{Listed, Lister};
use crate::http::error::continue_token;
use crate::watch::decode::Decoded;

/// What precedes the items of a list.
const ITEMS: &str = "\"items\":";

/// The pages of a list. The client requests the next page while it decodes and judges the current
/// one.
pub(super) struct Pages<'a, K> {
    path: String,
    /// Parameters of the next request; `None`: the list has ended.
    params: Option<ListParams>,
    /// The page that has been requested, if any.
    coming: JoinSet<kube::Result<String>>,
    kind: &'static str,
    so_far: usize,
    lister: Lister<'a>,
    kinds: PhantomData<fn() -> K>,
}

impl<'a, K> Pages<'a, K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    pub(super) fn new(lister: Lister<'a>, path: String, params: ListParams, kind: &'static str) -> Self {
        let params = Some(params);
        Self { path, params, coming: JoinSet::new(), kind, so_far: 0, lister, kinds: PhantomData }
    }

    /// Selects only objects with these labels.
    pub(super) fn select(&mut self, selector: &str) {
        self.params = self.params.take().map(|params| params.labels(selector));
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Listed<K>>, ReadError> {
        let Some(text) = self.text().await? else { return Ok(None) };
        let metadata = metadata(&text).map_err(|error| no_list(self.kind, &error))?;
        let left = metadata.remaining_item_count.and_then(|left| usize::try_from(left).ok());
        let more = metadata.continue_.filter(|token| !token.is_empty());
        let last = more.is_none();
        self.params = self.params.take().zip(more).map(|(params, token)| params.continue_token(&token));
        self.ask();
        let page = decode::<K>(&text).map_err(|error| no_list(self.kind, &error))?;
        self.so_far += page.items.len() + page.undecodable.len();
        let total = if last { Some(self.so_far) } else { left.map(|left| left + self.so_far) };
        self.lister.progress.read(self.kind, self.so_far, total);
        Ok(Some(page))
    }

    /// The text of the next page.
    async fn text(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            if self.coming.is_empty() {
                self.ask();
            }
            let error = match self.coming.join_next().await {
                None => return Ok(None),
                Some(Ok(Ok(text))) => return Ok(Some(text)),
                Some(Ok(Err(error))) => error,
                Some(Err(panicked)) => kube::Error::Service(panicked.into()),
            };
            if let Some(token) = continue_token(&error) {
                // The list has expired. It continues after the same object, at the current version.
                self.params = self.params.take().map(|params| params.continue_token(&token));
            } else {
                return Err(ReadError::of(&error, "list", self.kind, self.lister.namespace));
            }
        }
    }

    fn ask(&mut self) {
        let Some(params) = &self.params else { return };
        let request = Request::new(&self.path).list(params);
        let client = self.lister.client.clone();
        self.coming.spawn(async move { client.request_text(request.map_err(kube::Error::BuildRequest)?).await });
    }
}

fn no_list(kind: &str, error: &serde_json::Error) -> ReadError {
    ReadError::Other { request: format!("list {kind}"), message: format!("the answer is no list: {error}") }
}

/// The metadata of a page.
#[derive(Deserialize)]
struct Head {
    metadata: Option<ListMeta>,
}

/// The metadata of a page. In most kinds it precedes the items, so the items need not be parsed.
fn metadata(text: &str) -> serde_json::Result<ListMeta> {
    let before = text.find(ITEMS).map(|at| format!("{}{ITEMS}null}}", &text[..at]));
    let head = before.and_then(|before| serde_json::from_str::<Head>(&before).ok()?.metadata);
    match head {
        Some(metadata) => Ok(metadata),
        None => Ok(serde_json::from_str::<Head>(text)?.metadata.unwrap_or_default()),
    }
}

#[derive(Deserialize)]
struct Items<K> {
    items: Option<Vec<K>>,
}

/// The items of a page, and a description of each item that cannot be decoded.
fn decode<K>(text: &str) -> serde_json::Result<Listed<K>>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut page = Listed::default();
    for item in serde_json::from_str::<Items<Decoded<K>>>(text)?.items.unwrap_or_default() {
        match item.0 {
            Ok(item) => page.items.push(item),
            Err(invalid) => {
                let meta = invalid.metadata;
                let (namespace, name) = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
                page.undecodable.push(format!("{} {namespace}/{name}: {}", K::kind(&()), invalid.error));
            }
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ServiceAccount;

    use super::*;

    #[test]
    fn metadata_is_found_before_and_behind_the_items() {
        let before = r#"{"kind":"PodList","metadata":{"continue":"abc","remainingItemCount":7},"items":[{"x":1}]}"#;
        let behind = r#"{"items":[{"metadata":{"name":"a"}}],"kind":"List","metadata":{"continue":"abc"}}"#;
        for text in [before, behind] {
            assert_eq!(metadata(text).unwrap().continue_.as_deref(), Some("abc"), "{text}");
        }
        assert!(metadata(r#"{"kind":"List","items":null}"#).unwrap().continue_.is_none());
        assert!(metadata("<html>").is_err());
    }

    #[test]
    fn what_cannot_be_decoded_is_named_and_the_rest_kept() {
        let text = r#"{"items":[{"metadata":{"name":"a"}},{"metadata":{"namespace":"shop","name":"b"},"secrets":7}]}"#;
        let page = decode::<ServiceAccount>(text).unwrap();
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.undecodable.len(), 1);
        assert!(page.undecodable[0].starts_with("ServiceAccount shop/b: "), "{:?}", page.undecodable);
        assert!(decode::<ServiceAccount>(r#"{"items":null}"#).unwrap().items.is_empty());
    }
}
