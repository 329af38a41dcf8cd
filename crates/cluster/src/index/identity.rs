//! Everything about one identity: the objects of one service account.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::PodIdentityBinding;
use podidentity_core::objects::{Phase, Pod, PodMeta, ServiceAccount, Workload};
use podidentity_core::snapshot::Snapshot;

use super::entry::{Entry, Head, Version};
use super::object::{Kind, Object, ObjectId};
use super::packed::{Kept, Packer};
use super::role_objects::RoleObjects;
use super::sorted_vec::SortedVec;
use super::templates::{Template, TemplateId, Templates};

/// Everything that concerns one identity.
#[derive(Default)]
pub(crate) struct Identity {
    bindings: SortedVec<Kept<PodIdentityBinding>>,
    service_account: Option<Entry<Kept<ServiceAccount>>>,
    workloads: SortedVec<Kept<Workload>>,
    pods: SortedVec<PodBody>,
    templates: Templates,
    /// Whether it is one of those whose objects stay unpacked.
    pub(crate) hot: bool,
}

/// A pod: its own fields, and what it shares with the other pods of its template.
#[derive(PartialEq)]
struct PodBody {
    created: Option<Time>,
    deleted: Option<Box<Time>>,
    phase: Phase,
    ready: bool,
    failing: bool,
    template: TemplateId,
}

/// What the objects of all identities are packed with.
#[derive(Default)]
pub(crate) struct Packers {
    bindings: Packer<PodIdentityBinding>,
    accounts: Packer<ServiceAccount>,
    workloads: Packer<Workload>,
    templates: Packer<Template>,
}

/// The result of an insertion.
pub(crate) struct Inserted {
    /// Whether a verdict may be another one. Most events of a pod are about conditions, restart
    /// counts or addresses, which no verdict reads.
    pub(crate) matters: bool,
    /// The binding that was replaced.
    pub(crate) replaced: Option<Kept<PodIdentityBinding>>,
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

    /// Adds an object.
    pub(crate) fn insert(&mut self, id: &ObjectId, head: Head, object: Object) -> Inserted {
        let mut inserted = Inserted { matters: true, replaced: None };
        match object {
            Object::Binding(binding) => {
                let replaced = self.bindings.insert(id, Entry { head, body: Kept::Plain(binding) });
                inserted.replaced = replaced.map(|it| it.body);
            }
            Object::ServiceAccount(account) => {
                self.service_account = Some(Entry { head, body: Kept::Plain(account) });
            }
            Object::Workload(workload) => {
                self.workloads.insert(id, Entry { head, body: Kept::Plain(workload) });
            }
            Object::Pod(pod) => inserted.matters = self.insert_pod(id, head, Arc::unwrap_or_clone(pod)),
            Object::Namespace(_) | Object::RoleObject(_) => {}
        }
        inserted
    }

    /// Returns whether a verdict may be another one.
    fn insert_pod(&mut self, id: &ObjectId, head: Head, pod: Pod) -> bool {
        let Pod { metadata, spec, phase, ready, failing } = pod;
        let former = self.pods.find(id).map(|entry| entry.body.template);
        let template = self.templates.add(Template { shared: metadata.shared, spec }, former);
        let (created, deleted) = (metadata.creation_timestamp, metadata.deletion_timestamp.map(Box::new));
        let body = PodBody { created, deleted, phase, ready, failing, template };
        let Some(replaced) = self.pods.insert(id, Entry { head, body }) else { return true };
        let is_same = self.pods.find(id).is_some_and(|known| {
            known.head.version().uid() == replaced.head.version().uid() && known.body == replaced.body
        });
        if replaced.body.template != template {
            self.leave_template(replaced.body.template);
        }
        !is_same
    }

    /// A template goes with its last pod.
    fn leave_template(&mut self, id: TemplateId) {
        if !self.pods.iter().any(|entry| entry.body.template == id) {
            self.templates.remove(id);
        }
    }

