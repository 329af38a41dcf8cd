//! The affinity of a pod, as far as it shows whether the pod runs on Windows nodes.

use serde::{Deserialize, Serialize};

use super::null_default;

/// The nodes on which a pod may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity {
    /// The rules on the labels of the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<NodeAffinity>,
}

/// The labels that the nodes of a pod need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAffinity {
    /// The terms that a node has to match.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", skip_serializing_if = "Option::is_none")]
    pub required: Option<NodeSelector>,
}

/// A list of terms; at least one has to match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// The terms.
    #[serde(deserialize_with = "null_default")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// A list of requirements; all have to match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// The requirements.
    #[serde(deserialize_with = "null_default")]
    pub match_expressions: Vec<NodeRequirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeRequirement {
    /// Key of the label.
    pub key: String,
    /// For example `In`.
    pub operator: String,
    /// Values.
    #[serde(deserialize_with = "null_default")]
    pub values: Vec<String>,
}

/// The label that only Windows nodes have.
pub(crate) const WINDOWS_BUILD: &str = "node.kubernetes.io/windows-build";

impl Affinity {
    /// Whether the pod can only run on Windows nodes.
    pub fn demands_windows(&self) -> bool {
        let required = self.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
        let terms = required.map(|required| required.node_selector_terms.as_slice()).unwrap_or_default();
        let demands = |term: &NodeSelectorTerm| {
            term.match_expressions.iter().any(|requirement| {
                let of_os = ["kubernetes.io/os", "beta.kubernetes.io/os"].contains(&requirement.key.as_str());
                let has = |value: &str| requirement.values.iter().any(|it| it == value);
                match requirement.operator.as_str() {
                    "In" if of_os => requirement.values == ["windows"],
                    // Nodes run one of the two.
                    "NotIn" if of_os => has("linux") && !has("windows"),
                    "In" | "Exists" => requirement.key == WINDOWS_BUILD,
                    _ => false,
                }
            })
        };
        !terms.is_empty() && terms.iter().all(demands)
    }
}
