//! The ConfigMap that the webhook watches.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use podidentity_core::injection::CONFIG_MAP;

use super::ReadError;

/// The entries of the webhook's ConfigMap in the namespace, as its JSON text. `None` if there is no
/// such ConfigMap, or if it lacks the key that the webhook reads.
pub async fn webhook_config(client: &Client, namespace: &str) -> Result<Option<String>, ReadError> {
    let (name, key) = CONFIG_MAP;
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(name).await;
    let found = found.map_err(|error| ReadError::of(&error, "get", "configmaps", Some(namespace)))?;
    Ok(found.and_then(|config| config.data?.remove(key)))
}
