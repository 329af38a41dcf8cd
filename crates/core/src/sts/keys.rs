//! The public keys of an issuer, as AWS fetches them: the discovery document, and the keys that it names.

use serde::{Deserialize, Serialize};

use super::text::kept;

/// Maximum number of bytes of a document that are read; those of EKS have about 1,000.
pub const MAX_DOCUMENT: usize = 256 * 1024;

/// The result of looking for a token's key among the keys that its issuer publishes. The lookup is
/// not made by AWS: a document that is reachable from here may be unreachable for AWS, and vice
/// versa.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all_fields = "camelCase")]
pub enum Keys {
    /// The key is published.
    Key,
    /// The documents are there, but not the key.
    OtherKeys {
        /// Where the keys are published.
        url: String,
        /// The keys that are published, by `kid`.
        key_ids: Vec<String>,
    },
    /// The discovery document is that of another issuer.
    OtherIssuer {
        /// Where the document is.
        url: String,
        /// The issuer that it names.
        issuer: String,
    },
    /// One of the documents cannot be fetched or read.
    Nothing {
        /// Where that document is.
        url: String,
        /// Why.
        why: String,
    },
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    kid: Option<String>,
}

impl Keys {
    /// A document that could not be fetched or read.
    pub fn nothing(url: &str, why: &str) -> Self {
        Self::Nothing { url: url.to_owned(), why: kept(why) }
    }
}

/// Where the discovery document of an issuer is.
pub fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Where the issuer publishes its keys, as the discovery document at `url` says.
pub fn discovered_keys(issuer: &str, url: &str, document: &[u8]) -> Result<String, Keys> {
    let document: Discovery = serde_json::from_slice(document)
        .map_err(|error| Keys::nothing(url, &format!("it is not the JSON of a discovery document: {error}")))?;
    // AWS compares the whole text: if the issuer ends with a slash, the issuer in its document has
    // to end with a slash too.
    if document.issuer != issuer {
        return Err(Keys::OtherIssuer { url: url.to_owned(), issuer: kept(&document.issuer) });
    }
    Ok(document.jwks_uri)
}

/// Looks for a key in the key set at `url`.
pub fn find_key(key_id: Option<&str>, url: &str, document: &[u8]) -> Keys {
    let set: KeySet = match serde_json::from_slice(document) {
        Ok(set) => set,
        Err(error) => return Keys::nothing(url, &format!("it is not the JSON of a key set: {error}")),
    };
    let known = || set.keys.iter().filter_map(|key| key.kid.as_deref());
    if key_id.is_some_and(|key_id| known().any(|kid| kid == key_id)) {
        return Keys::Key;
    }
    Keys::OtherKeys { url: url.to_owned(), key_ids: known().take(20).map(kept).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://oidc.example.com/id/1";

    #[test]
    fn the_document_names_the_place_of_the_keys() {
        let url = discovery_url(ISSUER);
        assert_eq!(url, "https://oidc.example.com/id/1/.well-known/openid-configuration");
        let found = |text: &str| discovered_keys(ISSUER, &url, text.as_bytes());
        let right = r#"{"issuer":"https://oidc.example.com/id/1","jwks_uri":"https://oidc.example.com/keys"}"#;
        assert_eq!(found(right).unwrap(), "https://oidc.example.com/keys");
        let other = r#"{"issuer":"https://oidc.example.com/id/1/","jwks_uri":""}"#;
        assert!(matches!(found(other), Err(Keys::OtherIssuer { issuer, .. }) if issuer == format!("{ISSUER}/")));
        for text in ["", "<html>", "{}", "[]"] {
            assert!(matches!(found(text), Err(Keys::Nothing { .. })), "{text}");
        }
    }

    #[test]
    fn the_key_is_looked_for_by_its_id() {
        let set = r#"{"keys":[{"kid":"a","kty":"RSA"},{"kty":"RSA"},{"kid":"b"}]}"#;
        let found = |key_id| find_key(key_id, "https://h/keys", set.as_bytes());
        assert_eq!(found(Some("b")), Keys::Key);
        let others =
            Keys::OtherKeys { url: "https://h/keys".to_owned(), key_ids: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(found(Some("c")), others);
        assert_eq!(found(None), others);
        assert!(matches!(find_key(Some("a"), "https://h/keys", b"{}"), Keys::Nothing { .. }));
    }
}
