//! Warnings about a trust policy that allows more than it should.

use super::document::{Condition, Effect, Policy, Statement};
use super::evaluate::covers_action;
use super::fault::{Finding, subject_parts};
use super::identity::Context;
use super::json::print;
use super::operator::{Actual, Base, Operator, Set, like};
use super::text::Place;

/// IAM's limit for a role's trust policy, in characters other than blanks. It can be raised to
/// 8,192.
pub(super) const MAX_LENGTH: usize = 2048;

/// A name that no namespace or service account has.
const OTHER: &str = "zz-another-one";

pub(super) fn warnings(policy: &Policy, context: &Context<'_>) -> Vec<Finding> {
    let mut all: Vec<Finding> = policy
        .statements
        .iter()
        .filter(|statement| statement.effect == Effect::Allow)
        .flat_map(|statement| of_statement(statement, context))
        .collect();
    let length = print(&policy.root).chars().filter(|c| !c.is_whitespace()).count();
    if length > MAX_LENGTH {
        let message = format!(
            "the document has {length} characters without blanks: IAM takes {MAX_LENGTH}, unless the quota of the account was raised"
        );
        all.push(Finding { reason: "TooLong", at: policy.root.at, message });
    }
    all
}

fn of_statement(statement: &Statement, context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut warn = |reason, at: Place, message: String| found.push(Finding { reason, at, message });
    if statement.principal.is_anyone() {
        let message =
            "trusts every AWS account there is, unless the conditions say otherwise: name the principals".to_owned();
        warn("EverybodyTrusted", statement.principal_at, message);
    }
    let ours = |name: &str| super::identity::provider_parts(name).is_some_and(|(.., name)| name == context.provider);
    if !covers_action(statement) || !statement.principal.of("Federated").any(|word| ours(&word.text)) {
        return found;
    }
    if statement.not_action {
        let message = "NotAction allows all that it does not name: write Action".to_owned();
        warn("NotActionAllowed", statement.actions_at, message);
    }
    for condition in &statement.conditions {
        if let Some((reason, message)) = vacuous(condition, context) {
            warn(reason, condition.at, message);
        }
    }
    if !statement.conditions.iter().any(|it| never_holds(it, context)) {
        found.extend(subjects(statement, context));
        found.extend(audiences(statement, context));
    }
    found
}

/// The conditions that confine a claim.
fn limits<'a>(
    statement: &'a Statement,
    claim: &'static str,
    context: &Context<'_>,
) -> impl Iterator<Item = (&'a Condition, Operator)> {
    let confining = |it: &'a Condition| Some((it, it.operator.filter(|operator| limiting(*operator))?));
    statement.conditions.iter().filter(move |it| context.is(&it.key, claim)).filter_map(confining)
}

/// Warnings about a statement that lets in more than individual service accounts.
fn subjects(statement: &Statement, context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut confined = false;
    for (condition, operator) in limits(statement, "sub", context) {
        confined = true;
        for value in condition.values.iter().filter(|_| operator.has_wildcards()) {
            if let Some(who) = broad(&value.text, context) {
                let message = format!("{:?} lets in {who}", value.text);
                found.push(Finding { reason: "BroadSubject", at: value.at, message });
            }
        }
    }
    if !confined {
        let message = format!(
            "lets in every service account of the cluster: add {:?} with the subjects that are meant",
            context.key("sub")
        );
        found.push(Finding { reason: "NoSubject", at: statement.at, message });
    }
    found
}

/// Warnings about a statement that accepts tokens for audiences other than STS.
fn audiences(statement: &Statement, context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut confined = false;
    for (condition, operator) in limits(statement, "aud", context) {
        confined = true;
        let broad = condition.values.iter().filter(|it| operator.has_wildcards() && it.text.contains(['*', '?']));
        found.extend(broad.map(|value| {
            let message = format!("{:?} lets in tokens for other audiences", value.text);
            Finding { reason: "BroadAudience", at: value.at, message }
        }));
    }
    if !confined {
        let message = format!(
            "takes tokens of every audience that the identity provider knows: add {:?}: {:?}",
            context.key("aud"),
            context.identity.audience
        );
        found.push(Finding { reason: "NoAudience", at: statement.at, message });
    }
    found
}

/// Whether an operator confines a claim that every token has.
fn limiting(operator: Operator) -> bool {
    !operator.negated && operator.base != Base::Null
}

/// Whether a condition lets nobody in.
fn never_holds(condition: &Condition, context: &Context<'_>) -> bool {
    condition.operator.is_none_or(|operator| operator.needs_key() && context.actual(&condition.key) == Actual::Absent)
}

/// The warning about a condition that holds although its key is absent.
fn vacuous(condition: &Condition, context: &Context<'_>) -> Option<(&'static str, String)> {
    let operator = condition.operator?;
    let key = &condition.key;
    let doubtful = operator.set == Some(Set::ForAnyValue) || operator.set.is_some() && operator.if_exists;
    if doubtful || operator.needs_key() || operator.base == Base::Null {
        return None;
    }
    let why = match (operator.set, operator.if_exists) {
        (Some(Set::ForAllValues), _) => "ForAllValues",
        (_, true) => "IfExists",
        _ => "a negated operator",
    };
    let absent = context.actual(key) == Actual::Absent;
    if absent {
        let message =
            format!("the condition always holds: no token of the cluster has {key}, and {why} is content with that");
        return Some(("VacuousCondition", message));
    }
    (why == "ForAllValues").then(|| {
        let message = format!("ForAllValues holds also where {key} is absent: write the operator without it");
        ("VacuousForAllValues", message)
    })
}

/// The service accounts that a pattern lets in, in words, if there may be more than one.
fn broad(pattern: &str, context: &Context<'_>) -> Option<String> {
    if !pattern.contains(['*', '?']) {
        return None;
    }
    let (namespace, name) = subject_parts(&context.identity.subject).unwrap_or(("", ""));
    let matches = |namespace: &str, name: &str| like(pattern, &format!("system:serviceaccount:{namespace}:{name}"));
    Some(if matches(OTHER, OTHER) {
        "every service account of the cluster, whoever creates it".to_owned()
    } else if matches(OTHER, name) {
        format!("service accounts named {name} in every namespace, whoever creates them")
    } else if matches(namespace, OTHER) {
        format!("every service account of namespace {namespace}")
    } else {
        "every service account whose subject matches, also those that are yet to be created".to_owned()
    })
}
