//! The claims of a token. They are not verified here: AWS does that, with the whole token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The claims that AWS looks at, and the key that the token names as its signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// `kid` of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `alg` of the header, for example `RS256`.
    pub algorithm: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    /// `exp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Why the claims cannot be read. It does not quote the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a JSON web token: {0}")]
pub struct NotAToken(&'static str);

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    kid: Option<String>,
    alg: String,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Audiences,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    exp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// Reads the claims of a token without verifying anything.
    pub fn of(token: &str) -> Result<Self, NotAToken> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAToken("it does not have three parts"));
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotAToken("a part is not base64"));
        let wrong = |_| NotAToken("a part is not the JSON of a service account's token");
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(wrong)?;
        let payload: Payload = serde_json::from_slice(&decoded(payload)?).map_err(wrong)?;
        let audiences = match payload.aud {
            Audiences::One(one) => vec![one],
            Audiences::Several(several) => several,
        };
        Ok(Self {
            key_id: header.kid,
            algorithm: header.alg,
            issuer: payload.iss,
            subject: payload.sub,
            audiences,
            issued_at: payload.iat.and_then(time),
            expires_at: payload.exp.and_then(time),
        })
    }
}

/// Seconds since 1970, perhaps with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "it saturates, and no time is that far away")]
fn time(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_are_read_without_the_key() {
        let payload = r#"{"aud":["sts.amazonaws.com"],"exp":1767225600,"iat":1767225000,"iss":"https://example.com",
            "kubernetes.io":{"namespace":"shop"},"sub":"system:serviceaccount:shop:web"}"#;
        let claims = Claims::of(&token(r#"{"alg":"RS256","kid":"k1"}"#, payload)).unwrap();
        let expected = Claims {
            key_id: Some("k1".to_owned()),
            algorithm: "RS256".to_owned(),
            issuer: "https://example.com".to_owned(),
            subject: "system:serviceaccount:shop:web".to_owned(),
            audiences: vec!["sts.amazonaws.com".to_owned()],
            issued_at: Some("2025-12-31T23:50:00Z".parse().unwrap()),
            expires_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        };
        assert_eq!(claims, expected);
        let one = Claims::of(&token(r#"{"alg":"RS256"}"#, r#"{"aud":"a","iss":"i","sub":"s"}"#)).unwrap();
        assert_eq!((one.audiences, one.key_id, one.expires_at), (vec!["a".to_owned()], None, None));
    }

    #[test]
    fn what_is_no_token_is_told_without_its_text() {
        for text in ["", "secret", "a.b", "a.b.c.d", "!.!.!", &token("[]", "{}"), &token(r#"{"alg":"none"}"#, "{}")] {
            let error = Claims::of(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
