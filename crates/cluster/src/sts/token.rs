//! Requests a service account's token from the API server.

use std::fmt;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use podidentity_core::foreign::shown;
use podidentity_core::sts::Claims;
use secrecy::{ExposeSecret as _, SecretString};

use crate::read::ReadError;

/// Lifetime of a token in seconds, the minimum that the API server allows.
pub const LIFETIME: i64 = 600;

/// A token. Its `Debug` output hides the text, and dropping it overwrites the memory.
pub struct Token {
    text: SecretString,
    claims: Claims,
}

impl Token {
    /// Parses the text of a token.
    pub fn new(text: String) -> Result<Self, TokenError> {
        let text = SecretString::from(text);
        let claims = Claims::of(text.expose_secret()).map_err(|error| TokenError::NoToken(error.to_string()))?;
        Ok(Self { text, claims })
    }

    /// The claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why no token is available.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The caller lacks the right.
    #[error(
        "you may not create tokens of service account {account} in namespace {namespace}: {}\nAsk for a Role with \
         {{apiGroups: [\"\"], resources: [serviceaccounts/token], resourceNames: [{account}], verbs: [create]}}.",
        shown(.message)
    )]
    Forbidden {
        /// The namespace.
        namespace: String,
        /// The service account.
        account: String,
        /// What the API server says.
        message: String,
    },
    /// There is no such service account.
    #[error("there is no service account {account} in namespace {namespace}: create it first")]
    NoAccount {
        /// The namespace.
        namespace: String,
        /// The service account.
        account: String,
    },
    /// A policy of the cluster forbids the token, or the API server rejects the request.
    #[error(
        "the cluster does not give a token of service account {account} in namespace {namespace}: {}\nA policy of \
         the cluster may limit audience or lifetime of tokens.",
        shown(.message)
    )]
    Refused {
        /// The namespace.
        namespace: String,
        /// The service account.
        account: String,
        /// What the API server says.
        message: String,
    },
    /// The answer contains no token.
    #[error("the API server answers with what {0}")]
    NoToken(String),
    /// The API server does not answer, or its answer is unusable.
    #[error(transparent)]
    Other(#[from] ReadError),
}

/// Asks the API server for a token of a service account, for one audience.
pub async fn token(client: &Client, namespace: &str, account: &str, audience: &str) -> Result<Token, TokenError> {
    let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let spec = TokenRequestSpec {
        audiences: Some(vec![audience.to_owned()]),
        expiration_seconds: Some(LIFETIME),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = api.create_token_request(account, &PostParams::default(), &request).await;
    let answer = answer.map_err(|error| refused(&error, namespace, account))?;
    Token::new(answer.status.and_then(|status| status.token).unwrap_or_default())
}

fn refused(error: &kube::Error, namespace: &str, account: &str) -> TokenError {
    let (namespace, account) = (namespace.to_owned(), account.to_owned());
    let kube::Error::Api(status) = error else {
        return ReadError::of(error, "create", "serviceaccounts/token", Some(&namespace)).into();
    };
    let message = status.message.clone();
    match status.code {
        404 => TokenError::NoAccount { namespace, account },
        // RBAC says that the user cannot create the resource; an admission policy denies a request.
        403 if message.contains(" cannot create resource ") => TokenError::Forbidden { namespace, account, message },
        400 | 403 | 422 => TokenError::Refused { namespace, account, message },
        _ => ReadError::of(error, "create", "serviceaccounts/token", Some(&namespace)).into(),
    }
}
