//! Evaluates whether a policy lets a web identity in.

use super::document::{Condition, Effect, Policy, Principal, Statement};
use super::identity::Context;
use super::operator::{holds, like};
use super::text::Place;
use super::verdict::{Doubt, Match, Verdict};

/// The action of STS for a web identity token.
pub(super) const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// A part of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Principal,
    Action,
    /// By its index among the statement's conditions.
    Condition(usize),
}

/// A part of a statement, and whether it matches.
#[derive(Clone, Debug)]
pub(super) struct Evaluated {
    pub(super) part: Part,
    pub(super) matches: Match,
}

/// The parts of a statement, evaluated.
pub(super) fn parts(policy: &Policy, statement: &Statement, context: &Context<'_>) -> Vec<Evaluated> {
    let mut all = vec![
        Evaluated { part: Part::Principal, matches: principal(statement, context) },
        Evaluated { part: Part::Action, matches: Match::of(covers_action(statement)) },
    ];
    all.extend(statement.conditions.iter().enumerate().map(|(index, condition)| Evaluated {
        part: Part::Condition(index),
        matches: self::condition(policy, condition, context),
    }));
    all
}

/// Whether the statement applies to the token.
pub(super) fn applies(parts: &[Evaluated]) -> Match {
    Match::all(parts.iter().map(|part| part.matches.clone()))
}

/// The verdict of a policy. `applying`: for each statement its effect, and whether it applies.
pub(super) fn verdict<'a>(policy: &Policy, applying: impl Iterator<Item = (Effect, &'a Match)>) -> Verdict {
    let (mut allows, mut denies) = (Match::No, Match::No);
    for (effect, matches) in applying {
        match effect {
            Effect::Allow => allows = allows.or(matches.clone()),
            Effect::Deny => denies = denies.or(matches.clone()),
        }
    }
    // No role can have a document that IAM does not save.
    if !policy.refusals.is_empty() {
        return Verdict::NotSure;
    }
    match allows.and(denies.negated()) {
        Match::Yes => Verdict::Allow,
        Match::No => Verdict::Deny,
        Match::NotSure(..) => Verdict::NotSure,
    }
}

/// The verdict of the policy.
pub(super) fn evaluate(policy: &Policy, context: &Context<'_>) -> Verdict {
    let applying: Vec<(Effect, Match)> =
        policy.statements.iter().map(|it| (it.effect, applies(&parts(policy, it, context)))).collect();
    verdict(policy, applying.iter().map(|(effect, matches)| (*effect, matches)))
}

fn principal(statement: &Statement, context: &Context<'_>) -> Match {
    if let Principal::Not = statement.principal {
        return Match::NotSure(Doubt::Refused, "NotPrincipal in a trust policy".to_owned());
    }
    let provider = context.provider_arn();
    if statement.principal.of("Federated").any(|word| Some(&word.text) == provider.as_ref()) {
        return Match::Yes;
    }
    if statement.principal.is_anyone() {
        let why = "whether everybody includes a token's holder, AWS does not document".to_owned();
        return Match::NotSure(Doubt::AnyPrincipal, why);
    }
    Match::No
}

/// Whether the statement is about web identities at all.
pub(super) fn covers_action(statement: &Statement) -> bool {
    let action = ACTION.to_ascii_lowercase();
    statement.actions.iter().any(|word| like(&word.text.to_ascii_lowercase(), &action)) != statement.not_action
}

fn condition(policy: &Policy, condition: &Condition, context: &Context<'_>) -> Match {
    match condition.operator {
        Some(operator) => holds(operator, &condition.key, &condition.values, context, policy.variables),
        None => Match::NotSure(Doubt::Refused, format!("IAM knows no operator {:?}", condition.operator_name)),
    }
}

/// The place of the part in the input.
pub(super) fn place(statement: &Statement, part: Part) -> Place {
    match part {
        Part::Principal => statement.principal_at,
        Part::Action => statement.actions_at,
        Part::Condition(index) => statement.conditions[index].at,
    }
}

/// The name of the part, for people.
pub(super) fn name(statement: &Statement, part: Part) -> String {
    match part {
        Part::Principal => "Principal".to_owned(),
        Part::Action if statement.not_action => "NotAction".to_owned(),
        Part::Action => "Action".to_owned(),
        Part::Condition(index) => {
            let Condition { operator_name, key, .. } = &statement.conditions[index];
            format!("{operator_name} {key}")
        }
    }
}

/// The parts that do not certainly match, so that the statement does not certainly apply.
pub(super) fn not_matching(parts: &[Evaluated]) -> impl Iterator<Item = Part> {
    parts.iter().filter(|part| part.matches != Match::Yes).map(|part| part.part)
}
