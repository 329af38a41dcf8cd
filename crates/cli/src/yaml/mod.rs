//! YAML as it was written, with its order, scalar styles and positions.
//!
//! ```text
//! text ──► parse (events of granit-parser) ──► Node ──► value (what Kubernetes reads) ──► core's types
//!                                               └─────► emit ──► text
//! our own documents ──► encode ──► Node ──► emit ──► text
//! ```
//!
//! Parsing through serde loses what a manifest must not lose: whether `yes`, `1e3` or `0o7` were
//! quoted, integers beyond 64 bits, and `1.10`. Here, a scalar consists of its text and its style.
//! So the printed text means the same to every YAML reader, whether of YAML 1.1 (kubectl) or of
//! YAML 1.2.

mod decode;
mod dialect;
mod emit;
mod encode;
mod node;
mod parse;
mod separators;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use decode::{DecodeError, decode, json};
pub(crate) use emit::emit;
pub(crate) use encode::{encode, json as encode_json, unquote};
pub(crate) use node::{Kind, Node, Position, Style};
pub(crate) use parse::{ParseError, parse, parse_json};
