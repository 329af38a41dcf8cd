//! Service accounts that objects other than workloads use or name: tokens are requested for them.

use super::strays::{right_field, stray_names};
use super::{Run, Slips};
use crate::accounts::Key;
use crate::manifest::Role;
use crate::yaml::Node;

/// A service account that is used.
pub(super) struct User {
    /// `None`: of any namespace.
    namespace: Option<String>,
    name: String,
}

impl User {
    pub(super) fn is(&self, key: &Key) -> bool {
        self.name == key.1 && (self.namespace.is_none() || key.0.is_none() || self.namespace == key.0)
    }
}

impl<'a> Slips<'_, 'a> {
    /// The service accounts that pods run as or that other objects name. External Secrets,
    /// cert-manager, Flux and others request a token for a service account without a pod.
    pub(super) fn users(&self, runs: &[Run<'_, 'a>]) -> Vec<User> {
        let pods = runs.iter().map(|run| User { namespace: run.account.0.clone(), name: run.account.1.clone() });
        let mut users: Vec<User> = pods.collect();
        for object in self.objects {
            let namespace = object.namespace.or(self.namespace).map(str::to_owned);
            let is_custom = object.group.contains('.') && !object.group.ends_with("authorization.k8s.io");
            match object.role {
                Role::Workload(path) => users.extend(
                    stray_names(object, path)
                        .into_iter()
                        .map(|(_, stray)| User { namespace: namespace.clone(), name: stray.account }),
                ),
                Role::Other | Role::Custom if is_custom => object.node.walk("", &mut |path, key, value| {
                    let field = key.text().unwrap_or_default();
                    let named = named(field, value).filter(|_| right_field(object, path, field).is_none());
                    users.extend(named.map(|(at, name)| User { namespace: at.or_else(|| namespace.clone()), name }));
                    field != "managedFields"
                }),
                _ => {}
            }
        }
        users
    }
}

/// The namespace, if the field tells it, and the name of the service account that a field names.
fn named(field: &str, value: &Node) -> Option<(Option<String>, String)> {
    let field = field.to_lowercase();
    if !["serviceaccount", "serviceaccountname", "serviceaccountref"].iter().any(|end| field.ends_with(end)) {
        return None;
    }
    let text = |node: &Node| node.text().filter(|text| !text.is_empty() && !node.is_null()).map(str::to_owned);
    match value.get("name") {
        Some(name) => Some((value.get("namespace").and_then(text), text(name)?)),
        None => Some((None, text(value)?)),
    }
}
