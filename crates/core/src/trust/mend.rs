//! Mends a statement that almost allows the identity, if only this subject can gain from that.

use super::correct::{Draft, only, shown};
use super::document::{Condition, Effect, Policy, Principal, Statement};
use super::edit;
use super::evaluate::{ACTION, Evaluated, Part, covers_action, parts};
use super::fault::is_no_subject;
use super::identity::{Context, is_account, provider_parts};
use super::json::Node;
use super::operator::{Base, Operator};
use super::verdict::Match;

/// The policy with the statement mended; `None` if the statement may be meant for somebody else.
pub(super) fn mend(policy: &Policy, index: usize, context: &Context<'_>) -> Option<Draft> {
    let statement = policy.statements.get(index)?;
    if statement.not_action || !matches!(statement.principal, Principal::Of(_)) {
        return None;
    }
    let parts = parts(policy, statement, context);
    let mut work = Work { statement, context, number: index + 1, changes: Vec::new() };
    let mut node = policy.root.get("Statement")?.each().get(index)?.clone();
    if is_for_subject(statement, context) || lets_in_nobody(statement, &parts, context) {
        work.all(&mut node, &parts)?;
    } else {
        work.subject_added(&mut node, &parts)?;
    }
    let mut root = policy.root.clone();
    *edit::statement(&mut root, index)? = node;
    Some(Draft { root, changes: work.changes })
}

/// Whether a statement lets in only this subject, or nobody at all.
pub(super) fn is_for_subject(statement: &Statement, context: &Context<'_>) -> bool {
    statement.effect == Effect::Deny || statement.conditions.iter().any(|it| is_exact(it, context))
}

/// Whether a condition confines the statement to exactly this subject.
fn is_exact(condition: &Condition, context: &Context<'_>) -> bool {
    let plain = condition.operator.is_some_and(is_plain);
    let subject = &context.identity.subject;
    plain
        && context.is(&condition.key, "sub")
        && !condition.values.is_empty()
        && condition.values.iter().all(|value| value.is_string && value.text == *subject)
}

/// Whether the operator is plain `StringEquals` or `StringLike`.
fn is_plain(operator: Operator) -> bool {
    operator == Operator::EXACT || operator == Operator { base: Base::StringLike, ..Operator::EXACT }
}

/// Whether no token at all can satisfy the statement as it is.
fn lets_in_nobody(statement: &Statement, parts: &[Evaluated], context: &Context<'_>) -> bool {
    let Principal::Of(kinds) = &statement.principal else { return false };
    if let [(kind, words)] = kinds.as_slice()
        && kind == "AWS"
    {
        return words.iter().all(|word| word.text.contains(":oidc-provider/"));
    }
    if kinds.iter().any(|(kind, _)| kind != "Federated") {
        return false;
    }
    let words: Vec<&str> = statement.principal.of("Federated").map(|word| word.text.as_str()).collect();
    words.iter().all(|word| is_impossible(word, context))
        || parts.iter().any(|Evaluated { part, matches }| match part {
            // A condition that is not sure may hold for others, so only a certain mismatch counts.
            Part::Condition(index) if *matches == Match::No => {
                never_holds(&statement.conditions[*index], &words, context)
            }
            _ => false,
        })
}

/// Providers that are named without an ARN.
const BUILT_IN: [&str; 4] =
    ["cognito-identity.amazonaws.com", "accounts.google.com", "www.amazon.com", "graph.facebook.com"];

/// Whether there can be no provider of this name in the role's account.
fn is_impossible(word: &str, context: &Context<'_>) -> bool {
    match provider_parts(word) {
        Some((partition, account, name)) => {
            !is_account(account)
                || name.contains(['*', '?', '$', '{', '<'])
                || name.contains("://")
                || context.home.as_ref().is_some_and(|home| home.partition != partition)
        }
        None => !BUILT_IN.contains(&word) && !word.contains(":saml-provider/"),
    }
}

/// Whether a condition needs its key and can hold for no token of these providers.
fn never_holds(condition: &Condition, providers: &[&str], context: &Context<'_>) -> bool {
    let key = condition.key.to_ascii_lowercase();
    let of_request = ["aws:", "sts:", "iam:", "saml:"].iter().any(|prefix| key.starts_with(prefix));
    if of_request || !condition.operator.is_some_and(Operator::needs_key) {
        return false;
    }
    let name = |word: &str| provider_parts(word).map_or(word, |(.., name)| name).to_ascii_lowercase();
    let (of, _) = key.rsplit_once(':').unwrap_or(("", &key));
    if !providers.iter().any(|word| name(word) == of) {
        return true;
    }
    let ours = providers.iter().all(|word| name(word) == context.provider.to_ascii_lowercase());
    let equals = condition.operator == Some(Operator::EXACT);
    let values = || condition.values.iter().map(|value| value.text.as_str());
    ours && equals
        && !condition.values.is_empty()
        && (context.is(&condition.key, "sub") && values().all(is_no_subject)
            || context.is(&condition.key, "aud") && values().all(|value| value.starts_with("system:serviceaccount:")))
}

struct Work<'a> {
    statement: &'a Statement,
    context: &'a Context<'a>,
    number: usize,
    changes: Vec<String>,
}

