//! Everything about one identity: the objects of one service account.

use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Pod, PodMeta, PodSpec, SharedMeta, Workload};
use podidentity_core::snapshot::Snapshot;
use serde::de::DeserializeOwned;

use super::compressed::Compressed;
use super::compressors::{Account, Body, PodBody, Template};
use super::entry::{Entry, Head, Version};
use super::object::{Kind, ObjectId};
use super::role_objects::RoleObjects;
use super::sorted_vec::SortedVec;

/// How many templates a new pod is compared with. A rollout has two, and each further workload of
/// the service account has its own.
const TEMPLATES: usize = 8;

/// Everything that concerns one identity.
#[derive(Default)]
pub(crate) struct Identity {
    bindings: SortedVec<Compressed<PodIdentityBinding>>,
    service_account: Option<Entry<Compressed<Account>>>,
    workloads: SortedVec<Compressed<Workload>>,
    pods: SortedVec<PodBody>,
    /// Templates that pods share, latest last.
    templates: Vec<Arc<Compressed<Template>>>,
}

impl Identity {
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_bound() && self.service_account.is_none() && self.workloads.is_empty() && self.pods.is_empty()
    }

    /// Whether a binding names this identity.
    pub(crate) fn is_bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// The version of an object in the index.
    pub(crate) fn version(&self, id: &ObjectId) -> Option<&Version> {
        let head = match id.kind {
            Kind::Binding => &self.bindings.find(id)?.head,
            Kind::ServiceAccount => &self.service_account.as_ref()?.head,
            Kind::Workload(_) => &self.workloads.find(id)?.head,
            Kind::Pod => &self.pods.find(id)?.head,
            Kind::Namespace | Kind::RoleObject(_) => return None,
        };
        Some(head.version())
    }

    /// The templates that pods share, latest last.
    pub(crate) fn templates(&self) -> &[Arc<Compressed<Template>>] {
        &self.templates
    }

    /// Whether the object is a pod that differs from its entry only in its resource version: most
    /// events of a pod are about conditions, restart counts or addresses, which no verdict reads.
    pub(crate) fn is_same_pod(&self, id: &ObjectId, version: &Version, body: &Body) -> bool {
        let Body::Pod(pod) = body else { return false };
        self.pods.find(id).is_some_and(|entry| entry.head.version().uid() == version.uid() && entry.body.is_same(pod))
    }

    /// Adds an object; returns the binding that it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, head: Head, body: Body) -> Option<Compressed<PodIdentityBinding>> {
        match body {
            Body::Binding(body) => return self.bindings.insert(id, Entry { head, body }),
            Body::ServiceAccount(body) => self.service_account = Some(Entry { head, body }),
            Body::Workload(body) => {
                self.workloads.insert(id, Entry { head, body });
            }
            Body::Pod(mut body) => {
                self.share(&mut body.template);
                self.pods.insert(id, Entry { head, body });
            }
        }
        None
    }

    /// Removes an object; returns it if it is a binding.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Compressed<PodIdentityBinding>> {
        match id.kind {
            Kind::Binding => return self.bindings.remove(id),
            Kind::ServiceAccount => self.service_account = None,
            Kind::Workload(_) => {
                self.workloads.remove(id);
            }
            Kind::Pod => {
                self.pods.remove(id);
                if self.pods.is_empty() {
                    self.templates = Vec::new();
                }
            }
            Kind::Namespace | Kind::RoleObject(_) => {}
        }
        None
    }

    /// Lets a pod share its template with an earlier one.
    fn share(&mut self, template: &mut Arc<Compressed<Template>>) {
        if let Some(known) = self.templates.iter().find(|known| *known == template) {
            *template = Arc::clone(known);
            return;
        }
        if self.templates.len() == TEMPLATES {
            self.templates.remove(0);
        }
        self.templates.reserve_exact(1);
        self.templates.push(Arc::clone(template));
    }

    /// Builds the snapshot of the identity and resolves the roles of its bindings. `None` if an
    /// object cannot be decompressed.
    pub(crate) fn decompress(&self, base: Snapshot, roles: &RoleObjects) -> Option<Snapshot> {
        let account = match &self.service_account {
            Some(account) => Some(Arc::new(Arc::unwrap_or_clone(account.body.decompress()?).into())),
            None => None,
        };
        let mut bindings: Vec<Arc<PodIdentityBinding>> = all(&self.bindings)?;
        for binding in &mut bindings {
            roles.resolve(binding, base.config.settings.account.as_ref());
        }
        Some(Snapshot {
            bindings,
            service_account: account,
            workloads: all(&self.workloads)?,
            pods: self.decompress_pods(&base.namespace)?,
            ..base
        })
    }

    /// Its bindings; `None` if one cannot be decompressed.
    pub(crate) fn decompress_bindings(&self) -> Option<Vec<Arc<PodIdentityBinding>>> {
        all(&self.bindings)
    }

    fn decompress_pods(&self, namespace: &str) -> Option<Vec<Arc<Pod>>> {
        let mut templates = Templates::default();
        let mut pods = Vec::with_capacity(self.pods.len());
        for Entry { head, body } in &*self.pods {
            let (shared, spec) = templates.decompress(&body.template)?;
            let metadata = PodMeta {
                name: Some(head.name().to_owned()),
                namespace: Some(namespace.to_owned()),
                uid: head.version().uid().map(str::to_owned),
                resource_version: head.version().number().map(|number| number.to_string()),
                creation_timestamp: body.created.clone(),
                deletion_timestamp: body.deleted.as_deref().cloned(),
                shared,
            };
            pods.push(Arc::new(Pod { metadata, spec, phase: body.phase, ready: body.ready, failing: body.failing }));
        }
        Some(pods)
    }
}

fn all<T: DeserializeOwned>(entries: &[Entry<Compressed<T>>]) -> Option<Vec<Arc<T>>> {
    entries.iter().map(|entry| entry.body.decompress()).collect()
}

/// Templates that are already decompressed: pods share them in a snapshot as they do in the index.
#[derive(Default)]
struct Templates<'a>(Vec<Decompressed<'a>>);

struct Decompressed<'a> {
    compressed: &'a Arc<Compressed<Template>>,
    shared: Arc<SharedMeta>,
    spec: Arc<PodSpec>,
}

impl<'a> Templates<'a> {
    fn decompress(&mut self, compressed: &'a Arc<Compressed<Template>>) -> Option<(Arc<SharedMeta>, Arc<PodSpec>)> {
        let known = self.0.iter().position(|decompressed| Arc::ptr_eq(decompressed.compressed, compressed));
        let position = known.unwrap_or(self.0.len());
        if known.is_none() {
            let Template { shared, spec } = Arc::unwrap_or_clone(compressed.decompress()?);
            self.0.push(Decompressed { compressed, shared: Arc::new(shared), spec: Arc::new(spec) });
        }
        let decompressed = &self.0[position];
        Some((Arc::clone(&decompressed.shared), Arc::clone(&decompressed.spec)))
    }
}
