//! Provenance: an annotation on a service account that records which binding its identity
//! annotations were written for.

use std::fmt;

use podidentity_api::{PodIdentityBinding, names};

use crate::desired_identity::DesiredIdentity;
use crate::objects::{ServiceAccount, field_owners};

/// The value of the annotation [`names::BOUND_BY_ANNOTATION`], written as
/// `NAME/UID/GENERATION/HASH`.
///
/// It shows a person which binding set the role. It shows an operator whose cached binding is
/// outdated that it is behind. It shows an operator whose write was changed by an admission policy
/// that the write arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Name of the binding.
    pub binding: String,
    /// UID of the binding.
    pub uid: String,
    /// Generation of the binding at the time of the write.
    pub generation: i64,
    /// Hash of the identity that was written: [`DesiredIdentity::hash`].
    pub hash: String,
}

impl Provenance {
    /// The provenance of a write for the binding as observed.
    pub fn of(binding: &PodIdentityBinding, desired: &DesiredIdentity) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let meta = &binding.metadata;
        Self {
            binding: text(&meta.name),
            uid: text(&meta.uid),
            generation: meta.generation.unwrap_or_default(),
            hash: desired.hash(),
        }
    }

    /// The provenance on the service account, if the operator wrote it. An annotation from another
    /// field manager is ignored.
    pub fn on(account: &ServiceAccount) -> Option<Self> {
        let key = names::BOUND_BY_ANNOTATION;
        let ours = field_owners(&account.metadata, key, false).any(|owner| owner.manager == names::FIELD_MANAGER);
        Self::parse(account.annotations.get(key).filter(|_| ours)?)
    }

    /// Whether it was written for a later generation of this binding than the observed one.
    pub fn is_ahead_of(&self, binding: &PodIdentityBinding) -> bool {
        self.is_of(binding) && self.generation > binding.metadata.generation.unwrap_or_default()
    }

    /// Whether it was written for this binding.
    pub fn is_of(&self, binding: &PodIdentityBinding) -> bool {
        Some(&self.uid) == binding.metadata.uid.as_ref()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut next = || parts.next().map(str::to_owned);
        let (binding, uid, generation, hash) = (next()?, next()?, next()?.parse().ok()?, next()?);
        parts.next().is_none().then_some(Self { binding, uid, generation, hash })
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.binding, self.uid, self.generation, self.hash)
    }
}
