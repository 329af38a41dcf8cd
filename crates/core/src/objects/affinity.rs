//! On which nodes a pod may run: as far as that tells Windows.

use serde::{Deserialize, Serialize};

use super::null_default;

/// On which nodes a pod may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity {
    /// By their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<NodeAffinity>,
}

/// What the labels of a pod's nodes have to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAffinity {
    /// What has to hold.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", skip_serializing_if = "Option::is_none")]
    pub required: Option<NodeSelector>,
}

/// Terms of which one has to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// The terms.
    #[serde(deserialize_with = "null_default")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements of which all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// The requirements.
    #[serde(deserialize_with = "null_default")]
    pub match_expressions: Vec<NodeRequirement>,
}

/// What a label has to be.
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

impl Affinity {
    /// Whether the pod can only run on nodes of Windows.
    pub fn demands_windows(&self) -> bool {
        let required = self.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
        let terms = required.map(|required| required.node_selector_terms.as_slice()).unwrap_or_default();
        let demands = |term: &NodeSelectorTerm| {
            term.match_expressions.iter().any(|requirement| {
                ["kubernetes.io/os", "beta.kubernetes.io/os"].contains(&requirement.key.as_str())
                    && requirement.operator == "In"
                    && requirement.values == ["windows"]
            })
        };
        !terms.is_empty() && terms.iter().all(demands)
    }
}
