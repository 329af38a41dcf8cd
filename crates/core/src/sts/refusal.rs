//! Errors of STS.

use std::fmt;

use jiff::Timestamp;

use crate::foreign::Foreign;

/// Maximum number of characters of an AWS message that are shown.
const MESSAGE_LIMIT: usize = 500;

/// The meaning of an error code. The message next to the code may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// The role or its trust policy is the problem; AWS does not say which.
    AccessDenied,
    /// The identity provider, the audience or the keys are the problem; AWS does not say which.
    InvalidIdentityToken,
    /// The token has expired by the clock of AWS.
    ExpiredToken,
    /// A parameter of the request is malformed.
    ValidationError,
    /// STS is switched off in the region, for this account.
    RegionDisabled,
    /// There are too many requests, whoever makes them.
    Throttled,
    /// AWS cannot reach the issuer.
    IdpCommunication,
    /// Any other code.
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

/// A refusal by STS.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The meaning of its error code.
    pub code: Code,
    /// The HTTP status code.
    pub http: u16,
    /// The time of the answer, by the clock of AWS.
    pub date: Option<Timestamp>,
    name: String,
    message: String,
    request_id: String,
}

/// When it makes sense to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After some seconds, then after longer waits: the problem passes by itself.
    Backoff,
    /// Once or twice, after a second: AWS may have been slow to fetch the keys. Then somebody has to act.
    Quick,
    /// At once, with a new token. Then somebody has to act.
    NewToken,
    /// After somebody has acted, or after a change in IAM has spread.
    Later,
}

impl Refusal {
    /// A refusal. The texts have to be bounded and free of secrets.
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

    /// ID of the request at AWS.
    pub fn request_id(&self) -> Foreign<'_> {
        Foreign::new(&self.request_id)
    }

    /// Whether the refusal soon passes by itself.
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

    /// Whether the message contains this text. This is a hint, which only orders causes.
    pub(super) fn hints(&self, word: &str) -> bool {
        self.message.to_ascii_lowercase().contains(word)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}

/// Code, message and request ID, as AWS writes them.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (HTTP {}", self.name().line(), self.message().line(), self.http)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id().line())?;
        }
        f.write_str(")")
    }
}
