//! Condition operators.
//!
//! Source: "IAM JSON policy elements: Condition operators", and "Multivalued context keys", AWS IAM
//! User Guide.

use super::document::Value;
use super::identity::Context;
use super::verdict::{Doubt, Match};
use crate::likeness::closest;

/// A parsed condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) base: Base,
    /// `...Not...`: true if no value compares equal.
    pub(super) negated: bool,
    pub(super) set: Option<Set>,
    pub(super) if_exists: bool,
}

/// How one value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Arn,
    Bool,
    /// For numbers, dates, addresses and binaries.
    OtherType,
    Null,
}

/// Set operator, for keys with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    ForAllValues,
    ForAnyValue,
}

const OPERATORS: &[(&str, Base, bool)] = &[
    ("StringEquals", Base::StringEquals, false),
    ("StringNotEquals", Base::StringEquals, true),
    ("StringEqualsIgnoreCase", Base::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Base::StringEqualsIgnoreCase, true),
    ("StringLike", Base::StringLike, false),
    ("StringNotLike", Base::StringLike, true),
    ("ArnEquals", Base::Arn, false),
    ("ArnNotEquals", Base::Arn, true),
    ("ArnLike", Base::Arn, false),
    ("ArnNotLike", Base::Arn, true),
    ("Bool", Base::Bool, false),
    ("NumericEquals", Base::OtherType, false),
    ("NumericNotEquals", Base::OtherType, true),
    ("NumericLessThan", Base::OtherType, false),
    ("NumericLessThanEquals", Base::OtherType, false),
    ("NumericGreaterThan", Base::OtherType, false),
    ("NumericGreaterThanEquals", Base::OtherType, false),
    ("DateEquals", Base::OtherType, false),
    ("DateNotEquals", Base::OtherType, true),
    ("DateLessThan", Base::OtherType, false),
    ("DateLessThanEquals", Base::OtherType, false),
    ("DateGreaterThan", Base::OtherType, false),
    ("DateGreaterThanEquals", Base::OtherType, false),
    ("BinaryEquals", Base::OtherType, false),
    ("IpAddress", Base::OtherType, false),
    ("NotIpAddress", Base::OtherType, true),
    ("Null", Base::Null, false),
];

const IF_EXISTS: &str = "IfExists";
const FOR_ALL: &str = "ForAllValues:";
const FOR_ANY: &str = "ForAnyValue:";

impl Operator {
    /// Plain `StringEquals`: not negated, without a set operator and without `IfExists`.
    pub(super) const EXACT: Self = Self { base: Base::StringEquals, negated: false, set: None, if_exists: false };

    /// Reads a name such as `ForAnyValue:StringLikeIfExists`; `None` if IAM does not know it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (set, rest) = parts(name);
        let base = rest.strip_suffix(IF_EXISTS).unwrap_or(rest);
        let (_, kind, negated) = OPERATORS.iter().find(|(known, ..)| *known == base)?;
        let if_exists = base != rest;
        (*kind != Base::Null || !if_exists).then_some(Self { base: *kind, negated: *negated, set, if_exists })
    }

    /// Whether an absent key keeps the condition from holding.
    pub(super) fn needs_key(self) -> bool {
        !self.if_exists && !self.negated && self.set != Some(Set::ForAllValues) && self.base != Base::Null
    }

    /// Whether `*` and `?` are wildcards.
    pub(super) fn has_wildcards(self) -> bool {
        matches!(self.base, Base::StringLike | Base::Arn)
    }
}

fn parts(name: &str) -> (Option<Set>, &str) {
    if let Some(rest) = name.strip_prefix(FOR_ALL) {
        (Some(Set::ForAllValues), rest)
    } else if let Some(rest) = name.strip_prefix(FOR_ANY) {
        (Some(Set::ForAnyValue), rest)
    } else {
        (None, name)
    }
}

/// The operator that was meant by a name that IAM does not know.
pub(super) fn meant(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once(':').map_or((String::new(), name), |(prefix, rest)| {
        let known = closest(prefix, &["ForAllValues", "ForAnyValue"]).unwrap_or(prefix);
        (format!("{known}:"), rest)
    });
    let lower = rest.to_ascii_lowercase();
    let stem =
        if lower.ends_with(&IF_EXISTS.to_ascii_lowercase()) { &rest[..rest.len() - IF_EXISTS.len()] } else { rest };
    let suffix = if stem.len() == rest.len() { "" } else { IF_EXISTS };
    let known: Vec<&str> = OPERATORS.iter().map(|(known, ..)| *known).collect();
    let base = match stem.to_ascii_lowercase().as_str() {
        "equals" | "equal" => "StringEquals",
        "like" => "StringLike",
        _ => closest(stem, &known)?,
    };
    let meant = format!("{prefix}{base}{suffix}");
    Operator::parse(&meant).map(|_| meant)
}

/// The message about a name that IAM does not know.
pub(super) fn unknown(name: &str) -> String {
    match meant(name) {
        Some(meant) => format!("IAM knows no operator {name:?}: write {meant:?}"),
        None => format!("IAM knows no operator {name:?}: for an exact comparison write \"StringEquals\""),
    }
}

/// The value that a token and its request have for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Actual {
    Present(String),
    Absent,
    /// Only the request tells.
    Unknown,
}

