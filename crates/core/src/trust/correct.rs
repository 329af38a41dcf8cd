//! The smallest correction that lets an identity in, and nobody else.
//!
//! ```text
//! no statement allows ──► mend the nearest, if only this subject can gain by that ──► else a statement of its own
//! a statement denies  ──► it leaves this subject out
//! ```
//!
//! The corrected policy is judged again before it is returned.

use std::fmt::Write as _;

use serde::Serialize;

use super::document::{Effect, Policy};
use super::edit;
use super::evaluate::{Evaluated, applies, evaluate, not_matching, parts};
use super::identity::{Context, WebIdentity};
use super::json::{Kind, Node, print};
use super::mend::{is_for_subject, mend};
use super::tidy::tidy;
use super::verdict::{Doubt, Match, Verdict};
use crate::arn::RoleArn;

/// The number of statements that fit into a policy that IAM saves.
const CANDIDATES: usize = 100;
const UNREADABLE: &str = "the corrected policy cannot be read";

/// A policy that allows the identity, and how it differs from the original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Correction {
    /// The changes in words, in the order of the statements.
    pub changes: Vec<String>,
    /// The whole corrected document, as indented JSON.
    #[serde(skip)]
    pub policy: String,
}

/// A document that is being corrected.
pub(super) struct Draft {
    pub(super) root: Node,
    pub(super) changes: Vec<String>,
}

impl Policy {
    /// The smallest correction after which the identity may assume the role. It never lets in more
    /// than this subject, and leaves the statements for others as they are. `Ok(None)`: the policy
    /// already allows the identity. `Err`: why there is no correction.
    pub fn correct(&self, identity: &WebIdentity, role: Option<&RoleArn>) -> Result<Option<Correction>, String> {
        let home = self.home(identity, role);
        let known = home.is_some();
        let context = Context::new(identity, home);
        if evaluate(self, &context) == Verdict::Allow {
            return Ok(None);
        }
        if !known {
            return Err("the role's account is not known: give the role's ARN".to_owned());
        }
        if identity.subject.contains(['*', '?', '$']) || identity.audience.contains(['*', '?', '$']) {
            return Err("subject or audience has characters that mean something else in a policy".to_owned());
        }
        let Some(refusal) = self.refusals.first() else {
            return self.corrected(&context, Vec::new()).map(Some);
        };
        // A document that IAM does not save lets nobody in. If it is plain what was meant, the
        // document that was meant is corrected.
        let tidied = tidy(self).ok_or_else(|| format!("correct first what IAM does not save: {}", refusal.message))?;
        let policy = Self::of(tidied.root).map_err(|_| UNREADABLE.to_owned())?;
        let own = |index: &usize| policy.statements.get(*index).is_some_and(|it| is_for_subject(it, &context));
        if !self.refusals.iter().filter_map(|refusal| refusal.statement).all(|index| own(&index)) {
            return Err(format!("correct first what IAM does not save: {}", refusal.message));
        }
        policy.corrected(&context, tidied.changes).map(Some)
    }

    /// The correction of a policy that IAM saves. `changes`: the changes made so far.
    fn corrected(&self, context: &Context<'_>, mut changes: Vec<String>) -> Result<Correction, String> {
        if self.depends_on_request(context) {
            return Err("whether it allows depends on the request, not on who makes it".to_owned());
        }
        let mut draft = self.allowed(context);
        self.not_denied(context, &mut draft);
        let corrected = Self::of(draft.root.clone()).map_err(|_| UNREADABLE.to_owned())?;
        if !corrected.refusals.is_empty() || evaluate(&corrected, context) != Verdict::Allow {
            return Err("no small correction would make it allow for sure".to_owned());
        }
        changes.extend(draft.changes);
        Ok(Correction { changes, policy: print(&draft.root) })
    }

    /// The document as indented JSON, without the text around it in the input.
    pub fn document(&self) -> String {
        print(&self.root)
    }

    /// Whether only the request tells if a statement applies. A new statement without that
    /// condition would allow more.
    fn depends_on_request(&self, context: &Context<'_>) -> bool {
        self.statements.iter().any(|statement| {
            let parts = parts(self, statement, context);
            let request = |part: &Evaluated| matches!(part.matches, Match::NotSure(Doubt::RequestKey, _));
            parts.iter().any(request) && parts.iter().all(|part| part.matches == Match::Yes || request(part))
        })
    }

