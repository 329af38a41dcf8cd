//! A container's environment as its processes see it, as far as the pod tells.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::text::shown;
use crate::objects::{Container, EnvFromSource, EnvSource, EnvVar, KeySource, Value};

/// Longer values are not looked into. References can make a value of any length out of a small pod.
const MAX_LENGTH: usize = 16 * 1024;

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
    /// Whether an SDK takes the variable for unset.
    pub fn is_unset(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Known(value) => value.is_empty(),
            Self::Unknown(_) => false,
        }
    }

    /// The value, where it is known.
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

/// The environment of a container: of two variables with one name the last wins, and references to earlier ones are
/// expanded.
pub(super) struct Env<'a> {
    container: &'a Container,
    expanded: OnceCell<BTreeMap<&'a str, Seen>>,
}

impl<'a> Env<'a> {
    pub(super) fn of(container: &'a Container) -> Self {
        Self { container, expanded: OnceCell::new() }
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Seen {
        let Some(last) = self.container.env.iter().rfind(|var| var.name == name) else {
            return self.by_sources(name);
        };
        // Most values refer to nothing: then there is no need to expand all that come before.
        if last.value.as_deref().is_some_and(|value| value.contains('$')) {
            return self.expanded().get(name).cloned().unwrap_or(Seen::Absent);
        }
        literal(last)
    }

    /// Whether the variable is certainly set to something: not by a source that may be absent.
    pub(super) fn is_certain(&self, name: &str) -> bool {
        !self.is_optional(name) && !self.get(name).is_unset()
    }

    /// Whether the variable comes from a key of a Secret or ConfigMap that may be absent.
    pub(super) fn is_optional(&self, name: &str) -> bool {
        let last = self.container.env.iter().rfind(|var| var.name == name);
        let source = last.filter(|var| var.value.as_deref().unwrap_or_default().is_empty());
        source.and_then(|var| var.value_from.as_deref()).is_some_and(|source| {
            let keys = [&source.secret_key_ref, &source.config_map_key_ref];
            source.revealed.is_none() && keys.into_iter().flatten().any(|key| key.optional == Some(true))
        })
    }

    /// The value by `envFrom`, as far as it is known: of several sources the last wins.
    fn by_sources(&self, name: &str) -> Seen {
        let found = self.container.env_from.iter().rev().find_map(|source| {
            let key = name.strip_prefix(source.prefix.as_deref().unwrap_or_default())?;
            Some((source, key, source.revealed.as_ref()?.get(key)?))
        });
        match found {
            Some((_, _, Value::Known(value))) => Seen::Known(value.clone()),
            Some((source, key, Value::Hidden)) => Seen::Unknown(format!("key {key} of {}", described(source))),
            Some((_, _, Value::Absent)) | None => Seen::Absent,
        }
    }

    /// The ConfigMaps and Secrets whose keys become these variables by `envFrom`.
    pub(super) fn bringing(&self, names: &[String]) -> Vec<String> {
        let absent = |name: &String| self.container.env.iter().all(|var| var.name != *name);
        let sources = self.container.env_from.iter().filter(|source| {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let has = |name: &String| {
                name.strip_prefix(prefix).is_some_and(|key| source.revealed.iter().any(|keys| keys.contains_key(key)))
            };
            names.iter().any(|name| absent(name) && has(name))
        });
        sources.map(described).collect()
    }

    /// A text with references, such as a mount's `subPathExpr`.
    pub(super) fn expand(&self, text: &str) -> Seen {
        expand(text, self.expanded(), self.container)
    }

    /// What of `names` a Secret or ConfigMap as a whole might set: those that `env` does not set itself.
    pub(super) fn opaque_sources(&self, names: &[&str]) -> Vec<String> {
        let sources = self.container.env_from.iter().filter(|source| source.revealed.is_none()).filter(|source| {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            names.iter().any(|name| name.starts_with(prefix) && self.get(name) == Seen::Absent)
        });
        sources.map(described).collect()
    }

    fn expanded(&self) -> &BTreeMap<&'a str, Seen> {
        self.expanded.get_or_init(|| {
            let mut values = BTreeMap::new();
            for source in self.container.env_from.iter().filter(|source| source.prefix.is_none()) {
                for (key, value) in source.revealed.iter().flat_map(|revealed| revealed.iter()) {
                    let value = match value {
                        Value::Known(value) => Seen::Known(value.clone()),
                        _ => Seen::Unknown(format!("key {key} of {}", described(source))),
                    };
                    values.insert(key.as_str(), value);
                }
            }
            for var in &self.container.env {
                let value = match literal(var) {
                    Seen::Known(text) => expand(&text, &values, self.container),
                    other => other,
                };
                values.insert(var.name.as_str(), value);
            }
            values
        })
    }
}

