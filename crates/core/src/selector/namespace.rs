//! Selects the namespaces that an operator manages, by their labels.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use podidentity_api::LabelSelector;

use super::{holds, parse};
use crate::objects::Namespace;

/// A label selector of namespaces, as `kubectl get namespaces -l` takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceSelector {
    selector: LabelSelector,
    /// The selector as the user wrote it.
    text: String,
}

impl NamespaceSelector {
    /// Whether the selector selects the namespace. A namespace that is not known yet is never
    /// selected: its labels may assign it to another operator.
    pub fn selects(&self, namespace: Option<&Namespace>) -> bool {
        namespace.is_some_and(|namespace| self.selects_labels(namespace.metadata.labels.as_ref()))
    }

    /// Whether it selects a namespace with these labels.
    pub fn selects_labels(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        holds(&self.selector, |key| labels?.get(key))
    }
}

impl FromStr for NamespaceSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let selector = parse::parse(text)?;
        Ok(Self { selector, text: text.trim().to_owned() })
    }
}

impl fmt::Display for NamespaceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn namespace(labels: &Value) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": "shop", "labels": labels}})).unwrap()
    }

    fn selects(selector: &str, labels: &Value) -> bool {
        NamespaceSelector::from_str(selector).unwrap().selects(Some(&namespace(labels)))
    }

    #[test]
    fn all_requirements_have_to_hold() {
        let selector = "env=prod,team in (a,b),!legacy";
        assert!(selects(selector, &json!({"env": "prod", "team": "b", "more": "x"})));
        assert!(!selects(selector, &json!({"env": "prod", "team": "c"})));
        assert!(!selects(selector, &json!({"env": "test", "team": "a"})));
        assert!(!selects(selector, &json!({"env": "prod", "team": "a", "legacy": ""})));
        assert!(!selects(selector, &json!({})));
    }

    #[test]
    fn what_excludes_selects_a_namespace_without_the_label() {
        for selector in ["env!=prod", "env notin (prod,stage)", "!env"] {
            assert!(selects(selector, &json!({})), "{selector}");
            assert!(selects(selector, &Value::Null), "{selector}");
            assert!(!selects(selector, &json!({"env": "prod"})), "{selector}");
        }
    }

    #[test]
    fn a_namespace_that_is_not_known_yet_is_not_selected() {
        for selector in ["env=prod", "!legacy", "env!=prod"] {
            assert!(!NamespaceSelector::from_str(selector).unwrap().selects(None), "{selector}");
        }
    }

    #[test]
    fn it_is_shown_as_it_was_written() {
        assert_eq!(NamespaceSelector::from_str(" a = b, !c ").unwrap().to_string(), "a = b, !c");
    }
}
