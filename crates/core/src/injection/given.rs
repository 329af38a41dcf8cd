//! The source from which the webhook takes the identity of a service account: its annotations, the
//! ConfigMap that the webhook watches, or an association of EKS Pod Identity.

use crate::objects::{Map, ServiceAccount};
use crate::settings::{IdentityAnnotation, Settings};
use crate::webhook_config::Entry;

/// The source of the identity.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// The annotations of the service account.
    Annotations(&'a Map),
    /// An entry of the ConfigMap.
    Entry(&'a Entry),
    /// The cluster's association of EKS Pod Identity. The webhook still takes the token lifetime
    /// and the STS endpoint from the annotations of the service account.
    Association(&'a Map),
}

impl<'a> From<&'a Map> for Given<'a> {
    fn from(annotations: &'a Map) -> Self {
        Self::Annotations(annotations)
    }
}

impl<'a> Given<'a> {
    /// The source for this service account.
    pub fn on(account: &'a ServiceAccount, settings: &'a Settings) -> Self {
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        let meta = &account.metadata;
        Self::of(&account.annotations, text(&meta.namespace), text(&meta.name), settings)
    }

    /// The source for a service account: an annotated role takes precedence over the ConfigMap.
    pub fn of(annotations: &'a Map, namespace: &str, name: &str, settings: &'a Settings) -> Self {
        let annotated = annotations
            .get(&settings.annotation(IdentityAnnotation::RoleArn))
            .is_some_and(|role| settings.names_role(role));
        let entry = settings.entries.as_ref().filter(|_| !annotated).and_then(|entries| entries.get(namespace, name));
        entry.map_or(Self::Annotations(annotations), Self::Entry)
    }
}
