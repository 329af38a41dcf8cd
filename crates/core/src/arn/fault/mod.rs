//! Why a text is not the ARN of a role: one variant for each cause, each with its own message.

#[cfg(test)]
mod tests;

use std::fmt;

use super::{is_account, is_partition};

/// The cause. If there are several, the one that explains the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Empty,
    /// A template that was not rendered; the value is the beginning of its placeholder.
    Placeholder(&'static str),
    /// A word in capitals that stands for a value.
    Stands(&'static str),
    LineFeed,
    BlankAround,
    BlankInside,
    Quotes,
    Backslash,
    TrailingSlash,
    Capitals,
    /// A word such as `null` or `TODO`.
    Unfilled,
    /// The annotation's key is in its value.
    Key,
    /// A comment is a part of the text.
    Comment,
    /// An attribute of another tool's resource, such as `Role.Arn`.
    Reference,
    /// More than one ARN.
    Several,
    /// The ID that IAM gives a role.
    Id,
    /// An account alone.
    AccountAlone,
    /// What `terraform plan` shows for an unknown value.
    Plan,
    /// A value that SOPS has encrypted.
    Encrypted,
    Wildcard,
    Name,
    Path,
    NoScheme,
    Session,
    Service,
    Partition,
    Region,
    OneColon,
    AccountMissing,
    AccountDashes,
    AccountAsNumber,
    AccountShort(usize),
    Account,
    InstanceProfile,
    /// Something else in IAM.
    Resource(&'static str),
    Association,
    NoRole,
    RoleColon,
    RoleCapital,
    NoName,
    Name64,
    Characters,
}

/// How placeholders of templates begin: Terraform and shells, Helm and Go, Kubernetes and make, documentation, others.
const PLACEHOLDERS: [&str; 9] = ["${", "{{", "$(", "<", "%{", "@@", "__", "[[", "$"];
/// Words of documentation that stand for a value.
const STANDS: [&str; 10] = [
    "ACCOUNT_ID",
    "ACCOUNTID",
    "AWS_ACCOUNT",
    "ACCOUNT",
    "ROLE_NAME",
    "ROLENAME",
    "REPLACE",
    "CHANGEME",
    "YOUR_",
    "XXXX",
];

/// Words that tools and people write for a value that is missing, in lower case.
const UNFILLED: [&str; 10] =
    ["null", "none", "nil", "undefined", "todo", "tbd", "fixme", "n/a", "changeme", "change-me"];
/// What else in IAM has an ARN.
const RESOURCES: [(&str, &str); 8] = [
    ("user/", "a user"),
    ("group/", "a group"),
    ("policy/", "a policy"),
    ("root", "the account itself"),
    ("oidc-provider/", "an identity provider"),
    ("saml-provider/", "an identity provider"),
    ("server-certificate/", "a certificate"),
    ("mfa/", "an MFA device"),
];

impl Fault {
    /// The fault of a text that is not the ARN of a role.
    pub(super) fn of(text: &str) -> Self {
        surface(text).unwrap_or_else(|| structure(text))
    }

    /// What to do about it.
    pub(super) fn advice(self, text: &str) -> String {
        let whole = |name: &str| format!("write the whole ARN: arn:aws:iam::ACCOUNT:role/{}", name.trim_matches('/'));
        match self {
            Self::Empty | Self::Placeholder(_) | Self::Stands(_) | Self::Unfilled | Self::Reference => {
                "fill it in where the manifest is made: arn:aws:iam::ACCOUNT:role/NAME".to_owned()
            }
            Self::LineFeed => "in YAML write the text on the line of its key, or after >- instead of | or >".to_owned(),
            Self::BlankAround | Self::BlankInside => "take the blank out".to_owned(),
            Self::Quotes => "take the inner quotes out".to_owned(),
            Self::Backslash => "take the backslash out".to_owned(),
            Self::TrailingSlash => "take the slash at the end off".to_owned(),
            Self::Capitals => "write arn:aws:iam: in lower case".to_owned(),
            Self::Name | Self::Path => whole(text.strip_prefix("role/").unwrap_or(text)),
            Self::OneColon => "there are two colons between iam and the account".to_owned(),
            Self::Session => "write the role's: arn:aws:iam::ACCOUNT:role/ROLE".to_owned(),
            Self::AccountAsNumber => {
                "put the account in quotes wherever it is given, so that it stays a text".to_owned()
            }
            Self::AccountShort(_) => {
                "add the missing digit; if it is a zero at the front, a number has lost it: put the account in quotes \
                 wherever it is given"
                    .to_owned()
            }
            Self::AccountAlone => whole("ROLE"),
            Self::Plan => "render the manifest after terraform apply, which knows the ARN".to_owned(),
            Self::Encrypted => "decrypt the file before it is applied or linted".to_owned(),
            Self::Region => "leave the region out: arn:aws:iam::ACCOUNT:role/ROLE".to_owned(),
            Self::Name64 => "shorten the name, or write the one that the role has".to_owned(),
            Self::Wildcard => "write the name of one role".to_owned(),
            Self::AccountDashes => "write the account without hyphens".to_owned(),
            Self::InstanceProfile => "write the ARN of the role in the profile, after :role/".to_owned(),
            Self::Key => "write the ARN alone as the value".to_owned(),
            Self::Comment => "take the comment out; outside of quotes a blank before # begins it".to_owned(),
            Self::Several => "write one ARN: a service account has one role".to_owned(),
            Self::Id => "write the role's ARN: aws iam list-roles shows it beside its ID".to_owned(),
            Self::Association => "write the ARN of the role that the association names".to_owned(),
            Self::RoleColon => "write :role/ instead of :role:".to_owned(),
            Self::RoleCapital => "write :role/ in lower case".to_owned(),
            Self::NoScheme
            | Self::Service
            | Self::Partition
            | Self::AccountMissing
            | Self::Account
            | Self::Resource(_)
            | Self::NoRole
            | Self::NoName
            | Self::Characters => "write arn:aws:iam::ACCOUNT:role/ROLE".to_owned(),
        }
    }
}

/// A fault that is visible without looking at the parts of the ARN.
fn surface(text: &str) -> Option<Fault> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Some(Fault::Empty);
    }
    if let Some(mark) = PLACEHOLDERS.into_iter().find(|mark| text.contains(mark)) {
        return Some(Fault::Placeholder(mark));
    }
    if let Some(word) = STANDS.into_iter().find(|word| text.contains(word)) {
        return Some(Fault::Stands(word));
    }
    if text.contains(['\n', '\r']) {
        return Some(Fault::LineFeed);
    }
    if text.contains(['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        return Some(Fault::Quotes);
    }
    if text.contains('\\') {
        return Some(Fault::Backslash);
    }
    if trimmed.len() != text.len() {
        return Some(Fault::BlankAround);
    }
    if let Some(fault) = meant(text) {
        return Some(fault);
    }
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')) {
        return Some(Fault::BlankInside);
    }
    let lower = text.to_lowercase();
    (lower.starts_with("arn:aws") && !text.starts_with("arn:aws")).then_some(Fault::Capitals)
}

