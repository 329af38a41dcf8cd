//! Service accounts and bindings in the input, and the role that each service account will have.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::{ConflictPolicy, Mechanism, PodIdentityBinding};
use podidentity_core::claim::Claim;
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::injection::{CONFIG_MAP, Entries, Entry, Given};
use podidentity_core::objects::{Map, ServiceAccount};
use podidentity_core::role::{self, Referred};
use podidentity_core::settings::{AwsAccount, IdentityAnnotation, Settings};

use crate::manifest::{Object, Role};
use crate::read::{Place, Problem};
use crate::schema::{self, Schema, Violation};
use crate::yaml::{Node, decode};

/// The namespace, if known, and the name of a service account.
pub(crate) type Key = (Option<String>, String);

/// All service accounts that are in the input or that a binding in the input names.
#[derive(Default)]
pub(crate) struct Accounts<'a> {
    pub(crate) by_key: BTreeMap<Key, Account<'a>>,
    /// Bindings that the API server or the operator would refuse. They have no other effect.
    pub(crate) refused: Vec<(Object<'a>, Vec<Violation>)>,
    /// Objects that cannot be read.
    pub(crate) problems: Vec<Problem>,
}

/// Placeholder for the AWS account of a role that the files give by name only.
pub(crate) const UNKNOWN_ACCOUNT: &str = "000000000000";

/// Everything in the input about one service account.
#[derive(Default)]
pub(crate) struct Account<'a> {
    /// Usually one object. With several objects, as in Kustomize patches, the annotations are
    /// merged and the last object wins.
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
    /// Annotations of the service account after the operator has done its work.
    annotations: Map,
    /// The entry in the webhook's ConfigMap, if that entry determines the role.
    entry: Option<Entry>,
    /// The expectation that pods are judged against.
    pub(crate) expected: Expectation,
}

/// An annotation that a binding cannot set because the service account's manifest sets it to something else.
pub(crate) struct Conflict<'b, 'a> {
    pub(crate) binding: &'b Binding<'a>,
    pub(crate) key: String,
    pub(crate) seen: String,
    pub(crate) wanted: String,
    /// Whether the binding takes over the annotation.
    pub(crate) overridden: bool,
}

