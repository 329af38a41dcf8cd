//! The service account: its identity annotations, their field managers, and whether the operator
//! may write.

mod co_owners;
mod foreign_owner;
mod restorations;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use podidentity_api::names::condition;
use podidentity_api::{ConflictPolicy, PodIdentityBinding, Reason, names};

use crate::desired_identity::DesiredIdentity;
use crate::objects::{FieldOwner, ServiceAccount, field_owners};
use crate::provenance::Provenance;
use crate::settings::{IdentityAnnotation, Settings};
use crate::time::whole_seconds;

pub use co_owners::CoOwners;
use co_owners::{co_owners, was_co_owner};
pub use foreign_owner::ForeignOwner;
use foreign_owner::foreign_owner;
use restorations::contested_until;
pub use restorations::restorations_with_this_one;

/// How long the operator waits before it rewrites an annotation that admission changed.
const REWRITTEN_RETRY: SignedDuration = SignedDuration::from_mins(10);

/// The state of the service account, seen from the owning binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It does not exist.
    Missing,
    /// It is being deleted.
    Terminating,
    /// The operator owns exactly the annotations that the binding declares. EKS Pod Identity needs
    /// none, so with it this state always holds, unless the service account is missing or being
    /// deleted.
    InForce,
    /// The operator has to write it.
    Outdated {
        /// Whether the write takes an annotation over from another field manager.
        force: bool,
        /// Set if the write restores an annotation that the operator wrote before: what changed,
        /// and who changed it.
        drift: Option<String>,
    },
    /// Its annotations were written for a later generation of the binding than the observed one.
    /// The operator writes nothing until it observes that generation.
    Ahead,
    /// Another field manager owns an annotation and has set a different value.
    Conflict(ForeignOwner),
    /// A mutating admission policy or webhook changed what the operator wrote.
    Rewritten {
        /// Annotation key.
        key: String,
        /// Its value now; `None` if admission removed it.
        value: Option<String>,
        /// When the operator tries again.
        retry_at: Timestamp,
    },
    /// Another field manager keeps changing or removing an annotation of the operator. The operator
    /// writes nothing before `retry_at`.
    Contested {
        /// What the other manager did this time, and its name if known.
        drift: String,
        /// How long the other manager has to be silent before the operator tries again.
        silence: SignedDuration,
        /// When the operator tries again, if the other manager stays silent until then.
        retry_at: Timestamp,
    },
}

/// What the operator knows about the service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The state, which decides what the operator writes.
    pub state: AccountState,
    /// Whether it names a role, no matter who wrote it. If so, the webhook already injects new
    /// pods.
    pub is_annotated: bool,
    /// The role in the annotation, if the operator owns the annotation.
    pub role_in_force: Option<String>,
    /// When the role in force was written.
    pub annotated_at: Option<Timestamp>,
    /// When the operator last wrote an annotation, or another manager the audience if the binding
    /// declares none. The webhook has to learn both.
    pub written_at: Option<Timestamp>,
    /// For each annotation that the binding declares, the other field managers that own it.
    pub co_owners: CoOwners,
    /// The binding and the identity that the operator's annotations were written for.
    pub provenance: Option<Provenance>,
    /// Whether the operator still owns annotations that the desired identity does not need:
    /// leftovers of IRSA, from before the move to EKS Pod Identity.
    pub has_leftovers: bool,
}

impl Account {
    /// Judges the service account for the binding that owns it.
    pub fn judge(
        account: Option<&ServiceAccount>,
        binding: &PodIdentityBinding,
        desired: &DesiredIdentity,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let Some(account) = account else {
            return Self {
                state: AccountState::Missing,
                is_annotated: false,
                role_in_force: None,
                annotated_at: None,
                written_at: None,
                co_owners: CoOwners::new(),
                provenance: None,
                has_leftovers: false,
            };
        };
        let role_in_force = role_by_our_hand(account, settings);
        let state = if account.metadata.deletion_timestamp.is_some() {
            AccountState::Terminating
        } else {
            state(account, binding, desired, settings, now)
        };
        Self {
            state,
            is_annotated: value(account, &settings.annotation(IdentityAnnotation::RoleArn))
                .is_some_and(|role| !role.is_empty()),
            annotated_at: role_in_force.as_ref().and_then(|_| annotated_at(account, settings)),
            role_in_force,
            written_at: written_at(account, desired, settings),
            co_owners: co_owners(account, desired, settings),
            provenance: Provenance::on(account),
            has_leftovers: desired.is_of_association() && owned_keys(account, settings).next().is_some(),
        }
    }

    /// When to reconcile again without an event.
    pub fn check_at(&self) -> Option<Timestamp> {
        match &self.state {
            AccountState::Contested { retry_at, .. } | AccountState::Rewritten { retry_at, .. } => Some(*retry_at),
            _ => None,
        }
    }
}

