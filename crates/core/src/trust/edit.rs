//! Changes to a document.

use super::json::{Kind, Member, Node};

/// A statement by its index from 0.
pub(super) fn statement(root: &mut Node, index: usize) -> Option<&mut Node> {
    let all = root.get_mut("Statement")?;
    if let Kind::Array(_) = all.kind {
        let Kind::Array(elements) = &mut all.kind else { return None };
        return elements.get_mut(index);
    }
    (index == 0).then_some(all)
}

/// Adds a statement after the others.
pub(super) fn append_statement(root: &mut Node, new: Node) {
    let Some(all) = root.get_mut("Statement") else { return };
    append(all, new);
}

/// Adds a value to a list. A single value becomes a list first.
pub(super) fn append(node: &mut Node, new: Node) {
    if let Kind::Array(elements) = &mut node.kind {
        elements.push(new);
        return;
    }
    let first = std::mem::replace(node, Node::array(Vec::new()));
    *node = Node::array(vec![first, new]);
}

/// The value of a key. If the key is missing, it is added with the default.
pub(super) fn entry<'a>(node: &'a mut Node, key: &str, default: impl FnOnce() -> Node) -> Option<&'a mut Node> {
    let members = node.members_mut()?;
    let index = members.iter().position(|member| member.key == key).unwrap_or_else(|| {
        members.push(Member::new(key, default()));
        members.len() - 1
    });
    members.get_mut(index).map(|member| &mut member.value)
}

fn empty() -> Node {
    Node::object([])
}

/// The values that a statement has for an operator and a key.
pub(super) fn values<'a>(statement: &'a mut Node, operator: &str, key: &str) -> Option<&'a mut Node> {
    let keys = statement.get_mut("Condition")?.get_mut(operator)?;
    let name = keys.members().iter().find(|member| member.key.eq_ignore_ascii_case(key))?.key.clone();
    keys.get_mut(&name)
}

/// Adds a value to those that a statement has for an operator and a key.
pub(super) fn add_value(statement: &mut Node, operator: &str, key: &str, value: &str) {
    if let Some(node) = values(statement, operator, key) {
        append(node, Node::string(value));
        return;
    }
    set_value(statement, operator, key, value);
}

/// Makes a value the only one that a statement has for an operator and a key.
pub(super) fn set_value(statement: &mut Node, operator: &str, key: &str, value: &str) {
    if let Some(node) = values(statement, operator, key) {
        *node = Node::string(value);
        return;
    }
    let operators = entry(statement, "Condition", empty);
    let keys = operators.and_then(|operators| entry(operators, operator, empty));
    if let Some(node) = keys.and_then(|keys| entry(keys, key, || Node::string(value))) {
        *node = Node::string(value);
    }
}

/// Renames a key of an operator, in its place. If the new key exists already, the old one is
/// removed.
pub(super) fn rename_key(statement: &mut Node, operator: &str, key: &str, new: &str) {
    let keys = statement.get_mut("Condition").and_then(|all| all.get_mut(operator)).and_then(Node::members_mut);
    let Some(keys) = keys else { return };
    if keys.iter().any(|member| member.key.eq_ignore_ascii_case(new) && member.key != key) {
        keys.retain(|member| member.key != key);
    } else if let Some(member) = keys.iter_mut().find(|member| member.key == key) {
        new.clone_into(&mut member.key);
    }
}

/// Renames an operator, in its place. If the new operator exists already, its keys are extended
/// with those of the old one.
pub(super) fn rename_operator(statement: &mut Node, operator: &str, new: &str) {
    let Some(operators) = statement.get_mut("Condition").and_then(Node::members_mut) else { return };
    let Some(index) = operators.iter().position(|member| member.key == operator) else { return };
    if !operators.iter().any(|member| member.key == new) {
        new.clone_into(&mut operators[index].key);
        return;
    }
    let moved = operators.remove(index);
    let target = operators.iter_mut().find(|member| member.key == new).and_then(|member| member.value.members_mut());
    let (Some(target), Kind::Object(keys)) = (target, moved.value.kind) else { return };
    for member in keys {
        if !target.iter().any(|it| it.key == member.key) {
            target.push(member);
        }
    }
}
