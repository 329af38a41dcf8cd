//! JSON with the place of each value. A key that an object has twice is an error.

use std::collections::HashMap;
use std::ops::Range;

use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::text::{Input, Place, ReadError, Text};

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Place,
    /// Byte range in the parsed text.
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

/// The kind of a value. Numbers stay as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) value: Node,
}

impl Node {
    fn made(kind: Kind) -> Self {
        Self { at: Place::default(), range: 0..0, kind }
    }

    /// A new string, without a place.
    pub(super) fn string(text: impl Into<String>) -> Self {
        Self::made(Kind::String(text.into()))
    }

    /// A new list, without a place.
    pub(super) fn array(elements: Vec<Self>) -> Self {
        Self::made(Kind::Array(elements))
    }

    /// A new object, without a place.
    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::made(Kind::Object(members.into_iter().map(|(key, value)| Member::new(key, value)).collect()))
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Kind::String(text) = &self.kind { Some(text) } else { None }
    }

    pub(super) fn members(&self) -> &[Member] {
        if let Kind::Object(members) = &self.kind { members } else { &[] }
    }

    pub(super) fn members_mut(&mut self) -> Option<&mut Vec<Member>> {
        if let Kind::Object(members) = &mut self.kind { Some(members) } else { None }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// The mutable value of a key.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.members_mut()?.iter_mut().find(|member| member.key == key).map(|member| &mut member.value)
    }

    /// The elements of a list; for any other value, the value itself.
    pub(super) fn each(&self) -> &[Self] {
        if let Kind::Array(elements) = &self.kind { elements } else { std::slice::from_ref(self) }
    }

    /// The value in words, for messages.
    pub(super) fn described(&self) -> String {
        match &self.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Number(text) => format!("the number {text}"),
            Kind::String(text) => format!("the string {text:?}"),
            Kind::Array(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        }
    }
}

impl Member {
    /// A new member, without a place.
    pub(super) fn new(key: &str, value: Node) -> Self {
        Self { key: key.to_owned(), at: Place::default(), value }
    }
}

/// JSON as RFC 8259 defines it, without extensions that only some parsers accept.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a text that is one JSON value.
pub(super) fn parse(text: &Text, input: &Input<'_>) -> Result<Node, ReadError> {
    let fail = |offset, message: String| ReadError { at: input.place(text.origin(offset)), message };
    let parsed = parse_to_ast(&text.decoded, &CollectOptions::default(), &STRICT)
        .map_err(|error| fail(error.range().start, format!("is no JSON: {}", lower(&error.kind().to_string()))))?;
    // The first parser accepts some invalid texts, for example characters that have to be escaped.
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text.decoded) {
        return Err(fail(offset(&text.decoded, error.line(), error.column()), said(&error)));
    }
    let value = parsed.value.ok_or_else(|| fail(0, "is empty".to_owned()))?;
    node(value, text, input)
}

/// The message of `serde_json` without the position, which is reported separately.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("is no JSON: {text}")
}

/// The text with its first letter in lower case.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The offset of a line and column as `serde_json` counts them. Columns count bytes, including the
/// wrong byte.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn node(value: Value<'_>, text: &Text, input: &Input<'_>) -> Result<Node, ReadError> {
    let range = value.range();
    let kind = match value {
        Value::NullKeyword(_) => Kind::Null,
        Value::BooleanLit(value) => Kind::Bool(value.value),
        Value::NumberLit(value) => Kind::Number(value.value.to_owned()),
        Value::StringLit(value) => Kind::String(value.value.into_owned()),
        Value::Array(array) => {
            Kind::Array(array.elements.into_iter().map(|it| node(it, text, input)).collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let (mut members, mut seen) = (Vec::new(), HashMap::new());
            for property in object.properties {
                let at = input.place(text.origin(property.range.start));
                let key = match property.name {
                    ObjectPropName::String(name) => name.value.into_owned(),
                    ObjectPropName::Word(word) => word.value.to_owned(),
                };
                if let Some(first) = seen.insert(key.clone(), at) {
                    let message = format!(
                        "the key {key:?} stands here a second time, the first is at {first}; IAM refuses that: remove one"
                    );
                    return Err(ReadError { at, message });
                }
                members.push(Member { key, at, value: node(property.value, text, input)? });
            }
            Kind::Object(members)
        }
    };
    Ok(Node { at: input.place(text.origin(range.start)), range: range.start..range.end, kind })
}

/// The value as indented JSON, members in their order.
pub(super) fn print(node: &Node) -> String {
    let mut out = String::new();
    write(node, 0, &mut out);
    out
}

fn write(node: &Node, depth: usize, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(text) => out.push_str(text),
        Kind::String(text) => quote(text, out),
        Kind::Array(elements) => {
            let write = |element: &Node, out: &mut String| write(element, depth + 1, out);
            block(('[', ']'), elements, depth, write, out);
        }
        Kind::Object(members) => {
            let write = |member: &Member, out: &mut String| {
                quote(&member.key, out);
                out.push_str(": ");
                write(&member.value, depth + 1, out);
            };
            block(('{', '}'), members, depth, write, out);
        }
    }
}

fn block<T>(brackets: (char, char), all: &[T], depth: usize, write: impl Fn(&T, &mut String), out: &mut String) {
    out.push(brackets.0);
    for (index, one) in all.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n("  ", depth + 1));
        write(one, out);
    }
    if !all.is_empty() {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
    out.push(brackets.1);
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(&Text::of(text), &Input::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn values_know_their_places() {
        let root = read("{\n  \"ä\": [1, {\"b\": null}]\n}").unwrap();
        let list = root.get("ä").unwrap();
        assert_eq!((root.members()[0].at.to_string(), list.at.to_string()), ("2:3".to_owned(), "2:8".to_owned()));
        assert_eq!(list.each()[1].get("b").unwrap().at.to_string(), "2:18");
        assert_eq!(print(&root), "{\n  \"ä\": [\n    1,\n    {\n      \"b\": null\n    }\n  ]\n}");
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for (text, expected) in [
            ("{\"a\": 1,}", "1:8: is no JSON: trailing commas are not allowed"),
            ("{\n\"a\" 1}", "2:5: is no JSON: expected colon after the string or word in object property"),
            ("{'a': 1}", "1:2: is no JSON: single-quoted strings are not allowed"),
            ("{\"a\": 1} // x", "1:10: is no JSON: comments are not allowed"),
            ("{\"a\": 1} {}", "1:10: is no JSON: text cannot contain more than one JSON value"),
            ("{\"ä\": tru}", "1:7: is no JSON: unexpected token"),
            ("{\"a\": [", "1:7: is no JSON: unterminated array"),
            ("{\"a\": \"\t\"}", "1:7: is no JSON: control character (\\u0000-\\u001F) found while parsing a string"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(&deep).unwrap_err().contains("nesting depth exceeded"));
    }

    #[test]
    fn a_key_that_stands_there_twice_is_refused() {
        let error = read("{\"a\": {\"x\": 1,\n\"\\u0078\": 2}}").unwrap_err();
        assert!(error.starts_with("2:1: the key \"x\" stands here a second time, the first is at 1:8"), "{error}");
    }
}