    /// Removes an object; returns it if it is a binding.
    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Kept<PodIdentityBinding>> {
        match id.kind {
            Kind::Binding => return self.bindings.remove(id).map(|it| it.body),
            Kind::ServiceAccount => self.service_account = None,
            Kind::Workload(_) => drop(self.workloads.remove(id)),
            Kind::Pod => {
                if let Some(removed) = self.pods.remove(id) {
                    self.leave_template(removed.body.template);
                }
            }
            Kind::Namespace | Kind::RoleObject(_) => {}
        }
        None
    }

    /// Packs its objects.
    pub(crate) fn pack(&mut self, packers: &mut Packers) {
        self.hot = false;
        self.bindings.bodies().for_each(|it| it.pack(&mut packers.bindings));
        self.service_account.iter_mut().for_each(|it| it.body.pack(&mut packers.accounts));
        self.workloads.bodies().for_each(|it| it.pack(&mut packers.workloads));
        self.templates.pack(&mut packers.templates);
    }

    /// Builds the snapshot of the identity and resolves the roles of its bindings. `None` if an
    /// object cannot be unpacked.
    pub(crate) fn snapshot(&mut self, base: Snapshot, roles: &RoleObjects) -> Option<Snapshot> {
        let hot = self.hot;
        let mut bindings = self.bindings.bodies().map(|it| it.look(hot)).collect::<Option<Vec<_>>>()?;
        for binding in &mut bindings {
            roles.resolve(binding, base.config.settings.account.as_ref());
        }
        let service_account = match &mut self.service_account {
            Some(account) => Some(account.body.look(hot)?),
            None => None,
        };
        let workloads = self.workloads.bodies().map(|it| it.look(hot)).collect::<Option<_>>()?;
        Some(Snapshot { bindings, service_account, workloads, pods: self.get_pods(&base.namespace)?, ..base })
    }

    /// Its bindings; `None` if one cannot be unpacked.
    pub(crate) fn bindings(&self) -> Option<Vec<Arc<PodIdentityBinding>>> {
        self.bindings.iter().map(|entry| entry.body.get()).collect()
    }

    fn get_pods(&mut self, namespace: &str) -> Option<Vec<Arc<Pod>>> {
        let Self { pods, templates, hot, .. } = self;
        let mut known: HashMap<TemplateId, Arc<Template>> = HashMap::new();
        let mut found = Vec::with_capacity(pods.len());
        for Entry { head, body } in &**pods {
            let template = match known.get(&body.template) {
                Some(template) => template,
                None => known.entry(body.template).or_insert(templates.get(body.template, *hot)?),
            };
            let metadata = PodMeta {
                name: Some(head.name().to_owned()),
                namespace: Some(namespace.to_owned()),
                uid: head.version().uid().map(str::to_owned),
                resource_version: head.version().number().map(|number| number.to_string()),
                creation_timestamp: body.created.clone(),
                deletion_timestamp: body.deleted.as_deref().cloned(),
                shared: Arc::clone(&template.shared),
            };
            let spec = Arc::clone(&template.spec);
            found.push(Arc::new(Pod { metadata, spec, phase: body.phase, ready: body.ready, failing: body.failing }));
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod of a Job of its own, and therefore of a template of its own.
    fn of_job(job: &str) -> Object {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": job, "controller": true});
        let metadata = json!({"namespace": "shop", "name": "pod", "uid": job, "ownerReferences": [owner]});
        Object::pod(serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": []}})).unwrap())
    }

    /// An identity that stays hot for months must not keep the templates of all its former pods.
    #[test]
    fn a_template_goes_with_its_last_pod() {
        let mut identity = Identity::default();
        let mut insert = |job: &str| {
            let object = of_job(job);
            let head = Head::new(Kind::Pod, Arc::from("pod"), Version::of(&object));
            identity.insert(&object.id(), head, object);
        };
        (0..20).for_each(|number| insert(&format!("job-{number}")));
        assert_eq!(identity.templates.len(), 1);
        identity.remove(&of_job("job-19").id());
        assert_eq!(identity.templates.len(), 0);
    }
}
