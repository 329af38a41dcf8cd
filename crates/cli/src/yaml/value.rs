//! What Kubernetes reads from a node.
//!
//! kubectl converts YAML to JSON with a YAML 1.1 reader, for which `yes` and `on` are booleans and
//! `0600` is octal.

use serde_json::{Map, Number, Value};

use super::decode::DecodeError;
use super::{Kind, Node, Position, Style};

/// The JSON that kubectl makes from the node.
pub(super) fn to_value(node: &Node) -> Result<Value, DecodeError> {
    Ok(match &node.kind {
        Kind::Scalar { .. } if node.tag.as_deref() == Some("!!binary") => {
            return Err(error("!!binary is decoded by kubectl: write the text itself".to_owned(), node.at));
        }
        Kind::Scalar { text, style } => scalar(text, *style, node.tag.as_deref()),
        Kind::Sequence(items) => Value::Array(items.iter().map(to_value).collect::<Result<_, _>>()?),
        Kind::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let name = name(key).ok_or_else(|| error(no_text(key).to_owned(), key.at))?;
                if map.insert(name.clone(), to_value(value)?).is_some() {
                    return Err(error(format!("the key {name:?} is there twice"), key.at));
                }
            }
            Value::Object(map)
        }
    })
}

/// Why a key is none. `{{ .Values.role }}` without quotes is a mapping whose key is a mapping.
fn no_text(key: &Node) -> &'static str {
    match key.kind {
        Kind::Mapping(_) => {
            "a key has to be a text; if this is {{ }}, it looks like a template: render it first, for example with `helm \
             template`, or put it in quotes"
        }
        _ => "a key has to be a text",
    }
}

/// A key in JSON: `on` without quotes is the key `true`.
fn name(key: &Node) -> Option<String> {
    let Kind::Scalar { text, style } = &key.kind else { return None };
    Some(match scalar(text, *style, key.tag.as_deref()) {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn error(message: String, at: Position) -> DecodeError {
    DecodeError { message, at }
}

fn scalar(text: &str, style: Style, tag: Option<&str>) -> Value {
    match (tag, style) {
        (None, Style::Plain) | (Some("!!int" | "!!float" | "!!bool" | "!!null"), _) => plain(text),
        _ => Value::String(text.to_owned()),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    if let Some(integer) = integer(&text.replace('_', "")) {
        return Some(integer);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let is_float = text.len() - unsigned.len() <= 1
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    is_float.then(|| text.parse().ok().and_then(float)).flatten()
}

/// Returns a whole number as an integer, because JSON does not distinguish 1e3 from 1000.
fn float(number: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)] // it is whole and small enough
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefixed = |prefixes: [&str; 2]| prefixes.into_iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (radix, digits) = if let Some(digits) = prefixed(["0x", "0X"]) {
        (16, digits)
    } else if let Some(digits) = prefixed(["0o", "0O"]) {
        (8, digits)
    } else if let Some(digits) = prefixed(["0b", "0B"]) {
        (2, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(magnitude).map(Number::from) } else { Some(Number::from(magnitude)) }
}