    /// The policy with a statement that allows the identity.
    fn allowed(&self, context: &Context<'_>) -> Draft {
        let allows = |policy: &Self| {
            let allowing = policy.statements.iter().filter(|statement| statement.effect == Effect::Allow);
            Match::any(allowing.map(|it| applies(&parts(policy, it, context)))) == Match::Yes
        };
        if allows(self) {
            return Draft { root: self.root.clone(), changes: Vec::new() };
        }
        let mut mended: Vec<Draft> = (0..self.statements.len())
            .filter(|index| self.statements[*index].effect == Effect::Allow)
            .filter_map(|index| mend(self, index, context))
            .take(CANDIDATES)
            .collect();
        mended.sort_by_key(|draft| draft.changes.len());
        let allows = |draft: &Draft| Self::of(draft.root.clone()).is_ok_and(|policy| allows(&policy));
        if let Some(smallest) = mended.into_iter().find(allows) {
            return smallest;
        }
        let mut root = self.root.clone();
        edit::append_statement(&mut root, statement(context));
        let number = self.statements.len() + 1;
        let without = self.left_out(context);
        let change = format!("statement {number} added, for {} alone{without}", context.identity.subject);
        Draft { root, changes: vec![change] }
    }

    /// The conditions on requests that existing statements for tokens have and the new statement
    /// lacks, in words.
    fn left_out(&self, context: &Context<'_>) -> String {
        let mut all = String::new();
        for (index, statement) in self.statements.iter().enumerate() {
            let parts = parts(self, statement, context);
            if statement.effect == Effect::Deny || parts.iter().take(2).any(|part| part.matches != Match::Yes) {
                continue;
            }
            for condition in &statement.conditions {
                let key = condition.key.to_ascii_lowercase();
                if ["aws:", "sts:"].iter().any(|prefix| key.starts_with(prefix)) {
                    let _ = write!(all, ", without the condition on {} of statement {}", condition.key, index + 1);
                }
            }
        }
        all
    }

    /// Excludes the subject from the statements that deny.
    fn not_denied(&self, context: &Context<'_>, draft: &mut Draft) {
        let key = context.key("sub");
        for (index, statement) in self.statements.iter().enumerate() {
            if statement.effect == Effect::Allow || applies(&parts(self, statement, context)) == Match::No {
                continue;
            }
            let Some(node) = edit::statement(&mut draft.root, index) else { continue };
            // A value in an empty list would decide the statement for others, for whom it was not
            // sure before.
            if edit::values(node, "StringNotEquals", &key).is_some_and(|values| values.each().is_empty()) {
                continue;
            }
            edit::add_value(node, "StringNotEquals", &key, &context.identity.subject);
            let title = format!("statement {}", index + 1);
            draft.changes.push(format!(
                "{title} no longer denies it to {}, which somebody may have wanted",
                context.identity.subject
            ));
        }
    }
}

/// The statement that lets in one subject with one audience.
pub(super) fn statement(context: &Context<'_>) -> Node {
    let equals = Node::object([
        (context.key("aud").as_str(), Node::string(&context.identity.audience)),
        (context.key("sub").as_str(), Node::string(&context.identity.subject)),
    ]);
    Node::object([
        ("Effect", Node::string("Allow")),
        ("Principal", Node::object([("Federated", Node::string(context.provider_arn().unwrap_or_default()))])),
        ("Action", Node::string(super::evaluate::ACTION)),
        ("Condition", Node::object([("StringEquals", equals)])),
    ])
}

/// Whether one part alone keeps the statement from applying.
pub(super) fn only(parts: &[Evaluated]) -> Option<super::evaluate::Part> {
    let mut off = not_matching(parts);
    let first = off.next()?;
    off.next().is_none().then_some(first)
}

/// The values of a node in words, for the changes.
pub(super) fn shown(node: Option<&Node>) -> String {
    match node.map(|node| &node.kind) {
        Some(Kind::String(text)) => format!("{text:?}"),
        Some(Kind::Bool(_) | Kind::Number(_)) => node.map(Node::described).unwrap_or_default(),
        Some(Kind::Array(all)) if !all.is_empty() => {
            let texts: Vec<String> =
                all.iter().filter_map(|one| one.as_str().map(|text| format!("{text:?}"))).collect();
            texts.join(", ")
        }
        _ => "nothing".to_owned(),
    }
}