/// Whether a condition holds. `variables`: whether `${...}` is a policy variable.
pub(super) fn holds(operator: Operator, key: &str, values: &[Value], context: &Context<'_>, variables: bool) -> Match {
    let doubt = |doubt, why: String| Match::NotSure(doubt, why);
    let actual = context.actual(key);
    if actual == Actual::Unknown {
        return doubt(Doubt::RequestKey, format!("only the request has {key}"));
    }
    if operator.base == Base::Null {
        return null(operator, values, actual == Actual::Absent);
    }
    if values.is_empty() {
        return doubt(Doubt::NoValues, format!("{key} has no value to compare with"));
    }
    if operator.set.is_some() && operator.if_exists {
        return doubt(Doubt::SetOperatorIfExists, "a set operator with IfExists".to_owned());
    }
    match actual {
        Actual::Present(text) => {
            let any = Match::any(values.iter().map(|value| compare(operator.base, &text, value, variables)));
            if operator.negated { any.negated() } else { any }
        }
        _ => match operator.set {
            Some(Set::ForAllValues) => Match::Yes,
            Some(Set::ForAnyValue) if operator.negated => {
                doubt(Doubt::NegatedSetOperator, format!("ForAnyValue with a negated operator, and no token has {key}"))
            }
            Some(Set::ForAnyValue) => Match::No,
            None => Match::of(operator.if_exists || operator.negated),
        },
    }
}

fn null(operator: Operator, values: &[Value], absent: bool) -> Match {
    match values {
        [value] if operator.set.is_none() && value.text.eq_ignore_ascii_case("true") => Match::of(absent),
        [value] if operator.set.is_none() && value.text.eq_ignore_ascii_case("false") => Match::of(!absent),
        _ => Match::NotSure(Doubt::NullValues, "Null with other than one value of true and false".to_owned()),
    }
}

/// Whether one value compares equal.
fn compare(base: Base, actual: &str, value: &Value, variables: bool) -> Match {
    let expected = value.text.as_str();
    if base == Base::Bool && ["true", "false"].contains(&actual) {
        return match expected.to_ascii_lowercase().as_str() {
            "true" | "false" => Match::of(actual.eq_ignore_ascii_case(expected)),
            _ => Match::NotSure(Doubt::TypedOperator, format!("Bool with the value {expected:?}")),
        };
    }
    if !value.is_string {
        return Match::NotSure(Doubt::ValueType, format!("the value {expected} is no string"));
    }
    if variables && expected.contains("${") {
        return Match::NotSure(Doubt::PolicyVariable, format!("the value {expected:?} has a policy variable"));
    }
    match base {
        Base::StringEquals => Match::of(actual == expected),
        Base::StringEqualsIgnoreCase if expected.is_ascii() => Match::of(actual.eq_ignore_ascii_case(expected)),
        Base::StringEqualsIgnoreCase => {
            Match::NotSure(Doubt::CaseBeyondAscii, format!("{expected:?} has letters beyond ASCII"))
        }
        Base::StringLike => Match::of(like(expected, actual)),
        Base::Arn if actual.starts_with("arn:") => arn_like(expected, actual),
        Base::Arn | Base::Bool | Base::OtherType | Base::Null => {
            Match::NotSure(Doubt::TypedOperator, format!("an operator of another type than the text {actual:?}"))
        }
    }
}

/// Compares ARNs part by part. If a pattern matches only across parts, opinions differ, so the
/// result is not sure.
fn arn_like(pattern: &str, arn: &str) -> Match {
    let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    let (patterns, actual) = (parts(pattern), parts(arn));
    let by_part = patterns.len() == actual.len() && patterns.iter().zip(&actual).all(|(p, a)| like(p, a));
    if by_part == like(pattern, arn) {
        return Match::of(by_part);
    }
    Match::NotSure(Doubt::TypedOperator, format!("{pattern:?} matches the ARN only across its parts"))
}

/// Whether a text matches a pattern in which `*` stands for any characters and `?` for one.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // After the last star: where the pattern goes on, and how much of the text the star has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p + 1, t));
                p += 1;
            }
            (Some(c), _) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            (_, Some((after, taken))) => {
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_iam_has_it() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*b*c", "a-b-b-c", true),
            ("a?c", "ac", false),
            ("a?c", "abc", true),
            ("system:serviceaccount:*:web", "system:serviceaccount:a:b:web", true),
            ("*web", "webb", false),
            ("a**", "a", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn names_are_taken_apart() {
        let operator = Operator::parse("ForAnyValue:StringNotLikeIfExists").unwrap();
        assert_eq!((operator.base, operator.negated, operator.if_exists), (Base::StringLike, true, true));
        assert_eq!(operator.set, Some(Set::ForAnyValue));
        for name in ["StringEqual", "stringequals", "NullIfExists", "ForAll:StringEquals", ""] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_with_what_was_meant() {
        for (name, expected) in [
            ("StringEqual", Some("StringEquals")),
            ("stringlike", Some("StringLike")),
            ("StringLikes", Some("StringLike")),
            ("ForAllValue:StringEqual", Some("ForAllValues:StringEquals")),
            ("stringEqualsIfExist", Some("StringEquals")),
            ("Matches", None),
        ] {
            assert_eq!(meant(name).as_deref(), expected.filter(|_| name != "stringEqualsIfExist"), "{name}");
        }
    }
}
