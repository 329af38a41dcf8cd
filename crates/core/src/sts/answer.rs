//! Answers of STS, and of whoever answers in its place.

use std::fmt;

use jiff::Timestamp;
use roxmltree::{Document, Node, ParsingOptions};

use super::refusal::{Refusal, Retry};
use super::request::Request;
use super::text::kept;
use crate::foreign::Foreign;

/// The most bytes of an answer that are read; those of STS have some 2,000.
pub const MAX_ANSWER: usize = 64 * 1024;
/// The most elements and texts of an answer.
const MAX_NODES: u32 = 1000;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The role can be assumed.
    Accepted(Accepted),
    /// STS refuses.
    Refused(Refusal),
    /// Somebody else has answered, or nobody whom this product understands.
    NotAws(NotAws),
    /// No answer.
    Unavailable(Unavailable),
}

/// What STS tells of the role that was assumed. The credentials are gone.
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
    /// What AWS knows the request by.
    pub request_id: String,
}

/// An answer that is not one of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAws {
    /// Nothing.
    Empty(u16),
    /// A page for people, such as a proxy's; with its title.
    Page(u16, String),
    /// XML that ends too early or is broken.
    BrokenXml(u16),
    /// XML of something else; with the name of its root.
    OtherXml(u16, String),
    /// Neither XML nor a page.
    Unknown(u16),
    /// More than STS ever says.
    TooLong(u16),
    /// STS's own form, but about another role or subject than was asked for.
    SomebodyElse {
        /// The role that was assumed, as the answer has it.
        assumed_role: String,
        /// The subject.
        subject: String,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The host has no address.
    NoAddress,
    /// Nobody listens there, or the way is closed.
    NoConnection,
    /// The certificate of the server is not trusted, or it speaks no TLS.
    NoTls,
    /// The proxy cannot be reached, or does not let the request through.
    Proxy,
    /// It takes too long.
    TimedOut,
    /// The connection broke off.
    BrokenOff,
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// Why.
    pub why: Unreachable,
    message: String,
}

impl Unavailable {
    /// With the words of whoever says so: the operating system, the proxy.
    pub fn new(why: Unreachable, message: &str) -> Self {
        Self { why, message: kept(message) }
    }

    /// The words.
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
    /// Reads an answer. `date` is what its header says; of the body no more than `MAX_ANSWER` bytes and one are needed.
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

    /// Whether it may be another one soon, without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        self.retry() == Some(Retry::Backoff)
    }

    /// When to ask again; `None`: there is nothing more to ask.
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Accepted(_) => None,
            Self::Refused(refusal) => Some(refusal.retry()),
            Self::NotAws(_) | Self::Unavailable(_) => Some(Retry::Backoff),
        }
    }
}

/// What is told of the role, if it is the one of the request.
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
    // The ARN of a session has no path.
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

/// The title, if this is a page for people.
fn page(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start: String = lower.chars().take(1000).collect();
    if !start.starts_with('<') || !["<html", "<!doctype html", "<head", "<body"].iter().any(|it| start.contains(it)) {
        return None;
    }
    // Letters keep their number of bytes in lower case of ASCII.
    let title = lower.find("<title").and_then(|at| {
        let begin = at + lower[at..].find('>')? + 1;
        let end = begin + lower[begin..].find('<')?;
        text.get(begin..end)
    });
    Some(kept(title.unwrap_or_default()))
}
