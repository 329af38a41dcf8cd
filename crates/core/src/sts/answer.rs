//! Answers from STS, or from whatever answers in its place.

use std::fmt;

use jiff::Timestamp;
use roxmltree::{Document, Node, ParsingOptions};

use super::refusal::{Refusal, Retry};
use super::request::Request;
use super::text::kept;
use crate::foreign::Foreign;

/// Maximum number of bytes of an answer that are read; those of STS have about 2,000.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Maximum number of XML elements and texts in an answer.
const MAX_NODES: u32 = 1000;

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The role can be assumed.
    Accepted(Accepted),
    /// STS refuses.
    Refused(Refusal),
    /// Something other than STS answered, or the answer cannot be understood.
    NotAws(NotAws),
    /// There is no answer.
    Unavailable(Unavailable),
}

/// What STS says about the assumed role. The credentials are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// For example `arn:aws:sts::111122223333:assumed-role/my-role/podidentity-probe`.
    pub assumed_role: String,
    /// `aud` of the token.
    pub audience: String,
    /// `sub` of the token: that of the request.
    pub subject: String,
    /// The ARN of the identity provider.
    pub provider: String,
    /// ID of the request at AWS.
    pub request_id: String,
}

/// An answer that is not one of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAws {
    /// An empty answer.
    Empty(u16),
    /// A web page, for example of a proxy, with its title.
    Page(u16, String),
    /// XML that ends too early or is broken.
    BrokenXml(u16),
    /// XML of something else, with the name of its root element.
    OtherXml(u16, String),
    /// Neither XML nor a page.
    Unknown(u16),
    /// More bytes than STS ever sends.
    TooLong(u16),
    /// An answer in the form of STS, but about another role or subject than the requested one.
    SomebodyElse {
        /// The assumed role in the answer.
        assumed_role: String,
        /// The subject in the answer.
        subject: String,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The host has no address.
    NoAddress,
    /// Nothing listens there, or the network path is closed.
    NoConnection,
    /// The server's certificate is not trusted, or the server does not speak TLS.
    NoTls,
    /// The proxy cannot be reached, or does not let the request through.
    Proxy,
    /// The request takes too long.
    TimedOut,
    /// The connection broke off.
    BrokenOff,
}

/// A missing answer, and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// Why.
    pub why: Unreachable,
    message: String,
}

impl Unavailable {
    /// A missing answer. `message`: the words of the operating system or the proxy.
    pub fn new(why: Unreachable, message: &str) -> Self {
        Self { why, message: kept(message) }
    }

    /// The words of the operating system or the proxy.
    pub fn message(&self) -> Foreign<'_> {
        Foreign::new(&self.message)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Unreachable::NoAddress => "the host has no address",
            Unreachable::NoConnection => "there is no connection",
            Unreachable::NoTls => "TLS fails",
            Unreachable::Proxy => "the proxy does not let it through",
            Unreachable::TimedOut => "it takes too long",
            Unreachable::BrokenOff => "the connection breaks off",
        };
        write!(f, "{why}: {}", self.message().line())
    }
}

impl fmt::Display for NotAws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text| Foreign::new(text).line();
        match self {
            Self::Empty(http) => write!(f, "an empty answer (HTTP {http})"),
            Self::Page(http, title) if title.is_empty() => write!(f, "a web page (HTTP {http})"),
            Self::Page(http, title) => write!(f, "a web page with the title {} (HTTP {http})", shown(title)),
            Self::BrokenXml(http) => write!(f, "XML that breaks off (HTTP {http})"),
            Self::OtherXml(http, root) => write!(f, "XML of something else, {} (HTTP {http})", shown(root)),
            Self::Unknown(http) => write!(f, "something that is not XML (HTTP {http})"),
            Self::TooLong(http) => write!(f, "more than {MAX_ANSWER} bytes (HTTP {http})"),
            Self::SomebodyElse { assumed_role, subject } => {
                write!(f, "an answer about somebody else: {} as {}", shown(subject), shown(assumed_role))
            }
        }
    }
}