/// When an annotation that pods depend on was last written.
fn written_at(account: &ServiceAccount, desired: &DesiredIdentity, settings: &Settings) -> Option<Timestamp> {
    let ours = owned_keys(account, settings).filter_map(|(_, owner)| owner.time);
    let key = settings.annotation(IdentityAnnotation::Audience);
    let is_foreign = desired.audience.is_none() && account.annotations.contains_key(&key);
    let owners = field_owners(&account.metadata, &key, false).filter(|_| is_foreign);
    ours.chain(owners.filter_map(|owner| owner.time)).max()
}

/// The role on the service account, if the operator owns the annotation.
pub fn role_by_our_hand(account: &ServiceAccount, settings: &Settings) -> Option<String> {
    let key = settings.annotation(IdentityAnnotation::RoleArn);
    let ours = field_owners(&account.metadata, &key, false).any(|owner| owner.manager == names::FIELD_MANAGER);
    value(account, &key).filter(|_| ours).map(str::to_owned)
}

/// The annotations of the service account that the operator owns, each with its field owner.
pub fn owned_keys<'a>(
    account: &'a ServiceAccount,
    settings: &Settings,
) -> impl Iterator<Item = (String, FieldOwner)> + use<'a> {
    let keys = IdentityAnnotation::ALL.map(|annotation| settings.annotation(annotation));
    keys.into_iter().filter_map(|key| {
        let ours = field_owners(&account.metadata, &key, false).find(|owner| owner.manager == names::FIELD_MANAGER);
        ours.map(|owner| (key, owner))
    })
}

/// The audience on the service account, if the operator does not own the annotation. It may be
/// empty; the webhook then uses the empty audience as it is.
pub fn foreign_audience(account: &ServiceAccount, settings: &Settings) -> Option<String> {
    let key = settings.annotation(IdentityAnnotation::Audience);
    let ours = owned_keys(account, settings).any(|(owned, _)| owned == key);
    // The operator never writes an empty audience.
    value(account, &key).filter(|audience| !ours || audience.is_empty()).map(str::to_owned)
}

/// The role on the service account, whoever wrote it.
pub(crate) fn role_on<'a>(account: &'a ServiceAccount, settings: &Settings) -> Option<&'a str> {
    value(account, &settings.key("role-arn"))
}

/// The audience on the service account, whoever wrote it. AWS accepts no token with an empty
/// audience, so an empty one counts as none.
pub(crate) fn audience_on<'a>(account: &'a ServiceAccount, settings: &Settings) -> Option<&'a str> {
    value(account, &settings.key("audience")).filter(|audience| !audience.is_empty())
}

fn value<'a>(account: &'a ServiceAccount, key: &str) -> Option<&'a str> {
    account.annotations.get(key).map(String::as_str)
}

fn state(
    account: &ServiceAccount,
    binding: &PodIdentityBinding,
    desired: &DesiredIdentity,
    settings: &Settings,
    now: Timestamp,
) -> AccountState {
    let annotations = desired.annotations(settings);
    let owned: BTreeSet<String> = owned_keys(account, settings).map(|(key, _)| key).collect();
    let provenance = Provenance::on(account);
    if provenance.as_ref().is_some_and(|written| written.is_ahead_of(binding)) {
        return AccountState::Ahead;
    }
    if desired.is_of_association() {
        return AccountState::InForce; // Nothing is to be written.
    }
    let arrived = provenance.is_some_and(|written| written.is_of(binding) && written.hash == desired.hash());
    let mut drift = None;
    let mut force = false;
    for (key, desired_value) in &annotations {
        let seen = value(account, key);
        if seen == Some(desired_value) {
            continue;
        }
        let foreign = foreign_owner(account, key);
        if let Some(rewritten) = rewritten(account, key, arrived && foreign.is_none(), now) {
            return rewritten;
        }
        // An annotation that the operator owned alone and that another manager removed or changed
        // is drift, and the operator restores it. A change by a co-owner is a conflict. Under
        // `TakeOver` such a change is drift too: the operator continues as the sole owner of the
        // value that both had.
        let policy = binding.spec.on_conflict;
        let shared = policy != ConflictPolicy::TakeOver
            && foreign.as_ref().is_some_and(|foreign| was_co_owner(binding, key, &foreign.manager));
        let taken = !owned.contains(key)
            && !shared
            && was_ours(account, binding, *key == settings.annotation(IdentityAnnotation::RoleArn));
        if taken && (foreign.is_some() || seen.is_none()) {
            let what = described(key, foreign.as_ref());
            if let Some((silence, retry_at)) = contested_until(binding, foreign.as_ref(), now) {
                return AccountState::Contested { drift: what, silence, retry_at };
            }
            drift = Some(what);
        } else if let Some(foreign) = foreign.as_ref()
            && !foreign.is_taken_over(policy)
        {
            return AccountState::Conflict(foreign.clone());
        }
        force |= foreign.is_some();
    }
    // Nobody else has a use for the provenance. After the restore of a backup it is another manager's,
    // and that of an earlier binding.
    force |= foreign_owner(account, names::BOUND_BY_ANNOTATION).is_some();
    let complete = annotations.iter().all(|(key, desired_value)| value(account, key) == Some(desired_value));
    let desired_keys: BTreeSet<String> = annotations.into_keys().collect();
    if complete && owned == desired_keys { AccountState::InForce } else { AccountState::Outdated { force, drift } }
}

