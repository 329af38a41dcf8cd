//! Where the webhook learns the identity of a service account from: its annotations, or the
//! ConfigMap that it watches.

use crate::objects::Map;
use crate::settings::{IdentityAnnotation, Settings};
use crate::webhook_config::Entry;

/// What the webhook goes by.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// The annotations of the service account.
    Annotations(&'a Map),
    /// An entry of the ConfigMap.
    Entry(&'a Entry),
    /// The cluster's association of EKS Pod Identity; of the annotations of the service account those
    /// count that are not about the role.
    Association(&'a Map),
}

impl<'a> From<&'a Map> for Given<'a> {
    fn from(annotations: &'a Map) -> Self {
        Self::Annotations(annotations)
    }
}

impl<'a> Given<'a> {
    /// What the webhook goes by for a service account: an annotated role wins over the ConfigMap.
    pub fn of(annotations: &'a Map, namespace: &str, name: &str, settings: &'a Settings) -> Self {
        let annotated = annotations
            .get(&settings.annotation(IdentityAnnotation::RoleArn))
            .is_some_and(|role| settings.names_role(role));
        let entry = settings.entries.as_ref().filter(|_| !annotated).and_then(|entries| entries.get(namespace, name));
        entry.map_or(Self::Annotations(annotations), Self::Entry)
    }
}
