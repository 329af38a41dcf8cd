//! What is known about the ConfigMaps and Secrets that containers take variables from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EnvFromSource, PodSpec};

/// What is known about a key of a ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The value.
    Known(String),
    /// The key exists. Values of Secrets are never read.
    Hidden,
    /// The key does not exist.
    Absent,
}

/// The keys of a known ConfigMap or Secret.
pub type Revealed = BTreeMap<String, Value>;

/// A ConfigMap or a Secret, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource<'a> {
    /// A ConfigMap.
    ConfigMap(&'a str),
    /// A Secret.
    Secret(&'a str),
}

impl EnvFromSource {
    /// The ConfigMap or Secret that the keys come from.
    pub fn source(&self) -> Option<KeySource<'_>> {
        let secret = self.secret_ref.as_ref().map(|secret| KeySource::Secret(&secret.name));
        secret.or(self.config_map_ref.as_ref().map(|config_map| KeySource::ConfigMap(&config_map.name)))
    }
}

impl PodSpec {
    /// Fills in what is known about the ConfigMaps and Secrets that containers take variables from.
    pub fn reveal(&mut self, known: &dyn Fn(KeySource<'_>) -> Option<Arc<Revealed>>) {
        for container in self.init_containers.iter_mut().chain(&mut self.containers) {
            for source in &mut container.env_from {
                source.revealed = source.source().and_then(known);
            }
            for source in container.env.iter_mut().filter_map(|variable| variable.value_from.as_mut()) {
                let secret = source.secret_key_ref.as_ref().map(|key| (KeySource::Secret(&key.name), &key.key));
                let map = source.config_map_key_ref.as_ref().map(|key| (KeySource::ConfigMap(&key.name), &key.key));
                let revealed = secret.or(map).and_then(|(source, key)| Some((known(source)?, key)));
                source.revealed = revealed.map(|(keys, key)| keys.get(key).cloned().unwrap_or(Value::Absent));
            }
        }
    }
}
