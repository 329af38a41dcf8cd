//! Service accounts and bindings of the input, and the role that each service account will have.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::{ConflictPolicy, PodIdentityBinding};
use podidentity_core::claim::Claim;
use podidentity_core::objects::{Map, ServiceAccount};
use podidentity_core::settings::Settings;
use podidentity_core::wanted::Wanted;

use crate::manifest::{Object, Role};
use crate::read::{Place, Problem};
use crate::schema::{Schema, Violation};
use crate::yaml::{Node, decode};

/// Namespace, if it is known, and name of a service account.
pub(crate) type Key = (Option<String>, String);

/// All service accounts that are in the input or that a binding of the input names.
#[derive(Default)]
pub(crate) struct Accounts<'a> {
    pub(crate) by_key: BTreeMap<Key, Account<'a>>,
    /// Bindings that the API server would refuse; they count for nothing else.
    pub(crate) refused: Vec<(Object<'a>, Vec<Violation>)>,
    /// Objects that cannot be read.
    pub(crate) problems: Vec<Problem>,
}

/// What the input has of one service account.
#[derive(Default)]
pub(crate) struct Account<'a> {
    /// Usually one; of several, as in Kustomize patches, the annotations add up, the last one winning.
    pub(crate) objects: Vec<Object<'a>>,
    pub(crate) annotations: Map,
    pub(crate) bindings: Vec<Binding<'a>>,
}

pub(crate) struct Binding<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) binding: Arc<PodIdentityBinding>,
}

/// The identity that the pods of a service account will have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    /// Annotations of the service account once the operator has done its work.
    pub(crate) annotations: Map,
    /// What pods are judged by.
    pub(crate) wanted: Wanted,
}

/// An annotation that a binding cannot set because the service account's manifest sets it to something else.
pub(crate) struct Conflict<'b, 'a> {
    pub(crate) binding: &'b Binding<'a>,
    pub(crate) key: String,
    pub(crate) seen: String,
    pub(crate) wanted: String,
    /// Whether the binding takes the annotation over.
    pub(crate) overridden: bool,
}

