//! Volumes of a pod and their mounts, as far as they can provide a token or a file in its place.

use serde::{Deserialize, Serialize};

use super::null_default;

/// A mount of a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// Name of the volume.
    pub name: String,
    /// Where it is mounted.
    pub mount_path: String,
    /// The part of the volume that is mounted; the kubelet never refreshes such a mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// Like `sub_path`, with variables that are expanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path_expr: Option<String>,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// A block device in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeDevice {
    /// Path in the container.
    pub device_path: String,
}

/// A volume, as far as it can provide a token or files of credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// Projected sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedVolume>,
    /// Present if its files are the keys of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Present>,
    /// Present if its files are the keys of a ConfigMap.
    #[serde(rename = "configMap", skip_serializing_if = "Option::is_none")]
    pub config_map: Option<Present>,
}

/// A source of a volume of which only its presence matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {}

impl Volume {
    /// What the volume has the keys of: `a Secret` or `a ConfigMap`; `None` if of neither.
    pub fn keys_of(&self) -> Option<&'static str> {
        let projected = || self.projected.iter().flat_map(|projected| &projected.sources);
        if self.secret.is_some() || projected().any(|source| source.secret.is_some()) {
            Some("a Secret")
        } else if self.config_map.is_some() || projected().any(|source| source.config_map.is_some()) {
            Some("a ConfigMap")
        } else {
            None
        }
    }
}

/// A projected volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedVolume {
    /// File mode, octal 0644 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<i32>,
    /// Sources; if two have the same path, the later one wins.
    #[serde(deserialize_with = "null_default")]
    pub sources: Vec<ProjectedSource>,
}

/// A source of a projected volume: a token, or files that may lie in its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource {
    /// A token of the pod's service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountToken>,
    /// Keys of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<ProjectedItems>,
    /// Keys of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ProjectedItems>,
    /// Fields of the pod.
    #[serde(skip_serializing_if = "Option::is_none", rename = "downwardAPI")]
    pub downward_api: Option<ProjectedItems>,
    /// Trusted certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_trust_bundle: Option<ProjectedItem>,
}

/// Named files of a projected source; without names, a Secret or ConfigMap projects each of its keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectedItems {
    /// The files.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ProjectedItem>,
}

/// A file of a projected source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectedItem {
    /// The path of the file in the volume.
    #[serde(deserialize_with = "null_default")]
    pub path: String,
}

/// A projected token of the pod's service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccountToken {
    /// Audience; absent means the API server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Lifetime in seconds; absent means 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
    /// The path of the file in the volume.
    pub path: String,
}
