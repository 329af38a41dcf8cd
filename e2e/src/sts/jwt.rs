//! JSON web tokens and the keys that sign them: RS256, as EKS signs, and ES256.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

/// A JSON web key set.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, Deserialize)]
struct Key {
    #[serde(default)]
    kid: Option<String>,
    #[serde(flatten)]
    public: Public,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kty")]
enum Public {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

/// A parsed token; its signature is not verified yet.
pub(super) struct Token {
    header: Header,
    signed: String,
    signature: Vec<u8>,
    /// The claims.
    pub(super) claims: Value,
}

impl Token {
    pub(super) fn read(text: &str) -> Result<Self> {
        let (signed, signature) = text.rsplit_once('.').context("no signature")?;
        let (header, claims) = signed.split_once('.').context("no claims")?;
        Ok(Self {
            header: serde_json::from_slice(&decoded(header)?)?,
            claims: serde_json::from_slice(&decoded(claims)?)?,
            signed: signed.to_owned(),
            signature: decoded(signature)?,
        })
    }

    /// A text claim.
    pub(super) fn text(&self, claim: &str) -> &str {
        self.claims[claim].as_str().unwrap_or_default()
    }

    /// A time claim.
    pub(super) fn seconds(&self, claim: &str) -> Option<i64> {
        self.claims[claim].as_i64()
    }

    /// The audiences.
    pub(super) fn audiences(&self) -> Vec<&str> {
        match &self.claims["aud"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        }
    }
}

impl KeySet {
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("this is no key set")
    }

    /// Fails unless one of the keys has signed the token.
    pub(super) fn verify(&self, token: &Token) -> Result<()> {
        let named = |key: &&Key| token.header.kid.is_none() || key.kid == token.header.kid;
        let key = self.keys.iter().find(named).context("the key of the token is not in the set")?;
        let (message, signature) = (token.signed.as_bytes(), &token.signature);
        let verified = match (&key.public, token.header.alg.as_str()) {
            (Public::Rsa { n, e }, "RS256") => {
                let key = RsaPublicKeyComponents { n: decoded(n)?, e: decoded(e)? };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Public::Ec { crv, x, y }, "ES256") if crv == "P-256" => {
                let point = [vec![4], decoded(x)?, decoded(y)?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (_, algorithm) => bail!("the key does not sign by {algorithm}"),
        };
        verified.ok().context("the signature is wrong")
    }
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).context("not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.2.
    const RS256: (&str, &str) = (
        r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    /// Appendix A.3.
    const ES256: (&str, &str) = (
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );

    #[test]
    fn signatures_of_the_standard_are_verified() {
        for (keys, token) in [RS256, ES256] {
            let (keys, token) = (KeySet::read(keys).unwrap(), Token::read(token).unwrap());
            keys.verify(&token).unwrap();
            assert_eq!(token.text("iss"), "joe");
            assert_eq!(token.seconds("exp"), Some(1_300_819_380));
        }
    }

    #[test]
    fn what_was_changed_or_signed_by_another_key_is_not() {
        for ((keys, token), (other, _)) in [(RS256, ES256), (ES256, RS256)] {
            let changed = token.replacen("joe", "jim", 1).replacen("OjEzMDA4MTkzODAs", "OjEzMDA4MTkzODEs", 1);
            assert_ne!(changed, token);
            let changed = Token::read(&changed).unwrap();
            assert!(KeySet::read(keys).unwrap().verify(&changed).is_err());
            assert!(KeySet::read(other).unwrap().verify(&Token::read(token).unwrap()).is_err());
        }
    }
}
