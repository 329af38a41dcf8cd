//! The role of a binding: by its name, or by an object that has its ARN.

// The macro that makes the schema declares all fields once more, and reads only those that are on the wire.
#![allow(dead_code)]

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::crd::{ROLE_NAME_RULE, ROLE_PATH_RULE, ROLE_REF_KEY_RULE, ROLE_REF_KIND_RULE, ROLE_REF_NAME_RULE};

/// A role of the cluster's AWS account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct RoleName {
    /// Name of the role, for example `my-role`.
    #[x_kube(validation = ROLE_NAME_RULE)]
    #[schemars(length(min = 1, max = 64))]
    pub name: String,

    /// Path of the role, which begins and ends with a slash, for example `/team-a/`. Default: `/`.
    #[x_kube(validation = ROLE_PATH_RULE)]
    #[schemars(length(min = 1, max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// An object that has the ARN of a role: of the binding's namespace, or of no namespace if its kind is cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = ROLE_REF_KIND_RULE,
    validation = ROLE_REF_KEY_RULE
)]
#[serde(rename_all = "camelCase")]
pub struct RoleRef {
    /// API version of the object: `v1`, `iam.services.k8s.aws/v1alpha1`, `iam.aws.upbound.io/v1beta1`,
    /// `iam.aws.m.upbound.io/v1beta1`, `iam.aws.crossplane.io/v1beta1` or `eks.services.k8s.aws/v1alpha1`.
    #[schemars(length(min = 1, max = 253))]
    pub api_version: String,

    /// Kind of the object: `ConfigMap` of `v1`, `PodIdentityAssociation` of `eks.services.k8s.aws/v1alpha1`, `Role` of the
    /// others.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,

    /// Name of the object.
    #[x_kube(validation = ROLE_REF_NAME_RULE)]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key of a ConfigMap whose value is the ARN.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Why the ARN of a declared role is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong.
    pub problem: String,
    /// What a person has to do; `None` if the ARN may become known without a person.
    pub action: Option<String>,
}
