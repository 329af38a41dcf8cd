//! Which binding owns the service account.

use std::sync::Arc;

use podidentity_api::PodIdentityBinding;

/// The bindings of one service account, sorted by their claim to it.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The oldest binding that is not being deleted: by creation time, then name.
    pub owner: Option<Arc<PodIdentityBinding>>,
    /// The other bindings that are not being deleted. They wait until the owner is gone.
    pub waiting: Vec<Arc<PodIdentityBinding>>,
    /// The bindings that are being deleted.
    pub deleting: Vec<Arc<PodIdentityBinding>>,
}

impl Claim {
    /// Separates the bindings that are being deleted, and finds the owner among the others.
    pub fn of(bindings: &[Arc<PodIdentityBinding>]) -> Self {
        let (deleting, mut claiming): (Vec<_>, Vec<_>) =
            bindings.iter().cloned().partition(|binding| binding.metadata.deletion_timestamp.is_some());
        claiming.sort_by(|a, b| age_and_name(a).cmp(&age_and_name(b)));
        let mut claiming = claiming.into_iter();
        Self { owner: claiming.next(), waiting: claiming.collect(), deleting }
    }
}

fn age_and_name(binding: &PodIdentityBinding) -> impl Ord + '_ {
    let created = binding.metadata.creation_timestamp.as_ref().map(|time| time.0);
    // An object without creation time has not been stored yet: it is the youngest.
    (created.is_none(), created, binding.metadata.name.as_deref())
}
