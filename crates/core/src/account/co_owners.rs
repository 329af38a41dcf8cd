//! Other field managers that own an annotation together with the operator: both wrote the same value.

use std::collections::BTreeMap;

use podidentity_api::{PodIdentityBinding, names};

use crate::desired_identity::DesiredIdentity;
use crate::objects::{ServiceAccount, field_owners};
use crate::settings::{IdentityAnnotation, Settings};

/// The names of the co-owners, by the annotation's name without its domain.
pub type CoOwners = BTreeMap<String, Vec<String>>;

/// The co-owners of each annotation that the binding declares.
pub(super) fn co_owners(account: &ServiceAccount, desired: &DesiredIdentity, settings: &Settings) -> CoOwners {
    let declared = desired.annotations(settings);
    let of = |annotation: IdentityAnnotation| {
        let key = settings.annotation(annotation);
        let owners = field_owners(&account.metadata, &key, false).map(|owner| owner.manager);
        let mut others: Vec<String> = owners.filter(|manager| manager != names::FIELD_MANAGER).collect();
        others.sort();
        others.dedup();
        (declared.contains_key(&key) && !others.is_empty()).then(|| (annotation.name().to_owned(), others))
    };
    IdentityAnnotation::ALL.into_iter().filter_map(of).collect()
}

/// Whether the status lists the manager as a co-owner of the annotation.
pub(super) fn was_co_owner(binding: &PodIdentityBinding, key: &str, manager: &str) -> bool {
    let Some(known) = binding.status.as_ref().and_then(|status| status.service_account.as_ref()) else { return false };
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let of_role = || known.co_owners.iter().filter(|_| name == IdentityAnnotation::RoleArn.name());
    known.co_owners_of.get(name).into_iter().flatten().chain(of_role()).any(|owner| owner == manager)
}
