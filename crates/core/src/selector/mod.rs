//! Label selectors: for workloads in a binding, and for namespaces in a flag of the operator.

mod namespace;
mod parse;

pub use namespace::NamespaceSelector;

use podidentity_api::{LabelSelector, SelectorOperator};

use crate::objects::Map;

/// Whether the selector selects an object with these labels; an empty selector selects everything.
pub fn matches(selector: &LabelSelector, labels: &Map) -> bool {
    holds(selector, |key| labels.get(key))
}

/// Like `matches`, with a function that looks up the value of a label.
fn holds<'a>(selector: &LabelSelector, label: impl Fn(&str) -> Option<&'a String>) -> bool {
    let exact = selector.match_labels.iter().all(|(key, value)| label(key) == Some(value));
    exact
        && selector.match_expressions.iter().all(|requirement| {
            let value = label(&requirement.key);
            match requirement.operator {
                SelectorOperator::In => value.is_some_and(|value| requirement.values.contains(value)),
                SelectorOperator::NotIn => !value.is_some_and(|value| requirement.values.contains(value)),
                SelectorOperator::Exists => value.is_some(),
                SelectorOperator::DoesNotExist => value.is_none(),
            }
        })
}
