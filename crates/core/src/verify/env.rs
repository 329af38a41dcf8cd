//! A container's environment as its processes see it, as far as the pod tells.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::references::{expand_path, expanded, literal};
use crate::foreign::shown;
use crate::objects::{Container, EnvSource};
use crate::steps::step;

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
    /// A value that is somewhere else.
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

    /// The value of a variable of AWS.
    pub(super) fn get(&self, name: &str) -> Seen {
        let last = self.container.env.iter().rfind(|variable| {
            step();
            variable.name == name
        });
        let Some(last) = last else { return Seen::Absent };
        // Most values refer to nothing: then there is no need to look at others.
        if last.value.as_deref().is_some_and(|value| value.contains('$')) {
            return self.expanded().get(name).cloned().unwrap_or(Seen::Absent);
        }
        literal(last)
    }

    /// The `subPathExpr` of a mount.
    pub(super) fn expand(&self, text: &str) -> Seen {
        expand_path(text, self.expanded(), self.container)
    }

    /// What of `names` a Secret or ConfigMap as a whole might set: those that `env` does not set itself.
    pub(super) fn opaque_sources(&self, names: &[&str]) -> Vec<String> {
        if self.container.env_from.is_empty() {
            return Vec::new();
        }
        let absent: Vec<&&str> = names.iter().filter(|name| self.get(name) == Seen::Absent).collect();
        let sources = self.container.env_from.iter().filter(|source| {
            step();
            let prefix = source.prefix.as_deref().unwrap_or_default();
            absent.iter().any(|name| name.starts_with(prefix))
        });
        let described = sources.map(|source| match (&source.secret_ref, &source.config_map_ref) {
            (Some(secret), _) => format!("Secret {}", secret.name),
            (None, Some(config_map)) => format!("ConfigMap {}", config_map.name),
            (None, None) => "a source".to_owned(),
        });
        described.collect()
    }

    fn expanded(&self) -> &BTreeMap<&'a str, Seen> {
        self.expanded.get_or_init(|| expanded(self.container))
    }
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
        assert_eq!(expanded(&container).keys().copied().collect::<Vec<_>>(), ["AWS_V", "B", "V0"]);
        // And where all are referred to, what they come to is bounded.
        let mut env = vec![json!({"name": "B", "value": big})];
        env.extend((0..1000).map(|n| json!({"name": format!("AWS_V{n}"), "value": "$(B)"})));
        let container: Container = serde_json::from_value(json!({"env": env})).unwrap();
        let total: usize = expanded(&container).values().filter_map(Seen::known).map(str::len).sum();
        assert!(total <= 300 * 1024, "{total}");
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
