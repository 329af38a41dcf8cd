//! A binding as a watch delivers it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_derive::Resource;
use podidentity_api::{InvalidSpec, PodIdentityBinding, PodIdentityBindingSpec, PodIdentityBindingStatus};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

/// A binding without `managedFields`, which are larger than all the rest.
///
/// The spec or the status may be impossible to decode: the binding was stored before the
/// CustomResourceDefinition had its validation, or by a later version. Such a binding is not lost.
/// The fields that can be decoded are kept, and `spec.undecodable` names a field of the spec that
/// cannot be decoded. The operator can still report the binding, and release it when it is deleted.
#[derive(Clone, Debug, Serialize, Resource)]
#[resource(inherit = PodIdentityBinding, crates(kube_core = "::kube_core"))]
pub struct ObservedBinding {
    /// Metadata without `managedFields`.
    pub metadata: ObjectMeta,
    /// What is declared.
    pub spec: PodIdentityBindingSpec,
    /// What was reported.
    pub status: Option<PodIdentityBindingStatus>,
}

impl From<ObservedBinding> for PodIdentityBinding {
    /// Shrinks the lists, because many bindings are kept for a long time.
    fn from(ObservedBinding { metadata, spec, mut status }: ObservedBinding) -> Self {
        if let Some(status) = &mut status {
            status.conditions.shrink_to_fit();
            status.workloads.shrink_to_fit();
            status.findings.shrink_to_fit();
        }
        Self { metadata, spec, status }
    }
}

/// A binding that can be decoded completely.
#[derive(Deserialize)]
struct Whole {
    #[serde(deserialize_with = "super::meta::slim")]
    metadata: ObjectMeta,
    spec: PodIdentityBindingSpec,
    status: Option<PodIdentityBindingStatus>,
}

/// The minimum that an object has to have.
#[derive(Deserialize)]
struct Named {
    #[serde(deserialize_with = "super::meta::slim")]
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for ObservedBinding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Ok(Whole { metadata, spec, status }) = Whole::deserialize(&value) {
            return Ok(Self { metadata, spec, status });
        }
        let Named { metadata } = Named::deserialize(&value).map_err(D::Error::custom)?;
        let none = Map::new();
        let spec = salvaged(value["spec"].as_object().unwrap_or(&none)).map_err(D::Error::custom)?;
        Ok(Self { metadata, spec, status: value["status"].as_object().and_then(salvaged_status) })
    }
}

/// The fields of a spec that can be decoded; the others count as not set.
fn salvaged(stored: &Map<String, Value>) -> serde_json::Result<PodIdentityBindingSpec> {
    let missing = Some("serviceAccountName").filter(|key| !stored.contains_key(*key));
    let invalid = |field: &str, problem: String| InvalidSpec { field: field.to_owned(), problem };
    let mut undecodable = missing.map(|key| invalid(key, "is missing".to_owned()));
    let mut kept = json!({"serviceAccountName": ""});
    for (key, value) in stored {
        let mut with_it = kept.clone();
        with_it[key] = value.clone();
        match PodIdentityBindingSpec::deserialize(&with_it) {
            Ok(_) => kept = with_it,
            Err(error) => {
                undecodable.get_or_insert_with(|| invalid(key, error.to_string()));
            }
        }
    }
    Ok(PodIdentityBindingSpec { undecodable, ..PodIdentityBindingSpec::deserialize(kept)? })
}

/// The fields of a status that can be decoded, if there are any. After a downgrade a record of a restart must not be lost
/// because another field has a value that only the later version knows.
fn salvaged_status(stored: &Map<String, Value>) -> Option<PodIdentityBindingStatus> {
    let decoded = |field: &Map<String, Value>| PodIdentityBindingStatus::deserialize(field).ok();
    let fields = stored.iter().map(|(key, value)| Map::from_iter([(key.clone(), value.clone())]));
    let kept: Map<String, Value> = fields.filter(|field| decoded(field).is_some()).flatten().collect();
    if kept.is_empty() { None } else { decoded(&kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &Value, status: &Value) -> ObservedBinding {
        let meta = json!({"name": "app", "uid": "1", "managedFields": [{"manager": "kubectl"}]});
        serde_json::from_value(json!({"metadata": meta, "spec": spec, "status": status})).expect("a binding")
    }

    #[test]
    fn of_a_spec_that_cannot_be_decoded_the_rest_is_kept() {
        let spec = json!({
            "serviceAccountName": "app", "roleArn": "the-role", "suspend": "maybe", "deletionPolicy": "Revoke",
            "rollout": {"onFailure": "Explode"},
        });
        let found = read(&spec, &json!({"podsTotal": "many"}));
        assert_eq!(found.metadata.uid.as_deref(), Some("1"));
        assert_eq!((found.spec.service_account_name.as_str(), found.spec.role_arn.as_str()), ("app", "the-role"));
        assert_eq!(found.spec.deletion_policy, podidentity_api::DeletionPolicy::Revoke);
        let why = found.spec.undecodable.unwrap().to_string();
        assert!(why.starts_with("spec.rollout: unknown variant `Explode`"), "{why}");
        assert!(found.status.is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let found = read(&json!("nonsense"), &Value::Null);
        assert_eq!(found.spec.undecodable.unwrap().to_string(), "spec.serviceAccountName: is missing");
    }

    #[test]
    fn of_a_status_that_a_later_version_wrote_what_is_known_is_kept() {
        let role = "arn:aws:iam::111122223333:role/app";
        let later = json!({
            "lastVerifiedRoleArn": role,
            "observedGeneration": 7,
            "workloads": [{"kind": "Deployment", "name": "app", "state": "OfALaterVersion"}],
            "ofALaterVersion": {"a": 1},
        });
        let status = read(&json!({"serviceAccountName": "app", "roleArn": role}), &later).status.expect("a status");
        assert_eq!((status.last_verified_role_arn.as_deref(), status.observed_generation), (Some(role), Some(7)));
        assert!(status.workloads.is_empty());
    }

    #[test]
    fn a_status_that_cannot_be_decoded_is_as_if_there_were_none() {
        let found = read(&json!({"serviceAccountName": "app", "roleArn": "the-role"}), &json!({"podsTotal": "many"}));
        assert_eq!((found.spec.undecodable, found.status.is_none()), (None, true));
    }
}
