//! Bindings as they are stored, which may be older than the definition's validation.
//!
//! One that cannot be read is no reason to say nothing: what of it can be read is taken, and the rest is reported in its
//! status. It is never acted on, except that its deletion comes to an end.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use podidentity_api::{DeletionPolicy, PodIdentityBinding, PodIdentityBindingSpec, names};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// A binding, or what can be read of it.
#[derive(Clone, Debug)]
pub(crate) struct Stored(pub(crate) PodIdentityBinding);

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match PodIdentityBinding::deserialize(&value) {
            Ok(binding) => Ok(Self(binding)),
            Err(error) => readable_part(&value, &error.to_string()).map(Self).map_err(D::Error::custom),
        }
    }
}

fn readable_part(value: &Value, error: &str) -> Result<PodIdentityBinding, serde_json::Error> {
    let mut metadata = ObjectMeta::deserialize(&value["metadata"])?;
    metadata.annotations.get_or_insert_default().insert(names::UNREADABLE_ANNOTATION.to_owned(), error.to_owned());
    let account = value["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    // Where it cannot be known what is to become of the annotations they are left alone.
    let policy = read(&value["spec"]["deletionPolicy"]).unwrap_or_else(|| {
        if value["spec"]["deletionPolicy"].is_null() && value["spec"].is_object() {
            DeletionPolicy::default()
        } else {
            DeletionPolicy::Retain
        }
    });
    let spec = json!({"serviceAccountName": account, "roleArn": "", "deletionPolicy": policy});
    let spec = PodIdentityBindingSpec::deserialize(&spec)?;
    Ok(PodIdentityBinding { metadata, spec, status: read(&value["status"]) })
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

impl Resource for Stored {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(context: &()) -> Cow<'_, str> {
        PodIdentityBinding::kind(context)
    }

    fn group(context: &()) -> Cow<'_, str> {
        PodIdentityBinding::group(context)
    }

    fn version(context: &()) -> Cow<'_, str> {
        PodIdentityBinding::version(context)
    }

    fn plural(context: &()) -> Cow<'_, str> {
        PodIdentityBinding::plural(context)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(spec: Value, status: Value) -> PodIdentityBinding {
        let object = json!({"metadata": {"name": "app", "namespace": "shop"}, "spec": spec, "status": status});
        serde_json::from_value::<Stored>(object).expect("a binding").0
    }

    fn error(binding: &PodIdentityBinding) -> String {
        binding
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(names::UNREADABLE_ANNOTATION))
            .cloned()
            .unwrap_or_default()
    }

    #[test]
    fn what_can_be_read_of_a_binding_is_read() {
        let role = "arn:aws:iam::111122223333:role/my-role";
        let sound = stored(json!({"serviceAccountName": "app", "roleArn": role}), json!(null));
        assert_eq!((sound.spec.role_arn.as_str(), error(&sound).as_str()), (role, ""));

        let odd = stored(json!({"serviceAccountName": "app", "roleArn": role, "onConflict": "Fight"}), json!({}));
        assert_eq!((odd.spec.service_account_name.as_str(), odd.spec.role_arn.as_str()), ("app", ""));
        assert_eq!(odd.spec.deletion_policy, DeletionPolicy::Release);
        assert!(error(&odd).contains("Fight"), "{}", error(&odd));
        assert!(odd.status.is_some());
    }

    #[test]
    fn a_deletion_policy_that_cannot_be_read_releases_nothing() {
        let policy = |spec| stored(spec, json!("odd")).spec.deletion_policy;
        assert_eq!(policy(json!({"serviceAccountName": "app", "deletionPolicy": "Forget"})), DeletionPolicy::Retain);
        assert_eq!(policy(json!("none")), DeletionPolicy::Retain);
        assert_eq!(policy(json!({"serviceAccountName": 5, "deletionPolicy": "Revoke"})), DeletionPolicy::Revoke);
    }
}
