//! A container's environment as its processes see it, as far as the pod tells.

use std::cell::OnceCell;

use super::references::{Values, literal};
use crate::foreign::shown;
use crate::objects::{Container, EnvFromSource, EnvSource, EnvVar, KeySource, Value};
use crate::step_counter::step;

/// A variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no such variable, or it comes from `envFrom`.
    Absent,
    /// The value; empty counts as absent for SDKs, but not for the webhook.
    Known(String),
    /// The value cannot be seen; this is where it comes from.
    Unknown(String),
}

impl Seen {
    /// A value that comes from another object or from a field.
    pub(super) fn of_source(source: &EnvSource) -> Self {
        Self::Unknown(if let Some(key) = &source.secret_key_ref {
            format!("key {} of Secret {}", key.key, key.name)
        } else if let Some(key) = &source.config_map_key_ref {
            format!("key {} of ConfigMap {}", key.key, key.name)
        } else if let Some(field) = &source.field_ref {
            format!("the pod's field {}", field.field_path)
        } else {
            "a source".to_owned()
        })
    }

    /// The value of a key in a source that is known.
    pub(super) fn of_key(source: &EnvFromSource, key: &str, value: &Value) -> Self {
        match value {
            Value::Known(value) => Self::Known(value.clone()),
            Value::Hidden => Self::Unknown(format!("key {key} of {}", described(source))),
            Value::Absent => Self::Absent,
        }
    }

    /// Whether an SDK treats the variable as unset.
    pub fn is_unset(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Known(value) => value.is_empty(),
            Self::Unknown(_) => false,
        }
    }

    /// The value, if it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// The value in words, for messages.
    pub fn shown(&self) -> String {
        match self {
            Self::Absent => "not set".to_owned(),
            Self::Known(value) if value.is_empty() => "set to nothing".to_owned(),
            Self::Known(value) => shown(value),
            Self::Unknown(source) => format!("from {}, which cannot be seen", shown(source)),
        }
    }
}

/// The environment of a container. If two variables have the same name, the last one wins.
/// References to earlier variables are expanded.
pub(super) struct Env<'a> {
    container: &'a Container,
    values: OnceCell<Values<'a>>,
}

impl<'a> Env<'a> {
    pub(super) fn of(container: &'a Container) -> Self {
        Self { container, values: OnceCell::new() }
    }

    /// The value of an AWS variable.
    pub(super) fn get(&self, name: &str) -> Seen {
        // Most values have no references, so there is no need to look at other variables.
        match self.last(name) {
            None => self.by_sources(name),
            Some(last) if last.value.as_deref().is_some_and(|value| value.contains('$')) => {
                self.values().by_name.get(name).cloned().unwrap_or(Seen::Absent)
            }
            Some(last) => literal(last),
        }
    }

    /// The last variable with this name in `env`.
    fn last(&self, name: &str) -> Option<&'a EnvVar> {
        self.container.env.iter().rfind(|variable| {
            step();
            variable.name == name
        })
    }

    /// Whether the variable certainly has a value, and not from a source that may be absent.
    pub(super) fn is_certain(&self, name: &str) -> bool {
        !self.is_optional(name) && !self.get(name).is_unset()
    }

    /// Whether the variable comes from a key of a Secret or ConfigMap that may be absent.
    pub(super) fn is_optional(&self, name: &str) -> bool {
        let source = self.last(name).filter(|variable| variable.value.as_deref().unwrap_or_default().is_empty());
        source.and_then(|variable| variable.value_from.as_deref()).is_some_and(|source| {
            let keys = [&source.secret_key_ref, &source.config_map_key_ref];
            source.revealed.is_none() && keys.into_iter().flatten().any(|key| key.optional == Some(true))
        })
    }

    /// The value from `envFrom`, as far as it is known. The last of several sources wins.
    fn by_sources(&self, name: &str) -> Seen {
        let found = self.container.env_from.iter().rev().find_map(|source| {
            step();
            let key = name.strip_prefix(source.prefix.as_deref().unwrap_or_default())?;
            Some((source, key, source.revealed.as_ref()?.get(key)?))
        });
        found.map_or(Seen::Absent, |(source, key, value)| Seen::of_key(source, key, value))
    }

    /// The ConfigMaps and Secrets in `envFrom` whose keys set these variables.
    pub(super) fn bringing(&self, names: &[String]) -> Vec<String> {
        if self.container.env_from.is_empty() {
            return Vec::new();
        }
        let absent: Vec<&String> = names.iter().filter(|name| self.last(name).is_none()).collect();
        let sources = self.container.env_from.iter().filter(|source| {
            step();
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let has = |name: &&String| {
                name.strip_prefix(prefix).is_some_and(|key| source.revealed.iter().any(|keys| keys.contains_key(key)))
            };
            absent.iter().any(has)
        });
        sources.map(described).collect()
    }

    /// Expands the `subPathExpr` of a mount.
    pub(super) fn expand(&self, text: &str) -> Seen {
        self.values().expand_path(text)
    }

    /// The Secrets and ConfigMaps in `envFrom` that are not known and might set one of `names`.
    /// Names that are set already do not count.
    pub(super) fn opaque_sources(&self, names: &[&str]) -> Vec<String> {
        if self.container.env_from.is_empty() {
            return Vec::new();
        }
        let absent: Vec<&&str> = names.iter().filter(|name| self.get(name) == Seen::Absent).collect();
        let sources = self.container.env_from.iter().filter(|source| source.revealed.is_none()).filter(|source| {
            step();
            let prefix = source.prefix.as_deref().unwrap_or_default();
            absent.iter().any(|name| name.starts_with(prefix))
        });
        sources.map(described).collect()
    }

    fn values(&self) -> &Values<'a> {
        self.values.get_or_init(|| Values::of(self.container))
    }
}

