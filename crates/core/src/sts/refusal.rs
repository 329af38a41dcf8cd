//! Errors of STS.

use std::fmt;

use jiff::Timestamp;

use crate::foreign::Foreign;

/// The most characters of a message of AWS that are shown.
const MESSAGE_LIMIT: usize = 500;

/// What an error code means; the words beside it may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Role or trust policy; AWS does not tell which.
    AccessDenied,
    /// Identity provider, audience or keys; AWS does not tell which.
    InvalidIdentityToken,
    /// By the clock of AWS.
    ExpiredToken,
    /// A parameter of the request is not formed as it should be.
    ValidationError,
    /// STS is off in the region, for this account.
    RegionDisabled,
    /// Too many requests, of whomever.
    Throttled,
    /// AWS cannot reach the issuer.
    IdpCommunication,
    /// Any other.
    Other(String),
}

impl Code {
    fn of(name: &str) -> Self {
        match name {
            "AccessDenied" | "AccessDeniedException" => Self::AccessDenied,
            "InvalidIdentityToken" | "InvalidIdentityTokenException" => Self::InvalidIdentityToken,
            "ExpiredToken" | "ExpiredTokenException" => Self::ExpiredToken,
            "ValidationError" | "ValidationException" => Self::ValidationError,
            "RegionDisabled" | "RegionDisabledException" => Self::RegionDisabled,
            "RequestLimitExceeded" | "SlowDown" | "TooManyRequestsException" => Self::Throttled,
            "IDPCommunicationError" | "IDPCommunicationErrorException" => Self::IdpCommunication,
            name if name.starts_with("Throttl") => Self::Throttled,
            name => Self::Other(name.to_owned()),
        }
    }
}

/// STS refuses.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub code: Code,
    /// The status of HTTP.
    pub http: u16,
    /// The time by the clock of AWS.
    pub date: Option<Timestamp>,
    name: String,
    message: String,
    request_id: String,
}

/// When it makes sense to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After some seconds, then after longer: it passes by itself.
    Backoff,
    /// Once or twice, after a second: AWS may have been slow to fetch the keys. Then somebody has to act.
    Quick,
    /// At once, with a new token. Then somebody has to act.
    NewToken,
    /// When somebody has acted, or a change in IAM has spread.
    Later,
}

impl Refusal {
    /// Of texts that are bounded and without secrets.
    pub(super) fn new(name: String, message: String, request_id: String, http: u16, date: Option<Timestamp>) -> Self {
        Self { code: Code::of(&name), http, date, name, message, request_id }
    }

    /// The code as AWS writes it.
    pub fn name(&self) -> Foreign<'_> {
        Foreign::new(&self.name)
    }

    /// The message, in AWS's words.
    pub fn message(&self) -> Foreign<'_> {
        Foreign::new(&self.message).up_to(MESSAGE_LIMIT)
    }

    /// What AWS knows the request by.
    pub fn request_id(&self) -> Foreign<'_> {
        Foreign::new(&self.request_id)
    }

    /// Whether it passes by itself, soon.
    pub fn is_transient(&self) -> bool {
        self.retry() == Retry::Backoff
    }

    /// When to ask again.
    pub fn retry(&self) -> Retry {
        match self.code {
            Code::Throttled | Code::IdpCommunication => Retry::Backoff,
            _ if self.http >= 500 => Retry::Backoff,
            Code::InvalidIdentityToken => Retry::Quick,
            Code::ExpiredToken => Retry::NewToken,
            Code::AccessDenied | Code::ValidationError | Code::RegionDisabled | Code::Other(_) => Retry::Later,
        }
    }

    /// Whether the message has this in it: a hint, which orders causes and decides nothing.
    pub(super) fn hints(&self, word: &str) -> bool {
        self.message.to_ascii_lowercase().contains(word)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}

/// AWS's words.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (HTTP {}", self.name().line(), self.message().line(), self.http)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id().line())?;
        }
        f.write_str(")")
    }
}
