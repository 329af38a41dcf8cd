//! A namespace for one test.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::wait::{self, Watched};
use crate::{ControlPlane, wait::DEADLINE};

/// A fresh namespace for one test. It is not deleted, because the whole control plane goes away.
#[derive(Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    client: Client,
}

impl ControlPlane {
    /// Creates a namespace whose name begins with `prefix`, ready for pods.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let client = self.client();
        let object: core::Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let api = Api::<core::Namespace>::all(client.clone());
        api.create(&PostParams::default(), &object).await.with_context(|| format!("cannot create namespace {name}"))?;
        wait::default_service_account(&client, &name, DEADLINE).await?;
        Ok(Namespace { name, client })
    }

    /// A namespace that exists already.
    pub fn existing_namespace(&self, name: &str) -> Namespace {
        Namespace { name: name.to_owned(), client: self.client() }
    }
}

impl Namespace {
    /// A client for one kind of object in this namespace.
    pub fn api<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Creates an object.
    pub async fn create<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(&self, object: K) -> Result<K> {
        let what = format!("{} {}/{}", K::kind(&()), self.name, object.name_any());
        self.api().create(&PostParams::default(), &object).await.with_context(|| format!("cannot create {what}"))
    }

    /// Changes an object with a merge patch, as a user with `kubectl edit` would.
    pub async fn change<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(
        &self,
        name: &str,
        patch: &Value,
    ) -> Result<K> {
        let what = format!("{} {}/{name}", K::kind(&()), self.name);
        let params = PatchParams { field_manager: Some("a-user".to_owned()), ..PatchParams::default() };
        self.api().patch(name, &params, &Patch::Merge(patch)).await.with_context(|| format!("cannot change {what}"))
    }

    /// Applies a part of an object by force, as this field manager.
    pub async fn take_over<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(
        &self,
        manager: &str,
        name: &str,
        mut part: Value,
    ) -> Result<K> {
        let what = format!("{} {}/{name}", K::kind(&()), self.name);
        part["apiVersion"] = json!(K::api_version(&()));
        part["kind"] = json!(K::kind(&()));
        part["metadata"]["name"] = json!(name);
        let params = PatchParams::apply(manager).force();
        self.api().patch(name, &params, &Patch::Apply(part)).await.with_context(|| format!("cannot apply {what}"))
    }

    /// Deletes an object.
    pub async fn delete<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(&self, name: &str) -> Result<()> {
        let what = format!("{} {}/{name}", K::kind(&()), self.name);
        let deleted = self.api::<K>().delete(name, &DeleteParams::default()).await;
        deleted.map(|_| ()).with_context(|| format!("cannot delete {what}"))
    }

    /// Changes labels and annotations of the namespace itself; `null` removes one.
    pub async fn mark(&self, metadata: &Value) -> Result<()> {
        let api = Api::<core::Namespace>::all(self.client.clone());
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let marked = api.patch(&self.name, &PatchParams::default(), &patch).await;
        marked.map(|_| ()).with_context(|| format!("cannot mark namespace {} with {metadata}", self.name))
    }

    /// A client for this namespace's cluster.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}
