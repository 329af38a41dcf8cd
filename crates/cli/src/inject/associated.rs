//! The webhook's file of identities: service accounts that have an EKS Pod Identity association.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

/// Service accounts, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Associated(BTreeSet<(String, String)>);

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    identities: Vec<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    service_account: String,
}

/// Reads the file. An empty file names no service account.
pub(super) fn read(path: &Path) -> Result<Associated, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    if text.is_empty() {
        return Ok(Associated::default());
    }
    let config: Config = serde_json::from_str(&text).map_err(|error| {
        format!("{name}: {error}: write {{\"identities\": [{{\"namespace\": \"N\", \"serviceAccount\": \"S\"}}]}}")
    })?;
    Ok(Associated(config.identities.into_iter().map(|it| (it.namespace, it.service_account)).collect()))
}

impl Associated {
    /// Whether the file names no service account.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the file names the service account.
    pub(super) fn has(&self, namespace: &str, name: &str) -> bool {
        self.0.contains(&(namespace.to_owned(), name.to_owned()))
    }
}
