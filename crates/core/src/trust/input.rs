//! Documents as people have them: from the AWS command line, from IAM's API, from other tools.

use super::json::{Kind, Node, parse};
use super::text::{Input, Place, ReadError, Text};
use crate::arn::RoleArn;

/// The longest input, in bytes. IAM takes documents of 131,072 characters, which percent-encoding
/// makes longer.
pub const MAX_INPUT: usize = 512 * 1024;

/// The end of every message about an input that is not a trust policy.
const POLICY: &str =
    "expected is a trust policy: the output of `aws iam get-role --role-name ROLE`, or the document itself";
/// The end of every message about an input that is not an identity provider.
const PROVIDER: &str =
    "expected is the output of `aws iam get-open-id-connect-provider --open-id-connect-provider-arn ARN`";

/// A trust policy from the input, and the role that it belongs to, if that is known.
pub(super) struct Found {
    pub(super) root: Node,
    pub(super) role: Option<RoleArn>,
}

/// An IAM OpenID Connect provider: the output of `aws iam get-open-id-connect-provider`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// The provider's URL without `https://`.
    pub(super) name: String,
    pub(super) client_ids: Vec<String>,
    pub(super) at: Place,
    pub(super) client_ids_at: Place,
}

impl OidcProvider {
    /// Reads the output of `aws iam get-open-id-connect-provider`.
    pub fn read(text: &str) -> Result<Self, Vec<ReadError>> {
        let (root, expected) = (any(text, PROVIDER)?, PROVIDER);
        let fail = |node: &Node, message: String| vec![ReadError { at: node.at, message }];
        let Some(url) = root.get("Url") else {
            return Err(fail(&root, format!("there is no Url; {expected}")));
        };
        let Some(url_text) = url.as_str() else {
            return Err(fail(url, format!("Url is {}, not a string; {expected}", url.described())));
        };
        let Some(ids) = root.get("ClientIDList") else {
            return Err(fail(&root, format!("there is no ClientIDList; {expected}")));
        };
        let client_ids: Option<Vec<String>> = match &ids.kind {
            Kind::Array(all) => all.iter().map(|id| id.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Some(client_ids) = client_ids else {
            return Err(fail(ids, format!("ClientIDList is not a list of strings; {expected}")));
        };
        let name = super::provider_name(url_text).to_owned();
        Ok(Self { name, client_ids, at: url.at, client_ids_at: ids.at })
    }
}

/// Reads JSON, percent-encoded or not.
fn any(text: &str, expected: &str) -> Result<Node, Vec<ReadError>> {
    let input = Input::new(text);
    let first = |message: String| vec![ReadError { at: input.place(start(text)), message }];
    if text.len() > MAX_INPUT {
        let message = format!("is {} bytes long or more, IAM takes 131,072 at most; {expected}", MAX_INPUT + 1);
        return Err(first(message));
    }
    let body = text.trim_start_matches('\u{feff}').trim();
    if body.is_empty() {
        return Err(first(format!("is empty; {expected}")));
    }
    if body.starts_with('<') {
        return Err(first(format!("is HTML or XML, not JSON, perhaps a page of a proxy; {expected}")));
    }
    let mut source = Text::of(text);
    if text.starts_with('\u{feff}') {
        source = source.from('\u{feff}'.len_utf8());
    }
    if body.starts_with('%') || body.starts_with("{%") {
        source = source.percent_decoded().map_err(|offset| {
            let message = "is no percent-encoding: a % and two hexadecimal digits are expected".to_owned();
            vec![ReadError { at: input.place(offset), message }]
        })?;
    }
    nested(&source, &input, 0).map_err(|mut errors| {
        let first_char = source.decoded.trim_start().chars().next();
        if let (Some(error), Some(c)) = (errors.first_mut(), first_char)
            && !"{[\"".contains(c)
        {
            error.message = format!("{}; {expected}, as JSON (--output json)", error.message);
        }
        errors
    })
}

/// Reads JSON, or JSON in a JSON string, which may be percent-encoded.
fn nested(text: &Text, input: &Input<'_>, depth: usize) -> Result<Node, Vec<ReadError>> {
    let root = parse(text, input).map_err(|error| vec![error])?;
    match &root.kind {
        Kind::String(inner) if depth < 3 && looks_like_json(inner) => unwrap(&root, text, input, depth),
        _ => Ok(expand(root, text, input, depth)?),
    }
}

fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') || text.to_ascii_lowercase().starts_with("%7b") || text.starts_with('"')
}

fn unwrap(string: &Node, text: &Text, input: &Input<'_>, depth: usize) -> Result<Node, Vec<ReadError>> {
    let mut inner = text.unescaped(string.range.start, string.range.end);
    if inner.decoded.trim_start().starts_with('%') || inner.decoded.trim_start().starts_with("{%") {
        inner = inner.percent_decoded().map_err(|offset| {
            let message = "is no percent-encoding: a % and two hexadecimal digits are expected".to_owned();
            vec![ReadError { at: input.place(offset), message }]
        })?;
    }
    nested(&inner, input, depth + 1)
}

/// Expands the document in the output of the command line, which may itself be a JSON string.
fn expand(mut root: Node, text: &Text, input: &Input<'_>, depth: usize) -> Result<Node, Vec<ReadError>> {
    let holder = if root.get("Role").is_some() { root.get_mut("Role") } else { Some(&mut root) };
    let document = holder.and_then(|holder| holder.get_mut(DOCUMENT));
    if let Some(document) = document
        && document.as_str().is_some_and(looks_like_json)
    {
        *document = unwrap(document, text, input, depth)?;
    }
    Ok(root)
}

/// The key of the trust policy in IAM's output about a role.
const DOCUMENT: &str = "AssumeRolePolicyDocument";

/// Reads a trust policy in any of its usual forms.
pub(super) fn find(text: &str) -> Result<Found, Vec<ReadError>> {
    let root = any(text, POLICY)?;
    let fail = |at: Place, message: String| Err(vec![ReadError { at, message }]);
    if !matches!(root.kind, Kind::Object(_)) {
        return fail(root.at, format!("is {}, not an object; {POLICY}", root.described()));
    }
    if let Some(roles) = root.get("Roles") {
        return fail(roles.at, format!("is a list of roles; {POLICY}, of one role"));
    }
    if root.get("ClientIDList").is_some() {
        return fail(root.at, format!("is an identity provider; {POLICY}"));
    }
    if let Some(named) = root.get("PolicyVersion") {
        return fail(named.at, format!("is a policy of permissions; {POLICY}"));
    }
    let holder = root.get("Role").unwrap_or(&root);
    let Some(document) = holder.get(DOCUMENT) else {
        if root.get("Role").is_some() {
            return fail(holder.at, format!("the role has no {DOCUMENT}; {POLICY}"));
        }
        return Ok(Found { root, role: None });
    };
    if !matches!(document.kind, Kind::Object(_)) {
        return fail(document.at, format!("{DOCUMENT} is {}, not an object; {POLICY}", document.described()));
    }
    let role = holder.get("Arn").and_then(Node::as_str).and_then(|arn| arn.parse().ok());
    Ok(Found { root: document.clone(), role })
}

/// The offset of the first character that is not a blank.
fn start(text: &str) -> usize {
    text.len() - text.trim_start().len()
}
