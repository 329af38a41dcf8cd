//! An issuer's public documents, fetched without credentials as AWS fetches them.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use podidentity_core::sts::{Claims, Keys, MAX_DOCUMENT, discovered_keys, discovery_url, find_key};

use super::{Reply, Sts};

impl Sts {
    /// Looks for the key of a token among the keys that its issuer publishes.
    pub async fn published_keys(&self, claims: &Claims) -> Keys {
        let url = discovery_url(&claims.issuer);
        let document = match self.document(&url).await {
            Ok(document) => document,
            Err(why) => return Keys::nothing(&url, &why),
        };
        let url = match discovered_keys(&claims.issuer, &url, &document) {
            Ok(url) => url,
            Err(keys) => return keys,
        };
        match self.document(&url).await {
            Ok(document) => find_key(claims.key_id.as_deref(), &url, &document),
            Err(why) => Keys::nothing(&url, &why),
        }
    }

    async fn document(&self, url: &str) -> Result<Bytes, String> {
        // AWS accepts only https.
        if !url.starts_with("https://") {
            return Err("does not begin with https://, and AWS fetches no others".to_owned());
        }
        let request = http::Request::builder().method(Method::GET).uri(url);
        match self.reply(request, Full::default(), MAX_DOCUMENT).await {
            Ok(Reply { http: 200, body: Some(body), .. }) => Ok(body),
            Ok(Reply { body: None, .. }) => Err(format!("has more than {MAX_DOCUMENT} bytes")),
            Ok(Reply { http, .. }) => Err(format!("HTTP {http}")),
            Err(unavailable) => Err(unavailable.to_string()),
        }
    }
}
