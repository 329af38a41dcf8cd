//! The tools that manage an object, recognized by the labels and annotations that they write.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::ServiceAccount;

/// A tool that manages an object, and the name that the tool has for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagedBy {
    /// For example `Helm`.
    pub tool: &'static str,
    /// For example the name of the Helm release; empty where the tool writes none.
    pub name: String,
}

impl fmt::Display for ManagedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(self.tool),
            name => write!(f, "{} ({name})", self.tool),
        }
    }
}

/// A label or annotation that a tool writes.
struct Mark {
    tool: &'static str,
    key: &'static str,
    /// The required value. `None` if any value will do, which is then the name.
    value: Option<&'static str>,
    /// The annotation that holds the name, if the mark itself does not.
    name: Option<&'static str>,
}

/// Source: the documentation of each tool. Objects of a Flux HelmRelease have Flux's label and
/// Helm's, so Helm's label alone does not tell the two apart.
#[rustfmt::skip]
const MARKS: &[Mark] = &[
    Mark { tool: "eksctl", key: "app.kubernetes.io/managed-by", value: Some("eksctl"), name: None },
    Mark { tool: "Argo CD", key: "argocd.argoproj.io/tracking-id", value: None, name: None },
    Mark { tool: "Argo CD", key: "argocd.argoproj.io/instance", value: None, name: None },
    Mark { tool: "Flux Kustomization", key: "kustomize.toolkit.fluxcd.io/name", value: None, name: None },
    Mark { tool: "Flux HelmRelease", key: "helm.toolkit.fluxcd.io/name", value: None, name: None },
    Mark { tool: "Helm", key: "app.kubernetes.io/managed-by", value: Some("Helm"), name: Some("meta.helm.sh/release-name") },
    Mark { tool: "OLM", key: "olm.owner", value: None, name: None },
    Mark { tool: "OLM", key: "olm.managed", value: Some("true"), name: None },
];

/// Whether a tool writes the label or annotation.
pub(super) fn is_mark(key: &str) -> bool {
    MARKS.iter().any(|mark| mark.key == key)
}

/// Whether the owner reference of an object names a tool.
pub(super) fn is_manager(owner: &OwnerReference) -> bool {
    owner.kind == "ClusterServiceVersion"
}

/// The tools that manage a service account, in the order of `MARKS`, each once.
pub fn managed_by(account: &ServiceAccount) -> Vec<ManagedBy> {
    let get = |key: &str| account.labels.get(key).or_else(|| account.annotations.get(key)).cloned();
    let mut found: Vec<ManagedBy> = Vec::new();
    for mark in MARKS {
        let Some(value) = get(mark.key).filter(|value| mark.value.is_none_or(|wanted| value == wanted)) else {
            continue;
        };
        let name = match (mark.value, mark.name) {
            (_, Some(key)) => get(key).unwrap_or_default(),
            (None, None) => value,
            (Some(_), None) => String::new(),
        };
        // Argo CD's tracking ID is APPLICATION:GROUP/KIND:NAMESPACE/NAME.
        let name = name.split(':').next().unwrap_or_default().to_owned();
        if !found.iter().any(|owner| owner.tool == mark.tool) {
            found.push(ManagedBy { tool: mark.tool, name });
        }
    }
    let manager = account.metadata.owner_references.iter().flatten().find(|owner| is_manager(owner));
    if let Some(owner) = manager
        && !found.iter().any(|found| found.tool == "OLM")
    {
        found.push(ManagedBy { tool: "OLM", name: owner.name.clone() });
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(meta: &serde_json::Value) -> Vec<String> {
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": meta})).unwrap();
        managed_by(&account).iter().map(ManagedBy::to_string).collect()
    }

    #[test]
    fn each_tool_is_known_by_its_marks() {
        let label = |tool: &str| json!({"app.kubernetes.io/managed-by": tool});
        assert_eq!(found(&json!({"labels": label("eksctl")})), ["eksctl"]);
        let release = json!({"meta.helm.sh/release-name": "shop"});
        assert_eq!(found(&json!({"labels": label("Helm"), "annotations": release})), ["Helm (shop)"]);
        let tracked = json!({"argocd.argoproj.io/tracking-id": "shop:/ServiceAccount:default/app"});
        assert_eq!(found(&json!({"annotations": tracked})), ["Argo CD (shop)"]);
        assert_eq!(
            found(&json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}})),
            ["Flux Kustomization (apps)"]
        );
        assert_eq!(found(&json!({"labels": {"olm.owner": "csv.v1"}})), ["OLM (csv.v1)"]);
        let owner = json!([{"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion",
            "name": "csv.v1", "uid": "1"}]);
        assert_eq!(found(&json!({"ownerReferences": owner})), ["OLM (csv.v1)"]);
    }

    #[test]
    fn an_object_without_marks_is_nobodys() {
        assert!(found(&json!({"labels": {"app.kubernetes.io/managed-by": "me"}})).is_empty());
    }
}
