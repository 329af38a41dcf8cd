//! Checks the operators in the cluster: whether each one runs, and which namespaces have no
//! operator or more than one.

use std::collections::BTreeSet;

use podidentity_cluster::read::installation::image;
use podidentity_core::foreign::list;
use serde_json::Value;

use super::Check;
use super::facts::Facts;
use super::judge::{check, unseen};
use crate::operators::{Division, Part, described, setting};
use crate::paint::Mark;

/// One line for each operator.
pub(super) fn operators(facts: &Facts) -> Vec<Check> {
    const NAME: &str = "Operator";
    if let Some(unseen) = unseen(NAME, &facts.deployments) {
        return vec![unseen];
    }
    let found = found(facts);
    if found.is_empty() {
        let message = "no Deployment has the label app.kubernetes.io/name=podidentity-operator";
        return vec![
            check(NAME, Mark::Wrong, message)
                .next("Install the operator: kubectl apply --server-side -k config/default, or the Helm chart."),
        ];
    }
    if found.len() > 1 && found.iter().any(|it| Part::of(it) == Part::All) {
        let message = format!("{} Deployments are operators: {}", found.len(), described(found));
        return vec![
            check(NAME, Mark::Wrong, message)
                .next("Keep one, unless each has namespaces of its own (--namespaces or --namespace-selector)."),
        ];
    }
    found.iter().map(|it| operator(NAME, it)).collect()
}

fn found(facts: &Facts) -> &[Value] {
    facts.deployments.found().map_or(&[], Vec::as_slice)
}

fn operator(check_name: &'static str, operator: &Value) -> Check {
    let text = |pointer: &str| operator.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let count = |pointer: &str| operator.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let image = image(operator);
    let (ready, wanted) = (count("/status/readyReplicas"), count("/spec/replicas"));
    let message = format!("{namespace}/{name}: {ready} of {wanted} replicas ready, image {image}");
    if ready < 1 {
        return check(check_name, Mark::Wrong, message).next(format!(
            "See why: kubectl -n {namespace} describe pods -l app.kubernetes.io/name=podidentity-operator."
        ));
    }
    if setting(operator, "dry-run").is_some_and(|mode| !mode.is_empty() && mode != "off") {
        return check(check_name, Mark::Note, format!("{message}; it only shows what it would do (--dry-run)"));
    }
    check(check_name, if ready < wanted { Mark::Note } else { Mark::Right }, message)
}

/// Whether each namespace with bindings has exactly one operator. `None` if one operator serves all
/// namespaces, or if the operators are unknown.
pub(super) fn namespaces(facts: &Facts) -> Option<Check> {
    const NAME: &str = "Namespaces";
    let operators = found(facts);
    if operators.is_empty() || operators.iter().any(|it| Part::of(it) == Part::All) {
        return None;
    }
    if let Some(unseen) = unseen(NAME, &facts.namespaces) {
        return Some(unseen);
    }
    let bindings = facts.bindings.found()?;
    let bound = bindings.iter().filter_map(|it| it["metadata"]["namespace"].as_str());
    let Division { left_out, shared } = Division::of(operators, facts.namespaces.found()?, bound);
    let names = |names: BTreeSet<String>| list(&names.into_iter().collect::<Vec<_>>());
    let described = described(operators);
    if !shared.is_empty() {
        let message = format!("more than one operator looks after {}: {described}", names(shared));
        return Some(
            check(NAME, Mark::Wrong, message).next("Let their namespaces not overlap: docs/namespace-selector.md."),
        );
    }
    if !left_out.is_empty() {
        let message = format!("no operator looks after the bindings of {}: {described}", names(left_out));
        return Some(
            check(NAME, Mark::Note, message).next(
                "If one should, label the namespace, or change which it looks after: docs/namespace-selector.md.",
            ),
        );
    }
    Some(check(NAME, Mark::Right, format!("each with bindings has one operator: {described}")))
}