/// Whether a text stands for a value that is missing.
pub(crate) fn is_unfilled(text: &str) -> bool {
    UNFILLED.contains(&text.trim().to_lowercase().as_str())
}

/// A text that says by itself what its author had in mind.
fn meant(text: &str) -> Option<Fault> {
    let lower = text.to_lowercase();
    if is_unfilled(text) {
        return Some(Fault::Unfilled);
    }
    if text.contains("/role-arn:") || text.starts_with("role-arn:") {
        return Some(Fault::Key);
    }
    if text.contains(" #") {
        return Some(Fault::Comment);
    }
    if text.contains("(known after apply)") {
        return Some(Fault::Plan);
    }
    if text.starts_with("ENC[") {
        return Some(Fault::Encrypted);
    }
    if is_account(text) {
        return Some(Fault::AccountAlone);
    }
    if text.starts_with('!') || !text.contains(':') && lower.rsplit_once('.').is_some_and(|(_, end)| end == "arn") {
        return Some(Fault::Reference);
    }
    if text.matches("arn:aws").count() > 1 {
        return Some(Fault::Several);
    }
    let is_id = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (is_id && text.starts_with("AROA")).then_some(Fault::Id)
}

/// The first wrong part, from the left.
fn structure(text: &str) -> Fault {
    if !text.contains(':') {
        return if text.contains('/') { Fault::Path } else { Fault::Name };
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    if part(0) != "arn" {
        return Fault::NoScheme;
    }
    if !is_partition(part(1)) {
        return Fault::Partition;
    }
    if part(2) == "sts" && text.contains(":assumed-role/") {
        return Fault::Session;
    }
    if part(2) == "eks" && part(5).starts_with("podidentityassociation/") {
        return Fault::Association;
    }
    if part(2) != "iam" {
        return Fault::Service;
    }
    let resource = part(5);
    // Policies of AWS itself have its name in place of an account.
    let other = RESOURCES.into_iter().find(|(start, _)| resource.starts_with(start));
    if let Some((_, what)) = other.filter(|_| part(3).is_empty() && (is_account(part(4)) || part(4) == "aws")) {
        return Fault::Resource(what);
    }
    if is_account(part(3)) {
        return Fault::OneColon;
    }
    if !part(3).is_empty() {
        return Fault::Region;
    }
    if let Some(fault) = account(part(4)) {
        return fault;
    }
    if resource.starts_with("instance-profile/") {
        return Fault::InstanceProfile;
    }
    if resource.starts_with("role:") {
        return Fault::RoleColon;
    }
    match resource.strip_prefix("role/") {
        None if resource.to_lowercase().starts_with("role/") => Fault::RoleCapital,
        None => Fault::NoRole,
        Some("" | "/") => Fault::NoName,
        Some(role) if role.ends_with('/') => Fault::TrailingSlash,
        Some(role) if role.rsplit('/').next().is_some_and(|name| name.len() > 64) => Fault::Name64,
        Some(role) if role.contains('*') => Fault::Wildcard,
        Some(_) => Fault::Characters,
    }
}

fn account(text: &str) -> Option<Fault> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text {
        _ if is_account(text) => None,
        "" => Some(Fault::AccountMissing),
        _ if digits == 12 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            Some(Fault::AccountDashes)
        }
        _ if digits == text.len() && (8..12).contains(&digits) => Some(Fault::AccountShort(digits)),
        _ if text.contains("e+") || text.parse::<f64>().is_ok_and(|_| text.contains('.')) => {
            Some(Fault::AccountAsNumber)
        }
        _ => Some(Fault::Account),
    }
}

