//! The role that a binding declares: by its ARN, by its name in the cluster's AWS account, or by an object that has the ARN.
//!
//! [`resolve`] runs once, before any other code sees the binding. After that, `spec.role_arn` is
//! the declared role.

use podidentity_api::{InvalidSpec, PodIdentityBinding, PodIdentityBindingSpec, RoleName, RoleRef, Unresolved};

use crate::foreign::Foreign;
use crate::objects::{RoleObject, RoleObjectKind};
use crate::settings::AwsAccount;

/// What the caller knows about the object that a `roleRef` refers to.
#[derive(Clone, Copy, Debug)]
pub enum Referred<'a> {
    /// Objects of its kind are watched. This is the object, if it exists.
    Watched(Option<&'a RoleObject>),
    /// Objects of its kind are not watched.
    NotWatched,
    /// The caller watches no such objects, and relies on the ARN that the operator recorded.
    Recorded,
}

/// Whether the binding names its role by `role` or `roleRef`, so that the ARN has to be resolved.
pub fn is_indirect(binding: &PodIdentityBinding) -> bool {
    binding.spec.role.is_some() || binding.spec.role_ref.is_some()
}

/// Number of characters of the uid in the value that releases restarts: enough to tell a binding
/// from one of the same name, and few enough to type.
const UID_PREFIX: usize = 8;

/// The value of the annotation `podidentity.dev/release` that releases the restarts for the current
/// declaration: the generation, and the beginning of the uid, `3-1f0c5b7e`. A binding that is
/// created again counts its generations from one again, so a generation alone would let an
/// annotation in a manifest or a backup release what nobody has looked at.
///
/// If the binding names its role indirectly, the role can change without a new generation, so the
/// value also has the ARN: `3-1f0c5b7e/arn:aws:iam::111122223333:role/my-role`.
pub fn release_value(binding: &PodIdentityBinding) -> String {
    let uid = binding.metadata.uid.as_deref().unwrap_or_default();
    value_with(binding, &uid.chars().take(UID_PREFIX).collect::<String>())
}

/// Whether a value of the release annotation releases the current declaration. The whole uid is as
/// good as its beginning: Argo CD's actions cannot cut a text.
pub fn releases(binding: &PodIdentityBinding, value: &str) -> bool {
    let uid = binding.metadata.uid.as_deref().unwrap_or_default();
    value == release_value(binding) || value == value_with(binding, uid)
}

fn value_with(binding: &PodIdentityBinding, uid: &str) -> String {
    let generation = binding.metadata.generation.unwrap_or_default();
    let generation = format!("{generation}-{uid}");
    if !is_indirect(binding) {
        return generation;
    }
    let declared = Some(binding.spec.role_arn.as_str()).filter(|role| !role.is_empty());
    let recorded = || binding.status.as_ref()?.declared_role_arn.as_deref();
    format!("{generation}/{}", declared.or_else(recorded).unwrap_or_default())
}

/// The spec as it is on the wire, without the values that [`resolve`] sets.
pub fn unresolved(spec: &PodIdentityBindingSpec) -> PodIdentityBindingSpec {
    let mut spec = PodIdentityBindingSpec { unresolved: None, ..spec.clone() };
    if spec.role.is_some() || spec.role_ref.is_some() {
        spec.role_arn = String::new();
    }
    spec
}

/// Sets `spec.role_arn` to the declared role. If the role is not known, sets `spec.unresolved` to
/// the cause. If the spec is wrong, sets `spec.undecodable` to the problem.
pub fn resolve(binding: &mut PodIdentityBinding, account: Option<&AwsAccount>, referred: Referred<'_>) {
    let recorded = recorded(binding).map(str::to_owned);
    let namespace = binding.metadata.namespace.clone().unwrap_or_default();
    let spec = &mut binding.spec;
    let resolved = match (&spec.role, &spec.role_ref, spec.role_arn.is_empty()) {
        (None, None, false) => return,
        (Some(role), None, true) => compose(role, account, referred, recorded),
        (None, Some(reference), true) => look_up(reference, referred, recorded)
            .and_then(|arn| is_for_account(referred, &namespace, &spec.service_account_name).map(|()| arn)),
        (None, None, true) => return invalid(spec, "is missing: set roleArn, role or roleRef"),
        _ => return invalid(spec, "is not alone: set only one of roleArn, role and roleRef"),
    };
    match resolved {
        Ok(arn) => (spec.role_arn, spec.unresolved) = (arn, None),
        Err(why) => spec.unresolved = Some(why),
    }
}

fn invalid(spec: &mut PodIdentityBindingSpec, problem: &str) {
    let invalid = InvalidSpec { field: "roleArn".to_owned(), problem: problem.to_owned() };
    spec.undecodable.get_or_insert(invalid);
}

