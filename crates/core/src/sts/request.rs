//! The request to STS.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use super::endpoint::Endpoint;
use crate::arn::RoleArn;
use crate::foreign::shown;

/// All characters except those that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The shortest session that STS grants. Every role allows it.
const DURATION_SECONDS: &str = "900";

/// A session policy that denies everything, so that the credentials in the answer are useless,
/// whatever the role allows.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// The name of a session, which CloudTrail shows: 2 to 64 characters of `[\w+=,.@-]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(String);

/// Why a text is not a session name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is no name of a session: it takes 2 to 64 letters, digits or characters of _+=,.@-", shown(.0))]
pub struct SessionError(String);

impl FromStr for SessionName {
    type Err = SessionError;

    fn from_str(text: &str) -> Result<Self, SessionError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        let right = (2..=64).contains(&text.len()) && text.bytes().all(allowed);
        if right { Ok(Self(text.to_owned())) } else { Err(SessionError(text.to_owned())) }
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SessionName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The question whether a service account's token lets it assume a role. It does not contain the
/// token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The role.
    pub role: RoleArn,
    /// Subject of the token: `system:serviceaccount:NAMESPACE:NAME`. An answer about another
    /// subject does not count.
    pub subject: String,
    /// The name of the session.
    pub session: SessionName,
    /// Where the request is sent.
    pub endpoint: Endpoint,
}

impl Request {
    /// Content type of the body.
    pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

    /// The body, which contains the token: it must not be logged.
    pub fn form(&self, token: &str) -> String {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("DurationSeconds", DURATION_SECONDS),
            ("Policy", NOTHING),
            ("RoleArn", self.role.as_str()),
            ("RoleSessionName", self.session.as_str()),
            ("WebIdentityToken", token),
        ];
        let encoded = fields.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
        encoded.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        let request = Request {
            role: "arn:aws:iam::111122223333:role/a/b+c=d,e.f@g-h_i".parse().unwrap(),
            subject: "system:serviceaccount:shop:web".to_owned(),
            session: "podidentity-probe".parse().unwrap(),
            endpoint: Endpoint::custom("http://127.0.0.1:1", None).unwrap(),
        };
        let expected = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&DurationSeconds=900&Policy=%7B%22Version%22%3A\
                        %222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22%2A%22%2C\
                        %22Resource%22%3A%22%2A%22%7D%5D%7D&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fa%2Fb%2Bc%3Dd%2C\
                        e.f%40g-h_i&RoleSessionName=podidentity-probe&WebIdentityToken=a.b-c_d~%2B%20%26%C3%A4";
        assert_eq!(request.form("a.b-c_d~+ &ä"), expected);
    }

    #[test]
    fn names_of_sessions_are_those_that_sts_takes() {
        for text in ["ab", "podidentity-probe", "a_+=,.@-9", &"x".repeat(64)] {
            assert_eq!(text.parse::<SessionName>().unwrap().as_str(), text);
        }
        for text in ["", "a", "a b", "a/b", "ä-", "a\n", &"x".repeat(65)] {
            assert!(text.parse::<SessionName>().is_err(), "{text:?}");
        }
    }
}