impl fmt::Display for Fault {
    #[expect(clippy::too_many_lines, reason = "a table with a line for each fault")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder(mark) => return write!(f, "it has a placeholder ({mark}) that nothing filled in"),
            Self::Stands(word) => return write!(f, "{word} in it stands for a value that nobody filled in"),
            Self::AccountShort(digits) => {
                return write!(f, "its account does not have 12 digits but {digits}");
            }
            Self::Resource(what) => return write!(f, "it is that of {what} and does not name a role"),
            _ => {}
        }
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::LineFeed => "it has a line feed in it",
            Self::BlankAround => "it has a blank at its beginning or end",
            Self::BlankInside => "it has a blank inside",
            Self::Quotes => "it has quotes as a part of the text",
            Self::Backslash => "it has a backslash in it",
            Self::TrailingSlash => "it ends with a slash",
            Self::Capitals => "arn:aws:iam: is not in lower case",
            Self::Unfilled => "it stands for a value that nobody filled in",
            Self::Key => "it has the key of the annotation in it",
            Self::Comment => "it has a comment in it",
            Self::Reference => "it is a reference to an attribute that nothing has resolved",
            Self::Several => "it has more than one ARN in it",
            Self::Id => "it is the ID of a role",
            Self::AccountAlone => "it is an account",
            Self::Plan => "it is what terraform plan shows for a value that is not known yet",
            Self::Encrypted => "it is encrypted by SOPS",
            Self::Wildcard => "its path or name has a *, and only policies match more than one role",
            Self::Association => "it is that of an association of EKS Pod Identity and does not name a role",
            Self::RoleCapital => "it does not name a role: role/ is not in lower case",
            Self::Name => "it is a bare name and does not begin with arn:",
            Self::Path => "it is a bare path and does not begin with arn:",
            Self::NoScheme => "it does not begin with arn:",
            Self::Session => "it is that of a session, of the service sts",
            Self::Service => "its service is not iam: write arn:aws:iam::ACCOUNT:role/ROLE",
            Self::Partition => "its partition is not aws, aws-cn, aws-us-gov or another aws-*",
            Self::Region => "it has a region, which roles do not have",
            Self::OneColon => "a colon is missing between iam and the account",
            Self::AccountMissing => "its account is missing and does not have 12 digits",
            Self::AccountDashes => "its account has hyphens and not only 12 digits",
            Self::AccountAsNumber => "its account does not have 12 digits: it was taken for a number and rounded",
            Self::Account => "its account does not have 12 digits",
            Self::InstanceProfile => "it is that of an instance profile and does not name a role",
            Self::NoRole => "it does not name a role: write ...:role/ROLE",
            Self::RoleColon => "it does not name a role: a colon stands where a slash has to be",
            Self::NoName => "its path or name is missing after role/",
            Self::Name64 => "the name of the role is longer than 64 characters",
            Self::Characters => {
                "its path or name has other characters than letters, digits and _+=,.@-, or an empty part"
            }
            Self::Placeholder(_) | Self::Stands(_) | Self::AccountShort(_) | Self::Resource(_) => "",
        })
    }
}