/// The ARN that the status records for the binding's current generation.
fn recorded(binding: &PodIdentityBinding) -> Option<&str> {
    let status = binding.status.as_ref()?;
    let is_current = status.observed_generation == binding.metadata.generation;
    status.declared_role_arn.as_deref().filter(|_| is_current)
}

fn compose(
    role: &RoleName,
    account: Option<&AwsAccount>,
    referred: Referred<'_>,
    recorded: Option<String>,
) -> Result<String, Unresolved> {
    let path = role.path.as_deref().unwrap_or("/").trim_start_matches('/');
    if let Some(account) = account {
        return Ok(account.role_arn(&format!("{path}{}", role.name)));
    }
    let name = Foreign::new(&role.name).line();
    let unknown = |how: &str| stalled(format!("the AWS account of role {name} is not known"), how);
    match referred {
        Referred::Recorded => recorded.ok_or_else(|| unknown("give --aws-account, as the operator has it")),
        _ => Err(unknown("start the operator with --aws-account")),
    }
}

fn look_up(reference: &RoleRef, referred: Referred<'_>, recorded: Option<String>) -> Result<String, Unresolved> {
    let Some(kind) = RoleObjectKind::of(reference) else {
        let (kind, version) = (Foreign::new(&reference.kind).line(), Foreign::new(&reference.api_version).line());
        let problem = format!("{kind} of {version} is no kind that a roleRef can name");
        return Err(stalled(problem, "name one that it can: kubectl explain pib.spec.roleRef"));
    };
    let name = format!("{kind}/{}", Foreign::new(&reference.name).line());
    let object = match referred {
        Referred::Watched(object) => object,
        Referred::NotWatched => {
            let action = format!(
                "start the operator with --role-references={}, and give it the rights to list and watch such objects",
                kind.flag()
            );
            return Err(stalled(format!("{name} is not looked at"), &action));
        }
        Referred::Recorded => {
            let why = || waits(format!("the operator has not found the ARN of {name} yet"));
            return recorded.ok_or_else(why);
        }
    };
    let Some(object) = object else {
        return Err(waits(format!("{name} does not exist: once it exists, the binding continues by itself")));
    };
    match (object.arn(reference), &reference.key, &object.problem) {
        (Some(arn), _, _) => Ok(arn.to_owned()),
        (None, Some(key), _) => {
            let key = Foreign::new(key).line();
            Err(waits(format!(
                "{name} has no ARN of a role under the key {key}: write arn:aws:iam::ACCOUNT:role/ROLE there"
            )))
        }
        (None, None, Some(problem)) => Err(waits(format!("{name} has no ARN: {problem}"))),
        (None, None, None) if object.metadata.deletion_timestamp.is_some() => {
            Err(waits(format!("{name} has no ARN: it is being deleted")))
        }
        (None, None, None) => Err(waits(format!("{name} has no ARN yet: its controller has not made the role"))),
    }
}

/// Fails if the object is an association for another service account.
fn is_for_account(referred: Referred<'_>, namespace: &str, name: &str) -> Result<(), Unresolved> {
    let Referred::Watched(Some(RoleObject {
        kind, metadata, service_account: Some((its_namespace, its_name)), ..
    })) = referred
    else {
        return Ok(());
    };
    if its_namespace == namespace && its_name == name {
        return Ok(());
    }
    let object = Foreign::new(metadata.name.as_deref().unwrap_or_default()).line();
    let (its_namespace, its_name) = (Foreign::new(its_namespace).line(), Foreign::new(its_name).line());
    let problem =
        format!("{kind}/{object} is for service account {its_namespace}/{its_name}, not for {namespace}/{name}");
    Err(stalled(problem, "refer to the one that is, or correct its spec"))
}

fn waits(problem: String) -> Unresolved {
    Unresolved { problem, action: None }
}

fn stalled(problem: String, action: &str) -> Unresolved {
    Unresolved { problem, action: Some(action.to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::releases;

    #[test]
    fn a_release_names_the_generation_and_the_binding() {
        let binding = json!({
            "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
            "metadata": {"name": "shop", "generation": 3, "uid": "1f0c5b7e-07d1-4336-9f09-cb08b87d0163"},
            "spec": {"serviceAccountName": "shop", "roleArn": "arn:aws:iam::111122223333:role/shop"},
        });
        let binding = serde_json::from_value(binding).unwrap();
        for (value, is_one) in [
            ("3-1f0c5b7e", true),
            ("3-1f0c5b7e-07d1-4336-9f09-cb08b87d0163", true),
            ("3", false),
            ("3-", false),
            ("2-1f0c5b7e", false),
            ("3-86982c25", false),
        ] {
            assert_eq!(releases(&binding, value), is_one, "{value}");
        }
    }
}
