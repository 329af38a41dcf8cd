//! YAML as it was written: order, scalar styles and positions are kept.
//!
//! ```text
//! text ──► parse (events of granit-parser) ──► Node ──► value (what Kubernetes reads) ──► core's types
//!                                               └─────► emit ──► text
//! our own documents ──► encode ──► Node ──► emit ──► text
//! ```
//!
//! The usual way over serde loses what a manifest must not lose: whether `yes`, `1e3` or `0o7` were quoted, integers
//! beyond 64 bits, `1.10`. Here a scalar is its text and its style, so what is printed again means the same to every
//! YAML reader, be it one of YAML 1.1 (kubectl) or of 1.2.

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
