//! The ConfigMap that the webhook watches: identities of service accounts, in addition to their
//! annotations.

use std::collections::BTreeMap;

use serde_json::Value;

/// The name of the ConfigMap that the webhook watches with `--watch-config-map`, and its key.
pub const CONFIG_MAP: (&str, &str) = ("pod-identity-webhook", "config");

/// The entry for one service account in the webhook's ConfigMap. The webhook uses its values as
/// they are: it sets no default audience, and does not raise a short lifetime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The role; empty means none.
    pub role_arn: String,
    /// The audience; empty means that of the API server.
    pub audience: String,
    /// Whether the regional STS endpoint is used.
    pub regional_sts: bool,
    /// Lifetime in seconds; 0 means the default.
    pub token_expiration: i64,
}

/// All entries of the webhook's ConfigMap, by `NAMESPACE/NAME` or `*/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(BTreeMap<(String, String), Entry>);

impl Entries {
    /// Reads the value of the ConfigMap's key. The webhook takes all entries, or none if any value
    /// has a wrong type.
    pub fn parse(config: &str) -> Result<Self, String> {
        let parsed: BTreeMap<String, serde_json::Map<String, Value>> =
            serde_json::from_str(config).map_err(|error| format!("has no JSON of entries in config: {error}"))?;
        let mut entries = BTreeMap::new();
        for (key, fields) in parsed {
            let mut parts = key.split('/');
            let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else {
                return Err(format!("has the key {key:?}, which is not NAMESPACE/NAME"));
            };
            let entry = Entry::read(&fields).ok_or_else(|| format!("has a value of a wrong type at {key:?}"))?;
            entries.insert((namespace.to_owned(), name.to_owned()), entry);
        }
        Ok(Self(entries))
    }

    /// The entry for a service account: its own, or else the one for its name in all namespaces.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Entry> {
        let of = |namespace: &str| self.0.get(&(namespace.to_owned(), name.to_owned()));
        of(namespace).or_else(|| of("*"))
    }
}

impl Entry {
    /// Reads an entry. The field names are those of Go's struct, in any case.
    fn read(fields: &serde_json::Map<String, Value>) -> Option<Self> {
        let mut entry = Self::default();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match name.to_lowercase().as_str() {
                "rolearn" => value.as_str()?.clone_into(&mut entry.role_arn),
                "audience" => value.as_str()?.clone_into(&mut entry.audience),
                "useregionalsts" => entry.regional_sts = value.as_bool()?,
                "tokenexpiration" => entry.token_expiration = value.as_i64()?,
                _ => {}
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_go_reads_them() {
        let config = r#"{"ns/app": {"rolearn": "r", "AUDIENCE": "a", "UseRegionalSTS": true, "TokenExpiration": 60, "x": 1},
            "*/app": {"RoleARN": "all"}}"#;
        let entries = Entries::parse(config).unwrap();
        let own = Entry { role_arn: "r".into(), audience: "a".into(), regional_sts: true, token_expiration: 60 };
        assert_eq!(entries.get("ns", "app"), Some(&own));
        assert_eq!(entries.get("other", "app").unwrap().role_arn, "all");
        assert_eq!(entries.get("ns", "another"), None);
        for config in ["", "[]", "{\"app\": {}}", "{\"ns/app\": {\"RoleARN\": 1}}", "{\"ns/app\": 1}"] {
            assert!(Entries::parse(config).is_err(), "{config}");
        }
    }
}