impl Answer {
    /// Reads an answer. `date`: the time in its header. `body`: at most `MAX_ANSWER` bytes and one
    /// are needed.
    pub fn read(request: &Request, http: u16, date: Option<Timestamp>, body: &[u8]) -> Self {
        if body.len() > MAX_ANSWER {
            return Self::NotAws(NotAws::TooLong(http));
        }
        let Ok(text) = std::str::from_utf8(body) else { return Self::NotAws(NotAws::Unknown(http)) };
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Self::NotAws(NotAws::Empty(http));
        }
        if let Some(title) = page(text) {
            return Self::NotAws(NotAws::Page(http, title));
        }
        if !text.starts_with('<') {
            return Self::NotAws(NotAws::Unknown(http));
        }
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let Ok(document) = Document::parse_with_options(text, options) else {
            return Self::NotAws(NotAws::BrokenXml(http));
        };
        Self::of(request, http, date, document.root_element())
    }

    fn of(request: &Request, http: u16, date: Option<Timestamp>, root: Node<'_, '_>) -> Self {
        let other = || Self::NotAws(NotAws::OtherXml(http, kept(root.tag_name().name())));
        match root.tag_name().name() {
            "AssumeRoleWithWebIdentityResponse" if http == 200 => accepted(request, root).unwrap_or_else(other),
            "ErrorResponse" if http >= 400 => match at(root, &["Error", "Code"]) {
                Some(code) if !code.is_empty() => {
                    let message = at(root, &["Error", "Message"]).unwrap_or_default();
                    let request_id = at(root, &["RequestId"]).unwrap_or_default();
                    Self::Refused(Refusal::new(code, message, request_id, http, date))
                }
                _ => other(),
            },
            _ => other(),
        }
    }

    /// Whether the answer may soon change without anyone acting.
    pub fn is_transient(&self) -> bool {
        self.retry() == Some(Retry::Backoff)
    }

    /// When to ask again; `None` if there is nothing more to ask.
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Accepted(_) => None,
            Self::Refused(refusal) => Some(refusal.retry()),
            Self::NotAws(_) | Self::Unavailable(_) => Some(Retry::Backoff),
        }
    }
}

/// Reads the answer of an assumed role; `None` if a part is missing. An answer about another role
/// or subject is [`NotAws::SomebodyElse`].
fn accepted(request: &Request, root: Node<'_, '_>) -> Option<Answer> {
    let of_result = |path: &[&str]| at(child(root, "AssumeRoleWithWebIdentityResult")?, path);
    let found = Accepted {
        assumed_role: of_result(&["AssumedRoleUser", "Arn"])?,
        audience: of_result(&["Audience"]).unwrap_or_default(),
        subject: of_result(&["SubjectFromWebIdentityToken"])?,
        provider: of_result(&["Provider"]).unwrap_or_default(),
        request_id: at(root, &["ResponseMetadata", "RequestId"]).unwrap_or_default(),
    };
    let role = &request.role;
    let name = role.role().rsplit('/').next().unwrap_or_default();
    // The ARN of a session does not contain the role's path.
    let expected = format!("arn:{}:sts::{}:assumed-role/{name}/{}", role.partition(), role.account(), request.session);
    Some(if found.assumed_role == expected && found.subject == request.subject {
        Answer::Accepted(found)
    } else {
        let Accepted { assumed_role, subject, .. } = found;
        Answer::NotAws(NotAws::SomebodyElse { assumed_role, subject })
    })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

/// The text of an element, bounded and without secrets.
fn at(node: Node<'_, '_>, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(node, |node, name| child(node, name))?;
    Some(kept(found.text().unwrap_or_default()))
}

/// The title, if the text is a web page.
fn page(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start: String = lower.chars().take(1000).collect();
    if !start.starts_with('<') || !["<html", "<!doctype html", "<head", "<body"].iter().any(|it| start.contains(it)) {
        return None;
    }
    // ASCII lowercasing does not change byte offsets.
    let title = lower.find("<title").and_then(|at| {
        let begin = at + lower[at..].find('>')? + 1;
        let end = begin + lower[begin..].find('<')?;
        text.get(begin..end)
    });
    Some(kept(title.unwrap_or_default()))
}
