//! Verdicts, which may be undecided.

use std::fmt;

use serde::Serialize;

/// Whether the role can be assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Verdict {
    /// It can.
    Allow,
    /// It cannot.
    Deny,
    /// The document alone does not tell; the doubts say why.
    NotSure,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why something is not sure: independent evaluators disagree, or the answer is not in the
/// document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Doubt {
    /// IAM refuses to save such a document.
    Refused,
    /// A condition on something that only the request has, such as its address.
    RequestKey,
    /// A policy variable in a value.
    PolicyVariable,
    /// An operator for numbers, dates, addresses or ARNs on a value of another type.
    TypedOperator,
    /// A set operator with `IfExists`.
    SetOperatorIfExists,
    /// `ForAnyValue` with a negated operator and an absent key.
    NegatedSetOperator,
    /// `Null` with anything but a single `true` or `false`.
    NullValues,
    /// A number or boolean where a string is compared.
    ValueType,
    /// No value at all.
    NoValues,
    /// Letters beyond ASCII in a comparison that ignores case.
    CaseBeyondAscii,
    /// The principal is everybody: it is not sure whether that includes a token.
    AnyPrincipal,
    /// The given identity provider is not that of the token.
    OtherProvider,
}

impl Doubt {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::RequestKey => "RequestKey",
            Self::PolicyVariable => "PolicyVariable",
            Self::TypedOperator => "TypedOperator",
            Self::SetOperatorIfExists => "SetOperatorIfExists",
            Self::NegatedSetOperator => "NegatedSetOperator",
            Self::NullValues => "NullValues",
            Self::ValueType => "ValueType",
            Self::NoValues => "NoValues",
            Self::CaseBeyondAscii => "CaseBeyondAscii",
            Self::AnyPrincipal => "AnyPrincipal",
            Self::OtherProvider => "OtherProvider",
        }
    }
}

/// Whether something matches a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may: the class of the doubt, and the doubt in words.
    NotSure(Doubt, String),
}

impl Match {
    /// Yes or no.
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Both match. A no decides, even if the other is not sure.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, other) | (other, Self::Yes) => other,
            (doubt, _) => doubt,
        }
    }

    /// At least one of both matches. A yes decides.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, other) | (other, Self::No) => other,
            (doubt, _) => doubt,
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            doubt @ Self::NotSure(..) => doubt,
        }
    }

    /// Whether at least one matches.
    pub(super) fn any(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::No, Self::or)
    }

    /// Whether all match.
    pub(super) fn all(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::Yes, Self::and)
    }
}
