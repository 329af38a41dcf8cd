//! Objects that hold the ARN of a role; `spec.roleRef` refers to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::{ClusterResourceScope, NamespaceResourceScope, Resource};
use kube_derive::Resource as DeriveResource;
use podidentity_api::RoleRef;
use serde::{Deserialize, Deserializer, Serialize};

use super::role_object_kind::RoleObjectKind;
use crate::arn::RoleArn;
use crate::foreign::Foreign;

/// An object that holds the ARN of a role, or will hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleObject {
    /// Kind.
    pub kind: RoleObjectKind,
    /// Metadata, as far as it names the object.
    pub metadata: ObjectMeta,
    /// ARNs of roles: by key for a ConfigMap, otherwise under the empty key.
    pub arns: BTreeMap<String, String>,
    /// The problem that the object's own conditions report.
    pub problem: Option<String>,
    /// Namespace and name of the service account that an association gives the role to.
    pub service_account: Option<(String, String)>,
}

impl RoleObject {
    /// The ARN that a reference asks for.
    pub fn arn(&self, reference: &RoleRef) -> Option<&str> {
        self.arns.get(reference.key.as_deref().unwrap_or_default()).map(String::as_str)
    }
}

/// A ConfigMap with only the values that are ARNs of roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, DeriveResource)]
#[resource(inherit = k8s::ConfigMap, crates(kube_core = "::kube_core"))]
pub struct ObservedConfigMap {
    /// Metadata, as far as it names the object.
    #[serde(deserialize_with = "named")]
    pub metadata: ObjectMeta,
    /// ARNs of roles, by key.
    #[serde(default, deserialize_with = "arns")]
    pub data: BTreeMap<String, String>,
}

impl From<ObservedConfigMap> for RoleObject {
    fn from(ObservedConfigMap { metadata, data }: ObservedConfigMap) -> Self {
        Self { kind: RoleObjectKind::ConfigMap, metadata, arns: data, problem: None, service_account: None }
    }
}

/// An API with a kind `Role` that has the ARN in its status, or with an association that has it in
/// its spec.
pub trait RoleApi: fmt::Debug + Clone + Default + Send + Sync + 'static {
    /// The kind.
    const KIND: RoleObjectKind;
    /// Whether its objects belong to a namespace.
    type Scope;
}

/// A custom resource for an IAM role or an association.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub struct ObservedRole<A: RoleApi> {
    /// Metadata, as far as it names the object.
    #[serde(deserialize_with = "named")]
    pub metadata: ObjectMeta,
    #[serde(default, deserialize_with = "super::null_default")]
    spec: AssociationSpec,
    #[serde(default, deserialize_with = "super::null_default")]
    status: RoleStatus,
    #[serde(skip)]
    api: PhantomData<A>,
}

/// The spec of an association; empty for other kinds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AssociationSpec {
    #[serde(rename = "roleARN")]
    role_arn: Option<String>,
    #[serde(rename = "targetRoleARN")]
    target_role_arn: Option<String>,
    namespace: Option<String>,
    service_account: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RoleStatus {
    #[serde(rename = "associationARN")]
    association_arn: Option<String>,
    #[serde(deserialize_with = "super::null_default")]
    ack_resource_metadata: HasArn,
    #[serde(deserialize_with = "super::null_default")]
    at_provider: HasArn,
    #[serde(deserialize_with = "super::null_default")]
    conditions: Vec<RoleCondition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct HasArn {
    arn: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RoleCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
}

impl RoleStatus {
    fn arn(self) -> Option<String> {
        let arn = self.ack_resource_metadata.arn.or(self.at_provider.arn);
        arn.filter(|arn| arn.parse::<RoleArn>().is_ok())
    }

    /// ACK reports a problem by a condition that is true (`ACK.Terminal`, `ACK.Recoverable`), Crossplane by one that is
    /// false (`Synced`, `Ready`).
    fn problem(&self) -> Option<String> {
        let is_wrong = |it: &&RoleCondition| match it.type_.as_str() {
            "ACK.Terminal" | "ACK.Recoverable" => it.status == "True",
            "ACK.ResourceSynced" | "Synced" | "Ready" => it.status == "False",
            _ => false,
        };
        let rank = |it: &&RoleCondition| {
            let worst_first = ["ACK.Terminal", "ACK.Recoverable", "Synced", "Ready"];
            worst_first.iter().position(|type_| *type_ == it.type_).unwrap_or(worst_first.len())
        };
        let wrong = self.conditions.iter().filter(is_wrong).min_by_key(rank)?;
        let why = [&wrong.reason, &wrong.message].into_iter().flatten().filter(|text| !text.is_empty());
        let why: Vec<&str> = why.map(String::as_str).collect();
        let text = format!("{} is {}: {}", wrong.type_, wrong.status, why.join(": "));
        Some(Foreign::new(text.trim_end_matches(": ")).up_to(500).line().to_string())
    }
}

impl<A: RoleApi> From<ObservedRole<A>> for RoleObject {
    fn from(ObservedRole { metadata, spec, status, .. }: ObservedRole<A>) -> Self {
        let problem = status.problem();
        if A::KIND == RoleObjectKind::AckAssociation {
            return association(metadata, spec, &status, problem);
        }
        let arns = status.arn().map(|arn| (String::new(), arn)).into_iter().collect();
        Self { kind: A::KIND, metadata, arns, problem, service_account: None }
    }
}

/// An association has a role once it exists in EKS, whether or not ACK can read or change it now.
fn association(
    metadata: ObjectMeta,
    spec: AssociationSpec,
    status: &RoleStatus,
    problem: Option<String>,
) -> RoleObject {
    let exists = status.association_arn.is_some() && metadata.deletion_timestamp.is_none();
    // With a target role pods get the credentials of that one.
    let arn = spec.target_role_arn.or(spec.role_arn).filter(|arn| arn.parse::<RoleArn>().is_ok());
    let by_reference = || "it has no spec.roleARN: name the role there, not by spec.roleRef".to_owned();
    let problem = problem.or_else(|| arn.is_none().then(by_reference));
    RoleObject {
        kind: RoleObjectKind::AckAssociation,
        metadata,
        arns: arn.filter(|_| exists).map(|arn| (String::new(), arn)).into_iter().collect(),
        problem,
        service_account: spec.namespace.zip(spec.service_account),
    }
}

impl<A: RoleApi> Resource for ObservedRole<A> {
    type DynamicType = ();
    type Scope = A::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        A::KIND.kind().into()
    }

    fn group((): &()) -> Cow<'_, str> {
        A::KIND.group().into()
    }

    fn version((): &()) -> Cow<'_, str> {
        A::KIND.api_version().rsplit('/').next().unwrap_or_default().into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        A::KIND.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

