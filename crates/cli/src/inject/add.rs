//! Writes an injection into nodes. Only adds to them.

use podidentity_core::injection::{ContainerInjection, Injection};
use serde::Serialize;
use serde_json::Value;

use crate::yaml::{Kind, Node, Style};

/// Adds the injection to the pod template at `path` in the object. The caller has computed the
/// injection for this template.
pub(super) fn apply(object: &mut Node, path: &[&str], injection: &Injection) {
    let mut template = path.iter().try_fold(object, |node, key| node.get_mut(key));
    if let (Some(template), Some((key, value))) = (template.as_deref_mut(), injection.label) {
        set_label(template, key, value);
    }
    let Some(spec) = template.and_then(|template| template.get_mut("spec")) else { return };
    for (field, added) in [("initContainers", &injection.init_containers), ("containers", &injection.containers)] {
        let Some(Kind::Sequence(containers)) = spec.get_mut(field).map(|node| &mut node.kind) else { continue };
        for (container, added) in containers.iter_mut().zip(added) {
            add(container, added);
        }
    }
    if let Some(volume) = &injection.volume {
        extend(spec, "volumes", |items| items.insert(0, node(volume)));
    }
}

/// Sets a label of a pod or template.
fn set_label(template: &mut Node, key: &str, value: &str) {
    let labels = entry(template, "metadata").and_then(|metadata| entry(metadata, "labels"));
    if let Some(label) = labels.and_then(|labels| entry(labels, key)) {
        *label = Node::string(value);
    }
}

/// The value at the key. Creates an empty mapping if there is none.
fn entry<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    if node.get(key).is_none() {
        let new = (Node::string(key), Node::new(Kind::Mapping(Vec::new())));
        match &mut node.kind {
            Kind::Mapping(entries) => entries.push(new),
            kind => *kind = Kind::Mapping(vec![new]),
        }
    }
    node.get_mut(key)
}

fn add(container: &mut Node, added: &ContainerInjection) {
    extend(container, "env", |items| items.extend(added.env.iter().map(node)));
    extend(container, "volumeMounts", |items| items.extend(added.mount.iter().map(node)));
}

/// Changes the list at the key. An absent or null list counts as empty, and a list that stays empty
/// is not written. Decoding has already rejected values of other types.
fn extend(object: &mut Node, key: &str, change: impl FnOnce(&mut Vec<Node>)) {
    let Kind::Mapping(entries) = &mut object.kind else { return };
    let index = entries.iter().rposition(|(name, _)| name.text() == Some(key));
    let mut items = index.map_or_else(Vec::new, |index| entries[index].1.items().to_vec());
    change(&mut items);
    if items.is_empty() {
        return;
    }
    match index {
        Some(index) => entries[index].1.kind = Kind::Sequence(items),
        None => entries.push((Node::string(key), Node::new(Kind::Sequence(items)))),
    }
}

/// Converts one of core's types to nodes. Core's types are plain structs, which always have a JSON
/// form.
fn node(part: &impl Serialize) -> Node {
    of_value(&serde_json::to_value(part).unwrap_or_default())
}

fn of_value(value: &Value) -> Node {
    match value {
        Value::String(text) => Node::string(text),
        Value::Array(items) => Node::new(Kind::Sequence(items.iter().map(of_value).collect())),
        Value::Object(map) => {
            // Sort the keys as kubectl does, because serde_json's own order depends on the build.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            Node::new(Kind::Mapping(
                entries.into_iter().map(|(key, value)| (Node::string(key), of_value(value))).collect(),
            ))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Node::new(Kind::Scalar { text: value.to_string(), style: Style::Plain })
        }
    }
}