impl<'a> Accounts<'a> {
    /// Collects the service accounts and bindings. Objects without a namespace belong to
    /// `namespace`. `account` is the cluster's AWS account.
    pub(crate) fn of(objects: &[Object<'a>], namespace: Option<&str>, account: Option<&AwsAccount>) -> Self {
        let schema = Schema::of_bindings();
        let mut accounts = Self::default();
        for object in objects {
            match object.role {
                Role::ServiceAccount => accounts.add_account(object, namespace),
                Role::Binding => accounts.add_binding(object, namespace, &schema, account),
                Role::Custom => accounts.add_made(object, namespace),
                Role::Workload(_) | Role::Other => {}
            }
        }
        accounts
    }

    /// The identity of the pods of a service account. `None` if the pods have no role.
    pub(crate) fn identity(&self, key: &Key, settings: &Settings) -> Option<Identity> {
        let own = self.by_key.get(key).and_then(|account| account.identity(settings));
        own.or_else(|| Identity::listed(key, settings))
    }

    /// Whether the input shows what the service account gives its pods. Nobody gives a role to the
    /// service account of pods that name none.
    pub(crate) fn is_known(&self, key: &Key) -> bool {
        key.1 == "default" || self.by_key.get(key).is_some_and(|account| !account.objects.is_empty())
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

    /// Adds the service account that the controller of a custom resource creates.
    fn add_made(&mut self, object: &Object<'a>, namespace: Option<&str>) {
        let Some((name, annotations)) = object.made_account() else { return };
        let Ok(annotations) = decode::<Map>(annotations) else { return };
        let entry = self.at(object, &name, namespace);
        entry.annotations.extend(annotations);
        entry.objects.push(object.clone());
    }

    fn add_binding(
        &mut self,
        object: &Object<'a>,
        namespace: Option<&str>,
        schema: &Schema,
        account: Option<&AwsAccount>,
    ) {
        let violations = schema.check(object.node);
        if !violations.is_empty() {
            self.refused.push((object.clone(), violations));
            return;
        }
        match decode::<PodIdentityBinding>(object.node) {
            Ok(mut binding) => {
                if let Some(violation) = schema::beyond(object.node, &binding) {
                    self.refused.push((object.clone(), vec![violation]));
                    return;
                }
                assume_role(&mut binding, account);
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

/// The files do not contain the ARN of a role that a binding names or refers to, so this function
/// assumes one. How pods receive the role depends on neither the account nor the role's name.
fn assume_role(binding: &mut PodIdentityBinding, account: Option<&AwsAccount>) {
    let unknown = AwsAccount { partition: "aws".to_owned(), account: UNKNOWN_ACCOUNT.to_owned() };
    let account = account.unwrap_or(&unknown);
    if let Some(reference) = &binding.spec.role_ref {
        binding.spec.role_arn = account.role_arn(&reference.name.chars().take(64).collect::<String>());
    } else {
        role::resolve(binding, Some(account), Referred::Recorded);
    }
}

/// Reads the entries of the webhook's ConfigMap, if it is among the objects. `namespace` is the
/// namespace that the webhook watches.
pub(crate) fn entries(objects: &[Object<'_>], namespace: &str) -> Result<Option<Arc<Entries>>, Problem> {
    let Some((object, config)) = config_map(objects, namespace) else { return Ok(None) };
    let parsed = match config.and_then(Node::text) {
        Some(config) => Entries::parse(config),
        None => Err(format!("has no key {}", CONFIG_MAP.1)),
    };
    parsed.map(|entries| Some(Arc::new(entries))).map_err(|why| Problem {
        place: object.place.with(config.map_or(object.node.at, |node| node.at)),
        message: format!("{} {why}, so it counts for nothing", object.title()),
    })
}

/// The webhook's ConfigMap among the objects, and the node of its entries.
pub(crate) fn config_map<'i, 'a>(
    objects: &'i [Object<'a>],
    namespace: &str,
) -> Option<(&'i Object<'a>, Option<&'a Node>)> {
    let is_it = |object: &&Object<'_>| {
        let here = object.namespace.is_none_or(|at| at == namespace);
        object.group.is_empty() && object.kind == "ConfigMap" && object.name == CONFIG_MAP.0 && here
    };
    let object = objects.iter().rfind(is_it)?;
    Some((object, object.node.at_path(&["data", CONFIG_MAP.1])))
}

/// The key of the service account that the object names.
pub(crate) fn key(object: &Object<'_>, name: &str, namespace: Option<&str>) -> Key {
    (object.namespace.or(namespace).map(str::to_owned), name.to_owned())
}

/// The problem to report for an object that Kubernetes does not accept.
pub(crate) fn unreadable(object: &Object<'_>, error: &crate::yaml::DecodeError) -> Problem {
    let message = format!("{} is not what Kubernetes accepts: {}", object.title(), error.message);
    Problem { place: object.place.with(error.at), message }
}

impl<'a> Account<'a> {
    /// The binding that will own the service account: the oldest one, or the first by name if
    /// several are equally old.
    pub(crate) fn owner(&self) -> Option<&Binding<'a>> {
        let bindings: Vec<_> = self.bindings.iter().map(|binding| Arc::clone(&binding.binding)).collect();
        let owner = Claim::of(&bindings).owner?;
        self.bindings.iter().find(|binding| Arc::ptr_eq(&binding.binding, &owner))
    }

    /// The first annotation of the service account that differs from what its binding wants.
    pub(crate) fn conflict(&self, settings: &Settings) -> Option<Conflict<'_, 'a>> {
        let binding = self.owner()?;
        let wanted = DesiredIdentity::of(&binding.binding.spec).annotations(settings);
        // Report the role first, because it matters most.
        let role = settings.annotation(IdentityAnnotation::RoleArn);
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

    /// The identity that pods will have. `None` if they will have no role.
    pub(crate) fn identity(&self, settings: &Settings) -> Option<Identity> {
        let in_force = self.conflict(settings).is_none_or(|conflict| conflict.overridden);
        match self.owner().filter(|_| in_force) {
            Some(owner) => Some(Identity::of(DesiredIdentity::of(&owner.binding.spec), &self.annotations, settings)),
            None => Identity::annotated(&self.annotations, settings),
        }
    }

    /// The place of an annotation of the service account in the files.
    pub(crate) fn annotation_place(&self, key: &str) -> Option<Place> {
        let mut objects = self.objects.iter().rev();
        objects.find_map(|object| Some(object.place.with(annotations(object)?.entry(key)?.0.at)))
    }

    /// The manifests of the service account itself, each with the role that it names.
    pub(crate) fn manifests(&self, settings: &Settings) -> impl Iterator<Item = (&Object<'a>, Option<&'a str>)> {
        let key = settings.annotation(IdentityAnnotation::RoleArn);
        let own = self.objects.iter().filter(|object| object.role == Role::ServiceAccount);
        own.map(move |object| (object, annotations(object).and_then(|of| of.get(&key)).and_then(Node::text)))
    }
}

/// The annotations that the object gives the service account.
fn annotations<'a>(object: &Object<'a>) -> Option<&'a Node> {
    match object.role {
        Role::Custom => object.made_account().map(|(_, annotations)| annotations),
        _ => object.node.at_path(&["metadata", "annotations"]),
    }
}

impl Identity {
    /// The desired identity, merged over the service account's other annotations.
    pub(crate) fn of(desired: DesiredIdentity, others: &Map, settings: &Settings) -> Self {
        let foreign = others
            .get(&settings.annotation(IdentityAnnotation::Audience))
            .filter(|_| desired.audience.is_none())
            .cloned();
        let mut annotations = others.clone();
        annotations.extend(desired.annotations(settings));
        Self { annotations, entry: None, expected: in_force(desired, foreign) }
    }

    /// The identity that the webhook's ConfigMap gives a service account. `None` if it gives none.
    pub(crate) fn listed(key: &Key, settings: &Settings) -> Option<Self> {
        let entry = settings.entries.as_ref()?.get(key.0.as_deref().unwrap_or_default(), &key.1)?;
        let desired = DesiredIdentity {
            role_arn: Some(entry.role_arn.clone()).filter(|role| !role.is_empty())?,
            mechanism: Mechanism::Irsa,
            audience: Some(entry.audience.clone()).filter(|audience| !audience.is_empty()),
            token_expiration: None,
            sts_regional_endpoints: None,
        };
        let foreign = entry.audience.is_empty().then(String::new);
        let expected = Expectation { listed: true, ..in_force(desired, foreign) };
        Some(Self { annotations: Map::new(), entry: Some(entry.clone()), expected })
    }

    /// What the webhook bases the injection on: the ConfigMap entry or the annotations.
    pub(crate) fn given(&self) -> Given<'_> {
        self.entry.as_ref().map_or_else(|| self.expected.given(&self.annotations), Given::Entry)
    }

    /// The identity of the same service account with an EKS Pod Identity association, which takes
    /// precedence.
    pub(crate) fn with_association(self) -> Self {
        let role_arn = &self.expected.identity.role_arn;
        let desired = DesiredIdentity::of_association(role_arn);
        Self { entry: None, expected: in_force(desired, None), annotations: self.annotations }
    }

    /// The identity of a service account about which only its association is known.
    pub(crate) fn of_association() -> Self {
        let desired = DesiredIdentity::of_association("of the association");
        Self { annotations: Map::new(), entry: None, expected: in_force(desired, None) }
    }

    /// The identity that the annotations alone ask for.
    fn annotated(annotations: &Map, settings: &Settings) -> Option<Self> {
        let get = |name: &str| annotations.get(&settings.key(name)).filter(|value| !value.is_empty()).cloned();
        let role = annotations
            .get(&settings.annotation(IdentityAnnotation::RoleArn))
            .filter(|role| settings.names_role(role))?;
        let desired = DesiredIdentity {
            role_arn: settings.role(role).into_owned(),
            mechanism: Mechanism::Irsa,
            audience: get("audience"),
            token_expiration: None,
            sts_regional_endpoints: None,
        };
        let foreign = annotations.get(&settings.annotation(IdentityAnnotation::Audience)).cloned();
        Some(Self { annotations: annotations.clone(), entry: None, expected: in_force(desired, foreign) })
    }
}

/// Uses the epoch as the annotation time, because predicted pods are created after the service
/// account is annotated.
fn in_force(identity: DesiredIdentity, foreign_audience: Option<String>) -> Expectation {
    Expectation { annotated_at: Some(Timestamp::UNIX_EPOCH), foreign_audience, ..Expectation::from(identity) }
}
