//! Decodes nodes into core's types. Errors have the position of what does not fit.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use thiserror::Error;

use super::value::to_value;
use super::{Kind, Node, Position};

/// What Kubernetes would not accept, and its position.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct DecodeError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// Reads the node as Kubernetes would.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, DecodeError> {
    decode_value(node, to_value(node)?)
}

/// The JSON that Kubernetes would see.
pub(crate) fn json(node: &Node) -> Result<Value, DecodeError> {
    to_value(node)
}

fn decode_value<T: DeserializeOwned>(node: &Node, value: Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let message = if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) };
        DecodeError { message, at: position(node, error.path()) }
    })
}

/// The position of the node at the path, or of the last node on the way to it.
fn position(node: &Node, path: &Path) -> Position {
    let mut node = node;
    let mut at = node.at;
    for segment in path {
        let next = match (segment, &node.kind) {
            (Segment::Map { key }, Kind::Mapping(_)) => node.entry(key).map(|(key, value)| (key.at, value)),
            (Segment::Seq { index }, Kind::Sequence(items)) => items.get(*index).map(|item| (item.at, item)),
            _ => None,
        };
        let Some((place, value)) = next else { break };
        (at, node) = (place, value);
    }
    at
}