impl Work<'_> {
    fn change(&mut self, what: &str) {
        self.changes.push(format!("statement {}: {what}", self.number));
    }

    /// Adds the subject to a condition, if nothing else is wrong.
    fn subject_added(&mut self, node: &mut Node, parts: &[Evaluated]) -> Option<()> {
        let Part::Condition(index) = only(parts)? else { return None };
        let condition = &self.statement.conditions[index];
        let differs = parts.iter().all(|part| part.matches == Match::Yes || part.matches == Match::No);
        if !differs || !condition.operator.is_some_and(is_plain) || !self.context.is(&condition.key, "sub") {
            return None;
        }
        let subject = &self.context.identity.subject;
        edit::add_value(node, &condition.operator_name, &condition.key, subject);
        self.change(&format!("{} {} takes {subject:?}, too", condition.operator_name, condition.key));
        Some(())
    }

    /// Mends everything that is wrong, if nobody else can be let in.
    fn all(&mut self, node: &mut Node, parts: &[Evaluated]) -> Option<()> {
        for Evaluated { part, matches } in parts {
            match part {
                Part::Principal if *matches != Match::Yes => self.principal(node)?,
                Part::Action if !covers_action(self.statement) => self.action(node)?,
                Part::Condition(index) if *matches != Match::Yes => {
                    self.condition(node, &self.statement.conditions[*index])?;
                }
                _ => {}
            }
        }
        self.confine(node)
    }

    fn principal(&mut self, node: &mut Node) -> Option<()> {
        let expected = self.context.provider_arn()?;
        let principal = node.get_mut("Principal")?;
        if principal.members().len() != 1 {
            return None;
        }
        let before = shown(principal.members().first().map(|member| &member.value));
        if principal.get("AWS").is_some() {
            *principal = Node::object([("Federated", Node::string(&expected))]);
            self.change(&format!("Principal is {{\"Federated\": {expected:?}}} instead of AWS"));
            return Some(());
        }
        let federated = principal.get_mut("Federated")?;
        if federated.each().len() > 1 {
            edit::append(federated, Node::string(&expected));
            self.change(&format!("Principal.Federated takes {expected:?}, too"));
        } else {
            *federated = Node::string(&expected);
            self.change(&format!("Principal.Federated is {expected:?} instead of {before}"));
        }
        Some(())
    }

    fn action(&mut self, node: &mut Node) -> Option<()> {
        let action = node.get_mut("Action")?;
        let replaced = ["sts:AssumeRole", "sts:AssumeRoleWithSAML"];
        if action.as_str().is_some_and(|text| replaced.iter().any(|it| it.eq_ignore_ascii_case(text))) {
            let before = shown(Some(action));
            *action = Node::string(ACTION);
            self.change(&format!("Action is {ACTION:?} instead of {before}"));
        } else {
            edit::append(action, Node::string(ACTION));
            self.change(&format!("Action has {ACTION:?}, too"));
        }
        Some(())
    }

    fn condition(&mut self, node: &mut Node, condition: &Condition) -> Option<()> {
        let operator = &condition.operator_name;
        if !condition.operator.is_some_and(is_plain) {
            return None;
        }
        let claim = self.claim(condition)?;
        let key = self.context.key(claim);
        if !self.context.is(&condition.key, claim) {
            edit::rename_key(node, operator, &condition.key, &key);
            self.change(&format!("the key is {key:?} instead of {:?}", condition.key));
        }
        self.value(node, operator, &key, claim)
    }

    /// The claim that a condition is meant to be about.
    fn claim(&self, condition: &Condition) -> Option<&'static str> {
        let key = condition.key.to_ascii_lowercase();
        if ["aws:", "sts:", "iam:", "saml:"].iter().any(|prefix| key.starts_with(prefix)) {
            return None;
        }
        let about_subjects = condition.values.iter().all(|it| it.text.starts_with("system:serviceaccount:"));
        let has_subject = self.statement.conditions.iter().any(|it| self.context.is(&it.key, "sub"));
        match key.rsplit(':').next()? {
            "sub" => Some("sub"),
            "aud" if about_subjects && !has_subject => Some("sub"),
            "aud" => Some("aud"),
            _ => None,
        }
    }

    /// Makes sure that the wanted value is among those of a key.
    fn value(&mut self, node: &mut Node, operator: &str, key: &str, claim: &str) -> Option<()> {
        let identity = &self.context.identity;
        let wanted = if claim == "sub" { &identity.subject } else { &identity.audience };
        let values = edit::values(node, operator, key)?;
        let texts: Vec<&str> = values.each().iter().filter_map(Node::as_str).collect();
        if texts.contains(&wanted.as_str()) {
            return Some(());
        }
        let replaced = match claim {
            "sub" => true,
            _ => texts.len() < 2 || texts.iter().all(|text| text.starts_with("system:serviceaccount:")),
        };
        let before = shown(Some(values));
        if replaced {
            *values = Node::string(wanted);
            self.change(&format!("{operator} {key} is {wanted:?} instead of {before}"));
        } else {
            edit::append(values, Node::string(wanted));
            self.change(&format!("{operator} {key} takes {wanted:?}, too"));
        }
        Some(())
    }

    /// Confines the mended statement to this subject.
    fn confine(&mut self, node: &mut Node) -> Option<()> {
        let (key, subject) = (self.context.key("sub"), &self.context.identity.subject);
        let values = |node: &mut Node, operator| {
            let values = edit::values(node, operator, &key)?;
            Some(values.each().iter().all(|one| one.as_str() == Some(subject)) && !values.each().is_empty())
        };
        let exact = ["StringEquals", "StringLike"].into_iter().any(|operator| values(node, operator) == Some(true));
        if !exact {
            if edit::values(node, "StringEquals", &key).is_some() {
                return None;
            }
            edit::set_value(node, "StringEquals", &key, subject);
            self.change(&format!("StringEquals {key} is {subject:?}, and nobody else"));
        }
        Some(())
    }
}