impl<'a> Accounts<'a> {
    /// Collects them. Objects without a namespace are in `namespace`.
    pub(crate) fn of(objects: &[Object<'a>], namespace: Option<&str>) -> Self {
        let schema = Schema::of_bindings();
        let mut accounts = Self::default();
        for object in objects {
            match object.role {
                Role::ServiceAccount => accounts.add_account(object, namespace),
                Role::Binding => accounts.add_binding(object, namespace, &schema),
                Role::Workload(_) | Role::Other => {}
            }
        }
        accounts
    }

    fn at(&mut self, object: &Object<'a>, name: &str, namespace: Option<&str>) -> &mut Account<'a> {
        self.by_key.entry(key(object, name, namespace)).or_default()
    }

    fn add_account(&mut self, object: &Object<'a>, namespace: Option<&str>) {
        match decode::<ServiceAccount>(object.node) {
            Ok(account) => {
                let entry = self.at(object, object.name, namespace);
                entry.annotations.extend(account.annotations);
                entry.objects.push(object.clone());
            }
            Err(error) => self.fail(object, &error),
        }
    }

    fn add_binding(&mut self, object: &Object<'a>, namespace: Option<&str>, schema: &Schema) {
        let violations = schema.check(object.node);
        if !violations.is_empty() {
            self.refused.push((object.clone(), violations));
            return;
        }
        match decode::<PodIdentityBinding>(object.node) {
            Ok(binding) => {
                let name = binding.spec.service_account_name.clone();
                let binding = Binding { object: object.clone(), binding: Arc::new(binding) };
                self.at(object, &name, namespace).bindings.push(binding);
            }
            Err(error) => self.fail(object, &error),
        }
    }

    fn fail(&mut self, object: &Object<'_>, error: &crate::yaml::DecodeError) {
        self.problems.push(unreadable(object, error));
    }
}

/// The key of the service account of this name, seen from the object.
pub(crate) fn key(object: &Object<'_>, name: &str, namespace: Option<&str>) -> Key {
    (object.namespace.or(namespace).map(str::to_owned), name.to_owned())
}

/// An object that is not what Kubernetes accepts.
pub(crate) fn unreadable(object: &Object<'_>, error: &crate::yaml::DecodeError) -> Problem {
    let message = format!("{} is not what Kubernetes accepts: {}", object.title(), error.message);
    Problem { place: object.place.with(error.at), message }
}

impl<'a> Account<'a> {
    /// The binding that will own the service account: the oldest, or the first by name.
    pub(crate) fn owner(&self) -> Option<&Binding<'a>> {
        let bindings: Vec<_> = self.bindings.iter().map(|binding| Arc::clone(&binding.binding)).collect();
        let owner = Claim::of(&bindings).owner?;
        self.bindings.iter().find(|binding| Arc::ptr_eq(&binding.binding, &owner))
    }

    /// The first annotation of the service account that differs from what its binding wants.
    pub(crate) fn conflict(&self, settings: &Settings) -> Option<Conflict<'_, 'a>> {
        let binding = self.owner()?;
        let wanted = Wanted::of(&binding.binding.spec).annotations(settings);
        // The role first: it is what matters most.
        let role = settings.key("role-arn");
        let mut differing =
            wanted.iter().filter(|(key, wanted)| self.annotations.get(*key).is_some_and(|seen| seen != *wanted));
        let (key, value) = differing.clone().find(|(key, _)| **key == role).or_else(|| differing.next())?;
        Some(Conflict {
            binding,
            key: key.clone(),
            seen: self.annotations.get(key).cloned().unwrap_or_default(),
            wanted: value.clone(),
            overridden: binding.binding.spec.on_conflict == ConflictPolicy::Override,
        })
    }

    /// The identity that pods will have; `None`: no role.
    pub(crate) fn identity(&self, settings: &Settings) -> Option<Identity> {
        let in_force = self.conflict(settings).is_none_or(|conflict| conflict.overridden);
        match self.owner().filter(|_| in_force) {
            Some(owner) => Some(Identity::of(Wanted::of(&owner.binding.spec), &self.annotations, settings)),
            None => Identity::annotated(&self.annotations, settings),
        }
    }

    /// Where an annotation of the service account is written.
    pub(crate) fn annotation_place(&self, key: &str) -> Option<Place> {
        let object = self.objects.iter().rev().find(|object| annotation(object.node, key).is_some())?;
        let (key, _) = object.node.at_path(&["metadata", "annotations"])?.entry(key)?;
        Some(object.place.with(key.at))
    }
}

fn annotation<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    node.at_path(&["metadata", "annotations"])?.get(key)
}

impl Identity {
    /// What is wanted, written over other annotations of the service account.
    pub(crate) fn of(mut wanted: Wanted, others: &Map, settings: &Settings) -> Self {
        if wanted.audience.is_none() {
            wanted.foreign_audience = others.get(&settings.key("audience")).cloned();
        }
        let mut annotations = others.clone();
        annotations.extend(wanted.annotations(settings));
        Self { annotations, wanted: in_force(wanted) }
    }

    /// What annotations alone ask for.
    fn annotated(annotations: &Map, settings: &Settings) -> Option<Self> {
        let get = |name: &str| annotations.get(&settings.key(name)).filter(|value| !value.is_empty()).cloned();
        let wanted = Wanted {
            role_arn: get("role-arn")?,
            audience: get("audience"),
            foreign_audience: annotations.get(&settings.key("audience")).cloned(),
            token_expiration: None,
            sts_regional_endpoints: None,
            annotated_at: None,
            earlier_roles: Vec::new(),
        };
        Some(Self { annotations: annotations.clone(), wanted: in_force(wanted) })
    }
}

/// The pods that are predicted are made after the service account is annotated.
fn in_force(wanted: Wanted) -> Wanted {
    Wanted { annotated_at: Some(Timestamp::UNIX_EPOCH), ..wanted }
}
