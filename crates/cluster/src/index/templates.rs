//! What the pods of one template share, kept once for all pods of a service account.

use std::sync::Arc;

use podidentity_core::objects::{PodSpec, SharedMeta};
use serde::{Deserialize, Serialize};

use super::packed::{Kept, Packer};

/// How many templates a new pod is compared with, latest first. A rollout has two, and each further
/// workload of the service account has its own.
const COMPARED: usize = 8;

/// What the pods of one template share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) shared: Arc<SharedMeta>,
    pub(crate) spec: Arc<PodSpec>,
}

/// Refers to a template of one service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TemplateId(u32);

/// The templates of the pods of one service account, latest last.
#[derive(Default)]
pub(crate) struct Templates(Vec<(TemplateId, Kept<Template>)>);

impl Templates {
    /// The ID of a template, which is added unless it is known. `former`: the template of an earlier
    /// version of the pod.
    pub(crate) fn add(&mut self, template: Template, former: Option<TemplateId>) -> TemplateId {
        let is_it = |kept: &mut Kept<Template>| kept.look(true).is_some_and(|known| *known == template);
        if let Some((id, kept)) = former.and_then(|id| self.find(id).map(|kept| (id, kept)))
            && is_it(kept)
        {
            return id;
        }
        for (id, kept) in self.0.iter_mut().rev().take(COMPARED) {
            if is_it(kept) {
                return *id;
            }
        }
        let id = TemplateId(self.0.last().map_or(0, |(TemplateId(last), _)| last + 1));
        self.0.reserve_exact(1);
        self.0.push((id, Kept::Plain(Arc::new(template))));
        id
    }

    /// The template of this ID. `keep`: whether it stays unpacked.
    pub(crate) fn get(&mut self, id: TemplateId, keep: bool) -> Option<Arc<Template>> {
        self.find(id)?.look(keep)
    }

    /// Removes the template of this ID, because its last pod is gone.
    pub(crate) fn remove(&mut self, id: TemplateId) {
        self.0.retain(|(known, _)| *known != id);
        self.0.shrink_to_fit();
    }

    /// Packs all templates.
    pub(crate) fn pack(&mut self, packer: &mut Packer<Template>) {
        self.0.iter_mut().for_each(|(_, kept)| kept.pack(packer));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&mut self, id: TemplateId) -> Option<&mut Kept<Template>> {
        let position = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&mut self.0[position].1)
    }
}
