//! The objects that `spec.roleRef` may refer to, of the kinds that the operator is configured to
//! watch.

use std::collections::BTreeSet;

use podidentity_core::objects::{
    Ack, AckAssociation, Crossplane, ObservedConfigMap, ObservedRole, RoleApi, RoleObjectKind, Upbound,
    UpboundNamespaced,
};

use super::optional_kinds::Optional;
use super::streams::{KindStream, Source};
use crate::index::{Kind, Object};

/// The streams of these kinds. ConfigMaps always exist; the other kinds come and go with their
/// definitions.
pub(crate) fn streams(source: &Source, kinds: &BTreeSet<RoleObjectKind>) -> Vec<KindStream> {
    source.index.watches_role_objects(kinds);
    let of_kind = |kind: &RoleObjectKind| match kind {
        RoleObjectKind::ConfigMap => {
            source.watch::<ObservedConfigMap>(Kind::RoleObject(RoleObjectKind::ConfigMap), Object::role_object)
        }
        RoleObjectKind::Ack => vec![optional(source, *kind, namespaced::<Ack>)],
        RoleObjectKind::AckAssociation => vec![optional(source, *kind, namespaced::<AckAssociation>)],
        RoleObjectKind::UpboundNamespaced => vec![optional(source, *kind, namespaced::<UpboundNamespaced>)],
        RoleObjectKind::Upbound => vec![optional(source, *kind, of_cluster::<Upbound>)],
        RoleObjectKind::Crossplane => vec![optional(source, *kind, of_cluster::<Crossplane>)],
    };
    kinds.iter().flat_map(of_kind).collect()
}

fn optional(source: &Source, kind: RoleObjectKind, streams: fn(&Source) -> Vec<KindStream>) -> KindStream {
    let (api_version, plural) = (kind.api_version(), kind.plural());
    let optional = Optional { kind: Kind::RoleObject(kind), api_version, plural, streams };
    optional.stream(source)
}

fn namespaced<A: RoleApi<Scope = kube::core::NamespaceResourceScope>>(source: &Source) -> Vec<KindStream> {
    source.watch::<ObservedRole<A>>(Kind::RoleObject(A::KIND), Object::role_object)
}

fn of_cluster<A: RoleApi<Scope = kube::core::ClusterResourceScope>>(source: &Source) -> Vec<KindStream> {
    vec![source.watch_cluster::<ObservedRole<A>>(Kind::RoleObject(A::KIND), Object::role_object)]
}
