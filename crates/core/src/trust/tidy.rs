//! Turns a document that IAM does not save into the one that was plainly meant.

use super::correct::Draft;
use super::document::Policy;
use super::edit;
use super::evaluate::ACTION;
use super::json::{Kind, Member, Node};
use super::operator::{Operator, meant};
use crate::likeness::closest;

/// The document as IAM would save it; `None` if it is not plain what was meant.
pub(super) fn tidy(policy: &Policy) -> Option<Draft> {
    let mut root = policy.root.clone();
    let mut changes = Vec::new();
    if policy.refusals.iter().any(|refusal| refusal.statement.is_none()) {
        outside(&mut root, &mut changes)?;
    }
    for index in 0..policy.statements.len() {
        if policy.refusals.iter().any(|refusal| refusal.statement == Some(index)) {
            let mut own = Vec::new();
            statement(edit::statement(&mut root, index)?, &mut own)?;
            changes.extend(own.into_iter().map(|change| format!("statement {}: {change}", index + 1)));
        }
    }
    let tidied = Policy::of(root.clone()).ok()?;
    tidied.refusals.is_empty().then_some(Draft { root, changes })
}

fn outside(root: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    for member in root.members_mut()? {
        if member.key == "Version" && !["2008-10-17", "2012-10-17"].iter().any(|it| member.value.as_str() == Some(it)) {
            member.value = Node::string("2012-10-17");
            changes.push("Version is \"2012-10-17\"".to_owned());
        }
    }
    root.members_mut()?.retain(|member| {
        let known = ["Version", "Id", "Statement"].contains(&member.key.as_str());
        if !known {
            changes.push(format!("the element {:?} is gone", member.key));
        }
        known
    });
    Some(())
}

fn statement(node: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    elements(node, changes)?;
    actions(node, changes)?;
    principal(node, changes)?;
    operators(node, changes)
}

fn elements(node: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    const KNOWN: [&str; 6] = ["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"];
    let keys: Vec<String> = node.members().iter().map(|member| member.key.clone()).collect();
    let gone = |key: &str| {
        ["Resource", "NotResource"].contains(&key) || key == "NotAction" && keys.iter().any(|it| it == "Action")
    };
    let members = node.members_mut()?;
    members.retain(|member| !gone(&member.key));
    changes.extend(keys.iter().filter(|key| gone(key)).map(|key| format!("{key} is gone")));
    for member in members {
        if !KNOWN.contains(&member.key.as_str()) {
            let name = closest(&member.key, &KNOWN).filter(|name| !keys.iter().any(|key| key == name))?;
            changes.push(format!("{name} instead of {}", member.key));
            name.clone_into(&mut member.key);
        }
        if let (true, Some(sid)) = (member.key == "Sid", member.value.as_str()) {
            let letters: String = sid.chars().filter(char::is_ascii_alphanumeric).collect();
            if letters != sid {
                changes.push(format!("Sid is {letters:?}"));
                member.value = Node::string(letters);
            }
        }
    }
    Some(())
}

fn actions(node: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    // A statement that denies must keep denying as much as before.
    let all = if node.get("Effect").and_then(Node::as_str) == Some("Deny") { "sts:*" } else { ACTION };
    let key = if node.get("Action").is_some() { "Action" } else { "NotAction" };
    let actions = node.get_mut(key)?;
    let is_foreign = |action: &Node| {
        action.as_str().is_none_or(|text| !text.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("sts:")))
    };
    if !actions.each().iter().any(is_foreign) {
        return Some(());
    }
    let wildcard = actions.each().iter().any(|action| action.as_str() == Some("*"));
    let mut kept: Vec<Node> = actions.each().iter().filter(|action| !is_foreign(action)).cloned().collect();
    if wildcard && key == "Action" {
        kept = vec![Node::string(all)];
    }
    *actions = match kept.as_slice() {
        [] => return None,
        [one] => one.clone(),
        _ => Node::array(kept),
    };
    changes.push(format!("{key} is {}", super::correct::shown(Some(actions))));
    Some(())
}

fn principal(node: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    const KNOWN: [&str; 4] = ["AWS", "Federated", "Service", "CanonicalUser"];
    let Some(principal) = node.get_mut("Principal").and_then(Node::members_mut) else { return Some(()) };
    let keys: Vec<String> = principal.iter().map(|member| member.key.clone()).collect();
    for member in principal.iter_mut().filter(|member| !KNOWN.contains(&member.key.as_str())) {
        let is_provider = |node: &Node| node.as_str().is_some_and(|text| text.contains(":oidc-provider/"));
        let name =
            if member.value.each().iter().all(is_provider) { "Federated" } else { closest(&member.key, &KNOWN)? };
        if keys.iter().any(|key| key == name) {
            return None;
        }
        changes.push(format!("Principal has {name:?} instead of {:?}", member.key));
        name.clone_into(&mut member.key);
    }
    Some(())
}

fn operators(node: &mut Node, changes: &mut Vec<String>) -> Option<()> {
    let Some(condition) = node.get_mut("Condition").and_then(Node::members_mut) else { return Some(()) };
    let unknown: Vec<Member> =
        condition.iter().filter(|member| Operator::parse(&member.key).is_none()).cloned().collect();
    for Member { key: name, value, .. } in unknown {
        let new = meant(&name)?;
        let target = node.get("Condition").and_then(|condition| condition.get(&new));
        let has = |key: &str| target.is_some_and(|target| target.members().iter().any(|it| it.key == key));
        if value.members().iter().any(|member| has(&member.key)) || !matches!(value.kind, Kind::Object(_)) {
            return None;
        }
        edit::rename_operator(node, &name, &new);
        changes.push(format!("the operator is {new} instead of {name}"));
    }
    Some(())
}
