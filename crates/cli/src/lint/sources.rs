//! ConfigMaps and Secrets among the files, from which containers take environment variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use podidentity_core::objects::{KeySource, Revealed, Value};

use crate::manifest::Object;
use crate::yaml::{Kind, Node};

/// The ConfigMaps and Secrets, by kind (true for a Secret), namespace and name.
#[derive(Default)]
pub(super) struct Sources {
    known: BTreeMap<(bool, Option<String>, String), Arc<Revealed>>,
}

impl Sources {
    /// Collects the ConfigMaps and Secrets. Objects without a namespace belong to `namespace`.
    pub(super) fn of(objects: &[Object<'_>], namespace: Option<&str>) -> Self {
        let mut known = BTreeMap::new();
        for object in objects.iter().filter(|object| object.group.is_empty()) {
            let is_secret = match object.kind.as_str() {
                "ConfigMap" => false,
                "Secret" => true,
                _ => continue,
            };
            let place = object.namespace.or(namespace).map(str::to_owned);
            let fields = ["data", "stringData"].into_iter().filter_map(|field| object.node.get(field));
            let keys = fields.flat_map(entries).map(|(key, value)| (key, revealed(value, is_secret)));
            known.insert((is_secret, place, object.name.to_owned()), Arc::new(keys.collect()));
        }
        Self { known }
    }

    /// The content of a ConfigMap or Secret of the namespace.
    pub(super) fn get(&self, namespace: Option<&str>, source: KeySource<'_>) -> Option<Arc<Revealed>> {
        let (is_secret, name) = match source {
            KeySource::ConfigMap(name) => (false, name),
            KeySource::Secret(name) => (true, name),
        };
        self.known.get(&(is_secret, namespace.map(str::to_owned), name.to_owned())).cloned()
    }
}

fn entries(node: &Node) -> Vec<(String, &Node)> {
    let Kind::Mapping(entries) = &node.kind else { return Vec::new() };
    entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value))).collect()
}

/// The value of a key. Hides the value of a Secret unless it is empty.
fn revealed(value: &Node, is_secret: bool) -> Value {
    match value.text().filter(|_| !value.is_null()) {
        Some(text) if !text.is_empty() && is_secret => Value::Hidden,
        text => Value::Known(text.unwrap_or_default().to_owned()),
    }
}