/// The state while the operator waits to rewrite a value that admission changed; `None` if it need
/// not wait.
fn rewritten(account: &ServiceAccount, key: &str, arrived: bool, now: Timestamp) -> Option<AccountState> {
    let ours = field_owners(&account.metadata, key, false).find(|owner| owner.manager == names::FIELD_MANAGER)?;
    let retry_at = ours.time.filter(|_| arrived)? + REWRITTEN_RETRY;
    let (key, value) = (key.to_owned(), value(account, key).map(str::to_owned));
    (retry_at > now).then_some(AccountState::Rewritten { key, value, retry_at })
}

/// Whether the status shows that the operator wrote the key to this same service account (same UID)
/// before. A recorded role is enough for the role annotation. For the other annotations, this
/// generation of the spec must have been in force.
fn was_ours(account: &ServiceAccount, binding: &PodIdentityBinding, is_role: bool) -> bool {
    let Some(status) = &binding.status else { return false };
    let seen = status.service_account.as_ref();
    let written = seen.is_some_and(|seen| seen.uid == account.metadata.uid && seen.written_role_arn.is_some());
    written && (is_role || known_in_force(binding).is_some())
}

/// Whether this generation of the spec is or was in force on the service account.
pub(crate) fn knows_in_force(binding: &PodIdentityBinding) -> bool {
    known_in_force(binding).is_some()
}

/// The condition that shows that this generation of the spec is or was in force on the service
/// account.
fn known_in_force(binding: &PodIdentityBinding) -> Option<&Condition> {
    let in_force = |it: &&Condition| {
        it.type_ == condition::SERVICE_ACCOUNT_ANNOTATED
            && it.observed_generation == binding.metadata.generation
            && (it.status == "True"
                || [Reason::Contested, Reason::AnnotationRemoved].iter().any(|reason| reason.is(&it.reason)))
    };
    binding.status.as_ref()?.conditions.iter().find(in_force)
}

fn described(key: &str, foreign: Option<&ForeignOwner>) -> String {
    match foreign {
        Some(foreign) => format!("annotation {key} was changed to {:?} by {}", foreign.value, foreign.named()),
        None => format!("annotation {key} was removed by another manager, of whom there is no record"),
    }
}

/// Whether the operator wrote the role later than the status records. If nothing else has changed,
/// such a write can only be a restoration. The status does not report it because the operator
/// stopped before, or because the response was lost.
pub(crate) fn has_unreported_restoration(account: &Account, binding: &PodIdentityBinding) -> bool {
    let Some(known) = binding.status.as_ref().and_then(|status| status.service_account.as_ref()) else { return false };
    let Some(in_force) = known_in_force(binding) else { return false };
    if account.state != AccountState::InForce || account.role_in_force != known.written_role_arn {
        return false;
    }
    if in_force.status != "True" {
        return true; // That it was missing was told, and nothing of how it came back.
    }
    // If another owner of the same value gives it up, `annotated_at` moves to the operator's own
    // write. That write is older than the condition, so it is no restoration.
    let since = known.annotated_at.as_ref().map(|time| time.0).max(Some(in_force.last_transition_time.0));
    account.annotated_at.map(whole_seconds) > since
}

/// When the role on the service account was written, whoever wrote it. If several managers own the
/// same value, the first one set it.
pub fn annotated_at(account: &ServiceAccount, settings: &Settings) -> Option<Timestamp> {
    field_owners(&account.metadata, &settings.annotation(IdentityAnnotation::RoleArn), false)
        .filter_map(|owner| owner.time)
        .min()
}

/// The field manager other than the operator, in words, that keeps one of these roles on the service account.
pub(crate) fn kept_by(account: &ServiceAccount, settings: &Settings, roles: &BTreeSet<&str>) -> Option<String> {
    let key = settings.annotation(IdentityAnnotation::RoleArn);
    value(account, &key).filter(|role| roles.contains(role))?;
    let mut owners = field_owners(&account.metadata, &key, false).map(|owner| owner.manager);
    let manager = owners.find(|manager| manager != names::FIELD_MANAGER).unwrap_or_default();
    Some(foreign_owner::named(&manager))
}
