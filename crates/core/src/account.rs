//! The service account: what stands on it, who wrote it, and whether we may write.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{ConflictPolicy, PodIdentityBinding, names};

use crate::objects::{FieldOwner, ServiceAccount, field_owners};
use crate::settings::Settings;
use crate::wanted::Wanted;

/// After so many restorations in a row the other manager is left alone until it falls silent.
const RESTORATIONS_BEFORE_CONTESTED: i32 = 5;
/// After this much calm, restorations are counted from zero again.
const CALM_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// The other manager is taken to have stopped when it has not written for this long.
const SILENCE_BEFORE_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// The state of the service account, seen from the owning binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It does not exist.
    Missing,
    /// It is being deleted.
    Terminating,
    /// It carries what the binding wants, by our hand.
    InForce,
    /// It has to be written.
    Outdated {
        /// Whether another manager's value is taken over.
        force: bool,
        /// Set if this restores what we had written before: what happened to it, and by whom.
        drift: Option<String>,
    },
    /// Another manager owns an annotation with another value.
    Conflict(ForeignOwner),
    /// Another manager keeps changing an annotation of ours; nothing is written before `retry_at`.
    Contested {
        /// The other manager.
        by: ForeignOwner,
        /// When it is tried again, provided the other has been silent until then.
        retry_at: Timestamp,
    },
}

/// Another manager's value in the place of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignOwner {
    /// Annotation key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The field manager, empty if managedFields do not tell.
    pub manager: String,
    /// When the manager last wrote.
    pub time: Option<Timestamp>,
}

/// What is known of the service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What has to happen.
    pub state: AccountState,
    /// The role on it by our hand.
    pub role_in_force: Option<String>,
    /// When the role in force was written.
    pub annotated_at: Option<Timestamp>,
    /// When we last wrote an annotation.
    pub written_at: Option<Timestamp>,
}

impl Account {
    /// Judges the service account for the binding that owns it.
    pub fn judge(
        account: Option<&ServiceAccount>,
        binding: &PodIdentityBinding,
        wanted: &Wanted,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let Some(account) = account else {
            return Self { state: AccountState::Missing, role_in_force: None, annotated_at: None, written_at: None };
        };
        let role_in_force = role_by_our_hand(account, settings);
        let state = if account.metadata.deletion_timestamp.is_some() {
            AccountState::Terminating
        } else {
            state(account, binding, wanted, settings, now)
        };
        Self {
            state,
            annotated_at: role_in_force.as_ref().and_then(|_| annotated_at(account, settings)),
            role_in_force,
            written_at: owned_keys(account, settings).filter_map(|(_, owner)| owner.time).max(),
        }
    }
}

/// The role on the service account if we own the annotation.
pub fn role_by_our_hand(account: &ServiceAccount, settings: &Settings) -> Option<String> {
    let key = settings.key("role-arn");
    let ours = field_owners(&account.metadata, &key, false).any(|owner| owner.manager == names::FIELD_MANAGER);
    value(account, &key).filter(|_| ours).map(str::to_owned)
}

/// The annotations of the service account that we own, with our entry.
pub fn owned_keys<'a>(
    account: &'a ServiceAccount,
    settings: &Settings,
) -> impl Iterator<Item = (String, FieldOwner)> + use<'a> {
    let keys = ["role-arn", "audience", "token-expiration", "sts-regional-endpoints"].map(|name| settings.key(name));
    keys.into_iter().filter_map(|key| {
        let ours = field_owners(&account.metadata, &key, false).find(|owner| owner.manager == names::FIELD_MANAGER);
        ours.map(|owner| (key, owner))
    })
}

/// The audience on the service account if it is somebody else's alone.
pub fn foreign_audience(account: &ServiceAccount, settings: &Settings) -> Option<String> {
    let key = settings.key("audience");
    let ours = owned_keys(account, settings).any(|(owned, _)| owned == key);
    value(account, &key).filter(|audience| !ours && !audience.is_empty()).map(str::to_owned)
}

