//! Which operator serves which namespaces, according to the Deployments of the operators.

use std::collections::{BTreeMap, BTreeSet};

use podidentity_cluster::read::installation::{namespaces, operators};
use podidentity_core::foreign::list;
use podidentity_core::selector::NamespaceSelector;
use serde_json::Value;

use crate::cluster::Session;

/// The value of a flag of an operator, for example `namespaces`: from the arguments of its container, or else from the
/// environment variable. `true` if the arguments give the flag without a value.
pub(crate) fn setting<'a>(deployment: &'a Value, flag: &str) -> Option<&'a str> {
    let container = deployment.pointer("/spec/template/spec/containers/0")?;
    let list = |field: &str| container[field].as_array().into_iter().flatten();
    let arguments: Vec<&str> = list("command").chain(list("args")).filter_map(Value::as_str).collect();
    let given = arguments.iter().enumerate().rev().find_map(|(index, argument)| {
        let rest = argument.strip_prefix("--")?.strip_prefix(flag)?;
        let next = arguments.get(index + 1).copied().filter(|next| !next.starts_with('-'));
        if rest.is_empty() { Some(next.unwrap_or("true")) } else { rest.strip_prefix('=') }
    });
    let variable = format!("PODIDENTITY_{}", flag.to_uppercase().replace('-', "_"));
    let from_variable = || list("env").find(|it| it["name"] == variable.as_str())?["value"].as_str();
    given.or_else(from_variable)
}

/// The part of the cluster that an operator serves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    All,
    /// `--namespaces`.
    Named(Vec<String>),
    /// `--namespace-selector`.
    Selected(NamespaceSelector),
}

impl Part {
    pub(crate) fn of(deployment: &Value) -> Self {
        let set = |flag| setting(deployment, flag).filter(|text| !text.is_empty());
        if let Some(names) = set("namespaces") {
            return Self::Named(names.split(',').map(str::to_owned).collect());
        }
        // An operator does not start with a selector that cannot be parsed. This is reported
        // elsewhere.
        let selector = set("namespace-selector").and_then(|text| text.parse().ok());
        selector.map_or(Self::All, Self::Selected)
    }

    fn has(&self, name: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|it| it == name),
            Self::Selected(selector) => selector.selects_labels(labels),
        }
    }

    fn described(&self) -> String {
        match self {
            Self::All => "all namespaces".to_owned(),
            Self::Named(names) => format!("the namespaces {}", list(names)),
            Self::Selected(selector) => format!("namespaces with the labels {selector}"),
        }
    }
}

/// How the namespaces of bindings are divided among the operators.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Division {
    /// Namespaces that no operator serves.
    pub(crate) left_out: BTreeSet<String>,
    /// Namespaces that more than one operator serves.
    pub(crate) shared: BTreeSet<String>,
}

impl Division {
    /// A namespace that is not among `namespaces` is in neither set, because its labels are not
    /// known.
    pub(crate) fn of<'a>(
        deployments: &[Value],
        namespaces: &[Value],
        bound: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let parts: Vec<Part> = deployments.iter().map(Part::of).collect();
        let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let by_name: BTreeMap<String, &Value> = namespaces.iter().map(|it| (name(it), it)).collect();
        let mut division = Self::default();
        for bound in bound.into_iter().collect::<BTreeSet<_>>() {
            let Some(namespace) = by_name.get(bound) else { continue };
            let labels = serde_json::from_value(namespace["metadata"]["labels"].clone()).unwrap_or_default();
            match parts.iter().filter(|part| part.has(bound, Option::as_ref(&labels))).count() {
                0 => drop(division.left_out.insert(bound.to_owned())),
                1 => {}
                _ => drop(division.shared.insert(bound.to_owned())),
            }
        }
        division
    }
}

