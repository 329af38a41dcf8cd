//! The kinds of objects that `spec.roleRef` may refer to.

use std::fmt;

use podidentity_api::RoleRef;

/// The kinds that a `roleRef` may name. The schema of the binding lists the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleObjectKind {
    /// A ConfigMap with the ARN under one of its keys.
    ConfigMap,
    /// `Role` of AWS Controllers for Kubernetes (ACK).
    Ack,
    /// `PodIdentityAssociation` of AWS Controllers for Kubernetes.
    AckAssociation,
    /// `Role` of the Upbound provider of Crossplane, cluster-scoped.
    Upbound,
    /// `Role` of the Upbound provider since Crossplane 2, namespaced.
    UpboundNamespaced,
    /// `Role` of the classic AWS provider of Crossplane, cluster-scoped.
    Crossplane,
}

impl RoleObjectKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ConfigMap, Self::Ack, Self::AckAssociation, Self::Upbound, Self::UpboundNamespaced, Self::Crossplane];

    /// The kind that a reference names; `None` if it is none of them.
    pub fn of(reference: &RoleRef) -> Option<Self> {
        let is_named = |kind: &Self| reference.api_version == kind.api_version() && reference.kind == kind.kind();
        Self::ALL.into_iter().find(is_named)
    }

    /// API version, for example `iam.services.k8s.aws/v1alpha1`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::ConfigMap => "v1",
            Self::Ack => "iam.services.k8s.aws/v1alpha1",
            Self::AckAssociation => "eks.services.k8s.aws/v1alpha1",
            Self::Upbound => "iam.aws.upbound.io/v1beta1",
            Self::UpboundNamespaced => "iam.aws.m.upbound.io/v1beta1",
            Self::Crossplane => "iam.aws.crossplane.io/v1beta1",
        }
    }

    /// Kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::AckAssociation => "PodIdentityAssociation",
            _ => "Role",
        }
    }

    /// Kind and API group, for example `Role.iam.services.k8s.aws`.
    pub const fn qualified(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Ack => "Role.iam.services.k8s.aws",
            Self::AckAssociation => "PodIdentityAssociation.eks.services.k8s.aws",
            Self::Upbound => "Role.iam.aws.upbound.io",
            Self::UpboundNamespaced => "Role.iam.aws.m.upbound.io",
            Self::Crossplane => "Role.iam.aws.crossplane.io",
        }
    }

    /// The resource, as in the path of a request.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::AckAssociation => "podidentityassociations",
            _ => "roles",
        }
    }

    /// API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether its objects are cluster-scoped.
    pub const fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::Upbound | Self::Crossplane)
    }

    /// The value of `--role-references` that has the operator watch the kind.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Ack => "ack",
            Self::AckAssociation => "ack-association",
            Self::Upbound => "upbound",
            Self::UpboundNamespaced => "upbound-namespaced",
            Self::Crossplane => "crossplane",
        }
    }
}

/// Kind and API group, for example `Role.iam.services.k8s.aws`.
impl fmt::Display for RoleObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.qualified())
    }
}