fn value<'a>(account: &'a ServiceAccount, key: &str) -> Option<&'a str> {
    account.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn state(
    account: &ServiceAccount,
    binding: &PodIdentityBinding,
    wanted: &Wanted,
    settings: &Settings,
    now: Timestamp,
) -> AccountState {
    let annotations = wanted.annotations(settings);
    let owned: BTreeSet<String> = owned_keys(account, settings).map(|(key, _)| key).collect();
    let was_in_force = was_in_force(account, binding);
    let mut drift = None;
    let mut force = false;
    for (key, wanted_value) in &annotations {
        let seen = value(account, key);
        if seen == Some(wanted_value) {
            continue;
        }
        let Some(foreign) = foreign_owner(account, key) else {
            if was_in_force && !owned.contains(key) && seen.is_none() && *key == settings.key("role-arn") {
                drift = Some(format!("annotation {key} was removed by another manager"));
            }
            continue;
        };
        // What we owned alone and somebody else now owns was taken from us: that is drift, and we take it back.
        let taken = was_in_force && !owned.contains(key);
        if taken {
            if let Some(retry_at) = contested_until(binding, &foreign, now) {
                return AccountState::Contested { by: foreign, retry_at };
            }
            drift = Some(format!("annotation {key} was changed to {:?} by {}", foreign.value, foreign.manager));
        } else if binding.spec.on_conflict != ConflictPolicy::Override {
            return AccountState::Conflict(foreign);
        }
        force = true;
    }
    let complete = annotations.iter().all(|(key, wanted_value)| value(account, key) == Some(wanted_value));
    let wanted_keys: BTreeSet<String> = annotations.into_keys().collect();
    if complete && owned == wanted_keys { AccountState::InForce } else { AccountState::Outdated { force, drift } }
}

/// Whether the status says that we have annotated this very service account before.
fn was_in_force(account: &ServiceAccount, binding: &PodIdentityBinding) -> bool {
    let seen = binding.status.as_ref().and_then(|status| status.service_account.as_ref());
    seen.is_some_and(|seen| seen.uid == account.metadata.uid && seen.written_role_arn.is_some())
}

fn foreign_owner(account: &ServiceAccount, key: &str) -> Option<ForeignOwner> {
    let value = value(account, key)?.to_owned();
    let others: Vec<_> = field_owners(&account.metadata, key, false).collect();
    if others.len() == 1 && others[0].manager == names::FIELD_MANAGER {
        return None;
    }
    let other = others.into_iter().find(|owner| owner.manager != names::FIELD_MANAGER);
    let (manager, time) = other.map_or_else(|| (String::new(), None), |owner| (owner.manager, owner.time));
    Some(ForeignOwner { key: key.to_owned(), value, manager, time })
}

/// When a contested annotation may be written again, or `None` if it may be now.
fn contested_until(binding: &PodIdentityBinding, foreign: &ForeignOwner, now: Timestamp) -> Option<Timestamp> {
    let restored = binding.status.as_ref()?.service_account.as_ref()?;
    let last = restored.restored_at.as_ref()?.0;
    if restored.restored < RESTORATIONS_BEFORE_CONTESTED || last + CALM_AFTER <= now {
        return None;
    }
    let retry_at = foreign.time.unwrap_or(last).max(last) + SILENCE_BEFORE_RETRY;
    (retry_at > now).then_some(retry_at)
}

/// How many restorations in a row there have been, counting the one that is being made now.
pub fn restorations_with_this_one(binding: &PodIdentityBinding, now: Timestamp) -> i32 {
    let seen = binding.status.as_ref().and_then(|status| status.service_account.as_ref());
    let last = seen.and_then(|seen| seen.restored_at.as_ref()).map(|time| time.0);
    let counted = seen.map_or(0, |seen| seen.restored);
    if last.is_some_and(|last| last + CALM_AFTER > now) { counted.saturating_add(1) } else { 1 }
}

/// When the role in force was written. Of several owners of the same value the first one made it so.
fn annotated_at(account: &ServiceAccount, settings: &Settings) -> Option<Timestamp> {
    field_owners(&account.metadata, &settings.key("role-arn"), false).filter_map(|owner| owner.time).min()
}