macro_rules! role_apis {
    ($($(#[$doc:meta])+ $name:ident: $kind:ident, $scope:ident;)+) => {
        $($(#[$doc])+
        #[derive(Clone, Debug, Default)]
        pub struct $name;

        impl RoleApi for $name {
            const KIND: RoleObjectKind = RoleObjectKind::$kind;
            type Scope = $scope;
        })+
    };
}

role_apis! {
    /// AWS Controllers for Kubernetes.
    Ack: Ack, NamespaceResourceScope;
    /// Associations of AWS Controllers for Kubernetes.
    AckAssociation: AckAssociation, NamespaceResourceScope;
    /// The Upbound provider, cluster-scoped.
    Upbound: Upbound, ClusterResourceScope;
    /// The Upbound provider since Crossplane 2.
    UpboundNamespaced: UpboundNamespaced, NamespaceResourceScope;
    /// The classic provider of Crossplane.
    Crossplane: Crossplane, ClusterResourceScope;
}

/// The metadata that identifies an object; no other metadata is judged.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let meta = super::meta::slim(deserializer)?;
    Ok(ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        deletion_timestamp: meta.deletion_timestamp,
        ..ObjectMeta::default()
    })
}

/// The values that are ARNs of roles.
fn arns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let data = Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
    let trimmed = data.into_iter().map(|(key, value)| (key, value.trim().to_owned()));
    Ok(trimmed.filter(|(_, value)| value.parse::<RoleArn>().is_ok()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_config_map_only_arns_of_roles_are_kept() {
        let map: ObservedConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "roles", "labels": {"a": "b"}},
            "data": {"app": "arn:aws:iam::111122223333:role/app\n", "other": "text", "user": "arn:aws:iam::1:user/a"},
        }))
        .unwrap();
        let object = RoleObject::from(map);
        assert_eq!(object.arns, [("app".to_owned(), "arn:aws:iam::111122223333:role/app".to_owned())].into());
        assert_eq!(object.metadata.labels, None);
    }

    #[test]
    fn roles_of_ack_and_crossplane_are_read() {
        let ack: ObservedRole<Ack> = serde_json::from_value(json!({
            "metadata": {"name": "app"}, "spec": {"name": "app"},
            "status": {
                "ackResourceMetadata": {"arn": "arn:aws:iam::111122223333:role/app", "ownerAccountID": "111122223333"},
                "conditions": [{"type": "ACK.ResourceSynced", "status": "True"}],
            },
        }))
        .unwrap();
        let ack = RoleObject::from(ack);
        assert_eq!((ack.arns.len(), ack.problem), (1, None));
        let failed: ObservedRole<Crossplane> = serde_json::from_value(json!({
            "metadata": {"name": "app"},
            "status": {"atProvider": {}, "conditions": [
                {"type": "Ready", "status": "False", "reason": "Creating"},
                {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "AccessDenied"},
            ]},
        }))
        .unwrap();
        let failed = RoleObject::from(failed);
        assert_eq!(failed.problem.as_deref(), Some("Synced is False: ReconcileError: AccessDenied"));
        assert!(failed.arns.is_empty());
        let association = |status: serde_json::Value| {
            let association: ObservedRole<AckAssociation> = serde_json::from_value(json!({
                "metadata": {"name": "app"},
                "spec": {"clusterName": "c", "namespace": "shop", "serviceAccount": "web",
                    "roleARN": "arn:aws:iam::111122223333:role/app"},
                "status": status,
            }))
            .unwrap();
            RoleObject::from(association)
        };
        let synced = association(json!({"associationARN": "arn:aws:eks:a", "conditions": []}));
        assert_eq!(synced.service_account, Some(("shop".to_owned(), "web".to_owned())));
        assert_eq!((synced.arns.len(), synced.problem), (1, None));
        assert!(association(json!({})).arns.is_empty());
        let new: ObservedRole<Ack> =
            serde_json::from_value(json!({"metadata": {"name": "app"}, "status": null})).unwrap();
        assert_eq!(RoleObject::from(new).problem, None);
    }
}