/// `system/podidentity-operator looks after namespaces with the labels env=prod; ...`
pub(crate) fn described(deployments: &[Value]) -> String {
    let one = |it: &Value| {
        let text = |field: &str| it["metadata"][field].as_str().unwrap_or_default().to_owned();
        format!("{}/{} looks after {}", text("namespace"), text("name"), Part::of(it).described())
    };
    deployments.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A note about those namespaces in `bound` that no operator serves. `bound` holds the namespaces
/// with bindings that no operator has looked at. `None` if there is nothing to say, or if the user
/// may not list the operators or the namespaces. Sends no request if `bound` is empty.
pub(crate) async fn note_of_left_out(session: &Session, bound: BTreeSet<&str>) -> Option<String> {
    let client = &session.connection.client;
    if bound.is_empty() {
        return None;
    }
    let deployments = operators(client).await;
    let deployments = deployments.found().filter(|all| !all.is_empty())?;
    if deployments.iter().any(|it| Part::of(it) == Part::All) {
        return None;
    }
    let namespaces = namespaces(client).await;
    let left_out = Division::of(deployments, namespaces.found()?, bound).left_out;
    let names = list(&left_out.iter().cloned().collect::<Vec<_>>());
    let what = if left_out.len() == 1 { "namespace" } else { "namespaces" };
    (!left_out.is_empty()).then(|| format!("no operator looks after {what} {names}: {}", described(deployments)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operator(variable: &str, value: &str) -> Value {
        json!({"metadata": {"name": "op", "namespace": "system"},
            "spec": {"template": {"spec": {"containers": [{"env": [{"name": variable, "value": value}]}]}}}})
    }

    fn namespace(name: &str, labels: &Value) -> Value {
        json!({"metadata": {"name": name, "labels": labels}})
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn namespaces_without_an_operator_and_with_two_are_found() {
        let prod = operator("PODIDENTITY_NAMESPACE_SELECTOR", "env=prod");
        let named = operator("PODIDENTITY_NAMESPACES", "team-a,both");
        let namespaces = [
            namespace("shop", &json!({"env": "prod"})),
            namespace("both", &json!({"env": "prod"})),
            namespace("team-a", &Value::Null),
            namespace("test", &json!({"env": "test"})),
            namespace("unlabelled", &Value::Null),
        ];
        let bound = ["shop", "both", "team-a", "test", "unlabelled", "test", "not-listed"];
        let found = Division::of(&[prod.clone(), named.clone()], &namespaces, bound);
        assert_eq!(found, Division { left_out: set(&["test", "unlabelled"]), shared: set(&["both"]) });
        let said = described(&[prod, named]);
        assert!(said.contains("system/op looks after namespaces with the labels env=prod"), "{said}");
        assert!(said.contains("the namespaces team-a, both"), "{said}");
    }

    #[test]
    fn settings_come_from_arguments_before_variables() {
        let with = |args: &[&str]| {
            let env = json!([{"name": "PODIDENTITY_NAMESPACES", "value": "by-variable"}]);
            json!({"spec": {"template": {"spec": {"containers": [{"args": args, "env": env}]}}}})
        };
        for (args, value) in [
            (vec![], "by-variable"),
            (vec!["--namespaces=a,b"], "a,b"),
            (vec!["--namespaces", "a"], "a"),
            (vec!["--namespaces=a", "--namespaces=b"], "b"),
            (vec!["--namespaces", "--log=debug"], "true"),
            (vec!["--namespaces-of-another-flag=x"], "by-variable"),
        ] {
            assert_eq!(setting(&with(&args), "namespaces"), Some(value), "{args:?}");
        }
        assert_eq!(setting(&with(&[]), "dry-run"), None);
    }

    #[test]
    fn an_operator_for_all_leaves_nothing_out() {
        for all in [operator("OTHER", "x"), operator("PODIDENTITY_NAMESPACE_SELECTOR", "")] {
            assert_eq!(Part::of(&all), Part::All);
            assert_eq!(Division::of(&[all], &[namespace("shop", &Value::Null)], ["shop"]), Division::default());
        }
    }
}