/// The value before references are expanded.
fn literal(var: &EnvVar) -> Seen {
    let value = var.value.as_deref().unwrap_or_default();
    match var.value_from.as_deref() {
        Some(EnvSource { revealed: Some(Value::Known(value)), .. }) => Seen::Known(value.clone()),
        Some(EnvSource { revealed: Some(Value::Absent), .. }) => Seen::Absent,
        Some(source) if value.is_empty() => Seen::Unknown(describe(source)),
        _ => Seen::Known(value.to_owned()),
    }
}

fn described(source: &EnvFromSource) -> String {
    match source.source() {
        Some(KeySource::Secret(name)) => format!("Secret {name}"),
        Some(KeySource::ConfigMap(name)) => format!("ConfigMap {name}"),
        None => "a source".to_owned(),
    }
}

fn describe(source: &EnvSource) -> String {
    if let Some(key) = &source.secret_key_ref {
        format!("key {} of Secret {}", key.key, key.name)
    } else if let Some(key) = &source.config_map_key_ref {
        format!("key {} of ConfigMap {}", key.key, key.name)
    } else if let Some(field) = &source.field_ref {
        format!("the pod's field {}", field.field_path)
    } else {
        "a source".to_owned()
    }
}

/// Expands `$(NAME)` as the kubelet does: `$$` is a dollar sign, a name that is not set before stays as it is written,
/// and so does whatever is not a complete reference.
fn expand(text: &str, values: &BTreeMap<&str, Seen>, container: &Container) -> Seen {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            escaped
        } else if let Some((name, following)) = reference {
            match values.get(name) {
                Some(Seen::Known(value)) => out.push_str(value),
                Some(unknown @ Seen::Unknown(_)) => return unknown.clone(),
                _ if has_opaque(container) || is_service_variable(name) => {
                    return Seen::Unknown(format!("the variable {name}, which the pod does not set"));
                }
                _ => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            following
        } else {
            out.push('$');
            after
        };
        if out.len() > MAX_LENGTH {
            return Seen::Unknown("variables that make it very long".to_owned());
        }
    }
    out.push_str(rest);
    Seen::Known(out)
}

/// Whether a Secret or ConfigMap that is not known becomes environment.
fn has_opaque(container: &Container) -> bool {
    container.env_from.iter().any(|source| source.revealed.is_none())
}

/// Whether the kubelet may set the variable for a Service of the namespace.
fn is_service_variable(name: &str) -> bool {
    name.contains("_SERVICE_") || name.contains("_PORT")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        ] {
            let env = json!({"env": [
                {"name": "A", "value": "a"}, {"name": "ESCAPED", "value": "$$(A)"}, {"name": "V", "value": text},
                {"name": "LATER", "value": "late"},
            ]});
            assert_eq!(get(env, "V"), Seen::Known(value.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_last_of_two_wins_and_sees_the_first() {
        let env = json!({"env": [{"name": "V", "value": "1"}, {"name": "V", "value": "$(V)2"}]});
        assert_eq!(get(env, "V"), Seen::Known("12".to_owned()));
        let env = json!({"env": [{"name": "V", "value": "1"}, {"name": "V"}]});
        assert_eq!(get(env, "V"), Seen::Known(String::new()));
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let source = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        let env = json!({"env": [{"name": "A", "valueFrom": source}, {"name": "V", "value": "x$(A)"}]});
        assert_eq!(get(env, "V"), Seen::Unknown("key k of Secret s".to_owned()));
        for container in [
            json!({"env": [{"name": "V", "value": "$(B)"}], "envFrom": [{"secretRef": {"name": "s"}}]}),
            json!({"env": [{"name": "V", "value": "$(WEB_SERVICE_HOST)"}]}),
        ] {
            assert!(matches!(get(container, "V"), Seen::Unknown(_)));
        }
    }

    #[test]
    fn references_that_double_stay_bounded() {
        let mut env = vec![json!({"name": "V0", "value": "0123456789"})];
        env.extend((1..64).map(|n| json!({"name": format!("V{n}"), "value": format!("$(V{0})$(V{0})", n - 1)})));
        assert!(matches!(get(json!({"env": env}), "V63"), Seen::Unknown(_)));
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
}
