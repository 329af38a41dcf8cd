//! What is filed under one service account.

use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Kin, Pod, PodMeta, PodSpec, Workload};
use podidentity_core::snapshot::Snapshot;
use serde::de::DeserializeOwned;

use crate::filed::{Filed, Head, Version};
use crate::index::{Kind, ObjectId};
use crate::packed::Packed;
use crate::packers::{Account, Body, PodBody, Template};
use crate::sorted::Sorted;

/// How many different kinds of pods are looked at for one that a new pod is like: during a rollout there are two, and
/// each further workload of the account has its own.
const TEMPLATES: usize = 8;

/// Everything that bears on one identity.
#[derive(Default)]
pub(crate) struct Identity {
    bindings: Sorted<Packed<PodIdentityBinding>>,
    service_account: Option<Filed<Packed<Account>>>,
    workloads: Sorted<Packed<Workload>>,
    pods: Sorted<PodBody>,
    /// What pods have in common with others, the latest last.
    templates: Vec<Arc<Packed<Template>>>,
}

impl Identity {
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_bound() && self.service_account.is_none() && self.workloads.is_empty() && self.pods.is_empty()
    }

    /// Whether a binding names it.
    pub(crate) fn is_bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// Which version of an object is filed.
    pub(crate) fn version(&self, id: &ObjectId) -> Option<&Version> {
        let head = match id.kind {
            Kind::Binding => &self.bindings.find(id)?.head,
            Kind::ServiceAccount => &self.service_account.as_ref()?.head,
            Kind::Workload(_) => &self.workloads.find(id)?.head,
            Kind::Pod => &self.pods.find(id)?.head,
            Kind::Namespace => return None,
        };
        Some(head.version())
    }

    /// Files an object; returns the binding that it replaces.
    pub(crate) fn insert(&mut self, id: &ObjectId, head: Head, body: Body) -> Option<Packed<PodIdentityBinding>> {
        match body {
            Body::Binding(body) => return self.bindings.insert(id, Filed { head, body }),
            Body::ServiceAccount(body) => self.service_account = Some(Filed { head, body }),
            Body::Workload(body) => {
                self.workloads.insert(id, Filed { head, body });
            }
            Body::Pod(mut body) => {
                self.share(&mut body.template);
                self.pods.insert(id, Filed { head, body });
            }
        }
        None
    }

    /// Removes an object; returns it if it is a binding.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Packed<PodIdentityBinding>> {
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
            Kind::Namespace => {}
        }
        None
    }

    /// Lets a pod share its template with an earlier one.
    fn share(&mut self, template: &mut Arc<Packed<Template>>) {
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

    /// Everything about it; `None` if something cannot be read again.
    pub(crate) fn open(&self, base: Snapshot) -> Option<Snapshot> {
        let account = match &self.service_account {
            Some(account) => Some(Arc::new(Arc::unwrap_or_clone(account.body.open()?).into())),
            None => None,
        };
        Some(Snapshot {
            bindings: opened(&self.bindings)?,
            service_account: account,
            workloads: opened(&self.workloads)?,
            pods: self.open_pods(&base.namespace)?,
            ..base
        })
    }

    fn open_pods(&self, namespace: &str) -> Option<Vec<Arc<Pod>>> {
        let mut templates = Templates::default();
        let mut pods = Vec::with_capacity(self.pods.len());
        for Filed { head, body } in &*self.pods {
            let (kin, spec) = templates.open(&body.template)?;
            let metadata = PodMeta {
                name: Some(head.name().to_owned()),
                namespace: Some(namespace.to_owned()),
                uid: head.version().uid().map(str::to_owned),
                resource_version: head.version().number().map(|number| number.to_string()),
                creation_timestamp: body.created.clone(),
                deletion_timestamp: body.deleted.as_deref().cloned(),
                kin,
            };
            pods.push(Arc::new(Pod { metadata, spec, phase: body.phase, ready: body.ready }));
        }
        Some(pods)
    }
}

fn opened<T: DeserializeOwned>(filed: &[Filed<Packed<T>>]) -> Option<Vec<Arc<T>>> {
    filed.iter().map(|filed| filed.body.open()).collect()
}

/// Templates that have been opened already: pods share them in a snapshot as they do in the index.
#[derive(Default)]
struct Templates<'a>(Vec<Opened<'a>>);

struct Opened<'a> {
    packed: &'a Arc<Packed<Template>>,
    kin: Arc<Kin>,
    spec: Arc<PodSpec>,
}

impl<'a> Templates<'a> {
    fn open(&mut self, packed: &'a Arc<Packed<Template>>) -> Option<(Arc<Kin>, Arc<PodSpec>)> {
        let known = self.0.iter().position(|opened| Arc::ptr_eq(opened.packed, packed));
        let place = known.unwrap_or(self.0.len());
        if known.is_none() {
            let Template { kin, spec } = Arc::unwrap_or_clone(packed.open()?);
            self.0.push(Opened { packed, kin: Arc::new(kin), spec: Arc::new(spec) });
        }
        let opened = &self.0[place];
        Some((Arc::clone(&opened.kin), Arc::clone(&opened.spec)))
    }
}