fn described(source: &EnvFromSource) -> String {
    match source.source() {
        Some(KeySource::Secret(name)) => format!("Secret {name}"),
        Some(KeySource::ConfigMap(name)) => format!("ConfigMap {name}"),
        None => "a source".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::objects::{PodSpec, Revealed};
    use crate::step_counter::counted;

    fn get(container: serde_json::Value, name: &str) -> Seen {
        let container: Container = serde_json::from_value(container).unwrap();
        Env::of(&container).get(name)
    }

    #[test]
    fn references_are_expanded_as_the_kubelet_does() {
        for (text, value) in [
            ("plain", "plain"),
            ("$(A)", "a"),
            ("x$(A)y$(A)", "xaya"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$A", "$A"),
            ("$", "$"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$(", "$("),
            ("$()", "$()"),
            ("$(LATER)", "$(LATER)"),
            ("$(NONE)$(A)", "$(NONE)a"),
            ("$(ESCAPED)", "$(A)"),
            ("$\u{e9}$(A)", "$\u{e9}a"),
            ("$($(A)", "$($(A)"),
            ("$($($(", "$($($("),
        ] {
            let env = json!({"env": [
                {"name": "A", "value": "a"}, {"name": "ESCAPED", "value": "$$(A)"}, {"name": "AWS_V", "value": text},
                {"name": "LATER", "value": "late"},
            ]});
            assert_eq!(get(env, "AWS_V"), Seen::Known(value.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_last_of_two_wins_and_sees_the_first() {
        let env = json!({"env": [{"name": "AWS_V", "value": "1"}, {"name": "AWS_V", "value": "$(AWS_V)2"}]});
        assert_eq!(get(env, "AWS_V"), Seen::Known("12".to_owned()));
        let env = json!({"env": [{"name": "AWS_V", "value": "1"}, {"name": "AWS_V"}]});
        assert_eq!(get(env, "AWS_V"), Seen::Known(String::new()));
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let source = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        let env = json!({"env": [{"name": "A", "valueFrom": source}, {"name": "AWS_V", "value": "x$(A)"}]});
        assert_eq!(get(env, "AWS_V"), Seen::Unknown("key k of Secret s".to_owned()));
        for container in [
            json!({"env": [{"name": "AWS_V", "value": "$(B)"}], "envFrom": [{"secretRef": {"name": "s"}}]}),
            json!({"env": [{"name": "AWS_V", "value": "$(WEB_SERVICE_HOST)"}]}),
        ] {
            assert!(matches!(get(container, "AWS_V"), Seen::Unknown(_)));
        }
    }

    #[test]
    fn references_that_double_stay_bounded() {
        let mut env = vec![json!({"name": "AWS_V0", "value": "0123456789"})];
        env.extend(
            (1..64).map(|n| json!({"name": format!("AWS_V{n}"), "value": format!("$(AWS_V{0})$(AWS_V{0})", n - 1)})),
        );
        assert!(matches!(get(json!({"env": env}), "AWS_V63"), Seen::Unknown(_)));
    }

    #[test]
    fn only_what_is_referred_to_is_expanded() {
        let big = "x".repeat(16 * 1024);
        let mut env = vec![json!({"name": "B", "value": big})];
        env.extend((0..1000).map(|n| json!({"name": format!("V{n}"), "value": "$(B)"})));
        env.push(json!({"name": "AWS_V", "value": "$(V0)"}));
        let container: Container = serde_json::from_value(json!({"env": env})).unwrap();
        assert_eq!(Values::of(&container).by_name.keys().copied().collect::<Vec<_>>(), ["AWS_V", "B", "V0"]);
        // If all are referred to, their total length is bounded.
        let mut env = vec![json!({"name": "B", "value": big})];
        env.extend((0..1000).map(|n| json!({"name": format!("AWS_V{n}"), "value": "$(B)"})));
        let container: Container = serde_json::from_value(json!({"env": env})).unwrap();
        let total: usize = Values::of(&container).by_name.values().filter_map(Seen::known).map(str::len).sum();
        assert!(total <= 300 * 1024, "{total}");
    }

    #[test]
    fn what_is_revealed_of_sources_comes_before_the_variables() {
        let mut spec: PodSpec = serde_json::from_value(json!({"containers": [{
            "envFrom": [{"configMapRef": {"name": "m"}}, {"prefix": "P_", "configMapRef": {"name": "m"}}],
            "env": [
                {"name": "K", "value": "$(K)!"},
                {"name": "FROM", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "D"}}},
                {"name": "AWS_V", "value": "$(K) $(P_K) $(NONE) $(FROM)"},
                {"name": "AWS_S", "value": "$(P_S)"},
            ],
        }]}))
        .unwrap();
        let known = |value: &str| Value::Known(value.to_owned());
        let keys = [("K", known("k")), ("D", known("$(K)")), ("S", Value::Hidden), ("AWS_E", known("e"))];
        let keys: Arc<Revealed> = Arc::new(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        spec.reveal(&|_| Some(Arc::clone(&keys)));
        let env = Env::of(&spec.containers[0]);
        assert_eq!(env.get("AWS_V"), Seen::Known("k! k $(NONE) $(K)".to_owned()));
        assert_eq!(env.get("AWS_S"), Seen::Unknown("key S of ConfigMap m".to_owned()));
        assert_eq!(env.get("AWS_E"), Seen::Known("e".to_owned()));
        assert_eq!(env.get("P_AWS_E"), Seen::Known("e".to_owned()));
        assert_eq!(env.get("AWS_NONE"), Seen::Absent);
    }

    #[test]
    fn a_prefix_decides_what_a_secret_might_set() {
        let sources = |prefix: &str| {
            let source = json!({"prefix": prefix, "secretRef": {"name": "s"}});
            let container: Container = serde_json::from_value(json!({"envFrom": [source]})).unwrap();
            Env::of(&container).opaque_sources(&["AWS_PROFILE"])
        };
        assert_eq!(sources(""), ["Secret s"]);
        assert_eq!(sources("AWS_"), ["Secret s"]);
        assert!(sources("DB_").is_empty());
    }

    #[test]
    fn a_value_without_references_needs_no_look_at_other_variables() {
        let env: Vec<_> = (0..100).map(|n| json!({"name": format!("AWS_V{n}"), "value": "v"})).collect();
        let container: Container = serde_json::from_value(json!({"env": env})).unwrap();
        let (seen, steps) = counted(|| Env::of(&container).get("AWS_V99"));
        assert_eq!((seen, steps), (Seen::Known("v".to_owned()), 1));
    }

    #[test]
    fn values_are_shown_in_words() {
        let known = |value: &str| Seen::Known(value.to_owned());
        assert_eq!(Seen::Absent.shown(), "not set");
        assert_eq!(known("").shown(), "set to nothing");
        assert_eq!(known("v").shown(), "v");
        assert_eq!(
            Seen::Unknown("key k of Secret s".to_owned()).shown(),
            "from key k of Secret s, which cannot be seen"
        );
    }

    /// Only those that bring one of the names count, and a variable of `env` wins over all of them.
    #[test]
    fn the_sources_that_bring_a_variable_are_named() {
        let mut spec: PodSpec = serde_json::from_value(json!({"containers": [{
            "envFrom": [
                {"configMapRef": {"name": "keys"}}, {"secretRef": {"name": "keys"}},
                {"prefix": "AWS_", "configMapRef": {"name": "suffixes"}}, {"prefix": "X_", "configMapRef": {"name": "keys"}},
                {"secretRef": {"name": "hidden"}},
            ],
            "env": [{"name": "AWS_SET", "value": "v"}],
        }]}))
        .unwrap();
        let revealed = |keys: [&str; 2]| -> Arc<Revealed> {
            Arc::new(keys.into_iter().map(|key| (key.to_owned(), Value::Hidden)).collect())
        };
        spec.reveal(&|source| match source {
            KeySource::Secret("hidden") => None,
            KeySource::ConfigMap("suffixes") => Some(revealed(["A", "SET"])),
            _ => Some(revealed(["AWS_B", "AWS_SET"])),
        });
        let env = Env::of(&spec.containers[0]);
        let bringing = |names: &[&str]| env.bringing(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(bringing(&["AWS_A"]), ["ConfigMap suffixes"]);
        assert_eq!(bringing(&["AWS_B"]), ["ConfigMap keys", "Secret keys"]);
        assert_eq!(bringing(&["AWS_A", "AWS_B"]), ["ConfigMap keys", "Secret keys", "ConfigMap suffixes"]);
        assert!(bringing(&["AWS_SET", "AWS_NONE"]).is_empty());
        assert_eq!(bringing(&["X_AWS_B"]), ["ConfigMap keys"]);
    }
}
