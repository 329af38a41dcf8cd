//! A service account and the field managers of its annotations.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podidentity_api::names;
use podidentity_core::objects::{Map, ServiceAccount};
use podidentity_core::plan::Target;
use serde_json::json;

use super::{ACCOUNT, NAMESPACE, Refusal, managed_fields_entry};

#[derive(Clone, Debug)]
pub struct Account {
    pub uid: String,
    pub(super) version: u64,
    pub annotations: Map,
    /// The role that the operator last wrote; `None` once it has given up the annotation.
    pub written: Option<String>,
    /// The owners of each annotation, and since when.
    pub(super) owners: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

impl Account {
    pub(super) fn new(version: u64) -> Self {
        let uid = format!("account-{version}");
        Self { uid, version, annotations: Map::new(), written: None, owners: BTreeMap::new() }
    }

    /// The role, if the operator owns it.
    pub fn role_by_our_hand(&self) -> Option<&str> {
        let ours = self.owners.get(super::ROLE_KEY).is_some_and(|owners| owners.contains_key(names::FIELD_MANAGER));
        self.annotations.get(super::ROLE_KEY).filter(|_| ours).map(String::as_str)
    }

    /// Whether another manager owns the annotation, alone or together with the operator.
    pub fn is_shared(&self, key: &str) -> bool {
        self.owners.get(key).is_some_and(|owners| owners.keys().any(|owner| owner != names::FIELD_MANAGER))
    }

    /// Server-side apply by the operator.
    pub(super) fn apply(
        &mut self,
        target: &Target,
        annotations: &BTreeMap<String, String>,
        force: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.uid != target.uid || self.version.to_string() != target.resource_version {
            return Err(Refusal::Stale);
        }
        let ours = names::FIELD_MANAGER.to_owned();
        for (key, value) in annotations {
            let foreign = self.owners.get(key).is_some_and(|owners| owners.keys().any(|owner| *owner != ours));
            if foreign && self.annotations.get(key) != Some(value) {
                if !force {
                    return Err(Refusal::Conflict);
                }
                self.owners.remove(key);
            }
        }
        let given_up: Vec<String> = self.owners.keys().filter(|key| !annotations.contains_key(*key)).cloned().collect();
        for key in given_up {
            let owners = self.owners.entry(key.clone()).or_default();
            owners.remove(&ours);
            if owners.is_empty() {
                self.owners.remove(&key);
                self.annotations.remove(&key);
            }
        }
        for (key, value) in annotations {
            self.annotations.insert(key.clone(), value.clone());
            self.owners.entry(key.clone()).or_default().insert(ours.clone(), now);
        }
        Ok(())
    }

    pub(super) fn object(&self) -> ServiceAccount {
        let managers: BTreeSet<&String> = self.owners.values().flat_map(BTreeMap::keys).collect();
        let entries = managers.into_iter().map(|manager| {
            let owned = || self.owners.iter().filter_map(|(key, owners)| Some((key, owners.get(manager)?)));
            let fields: serde_json::Map<_, _> = owned().map(|(key, _)| (format!("f:{key}"), json!({}))).collect();
            let fields = json!({"f:metadata": {"f:annotations": fields}});
            managed_fields_entry(manager, owned().map(|(_, time)| *time).max(), fields)
        });
        ServiceAccount {
            metadata: ObjectMeta {
                name: Some(ACCOUNT.into()),
                namespace: Some(NAMESPACE.into()),
                uid: Some(self.uid.clone()),
                resource_version: Some(self.version.to_string()),
                managed_fields: Some(entries.collect()),
                ..ObjectMeta::default()
            },
            labels: Map::new(),
            annotations: self.annotations.clone(),
        }
    }
}
