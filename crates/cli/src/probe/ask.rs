//! Requests a token from the API server, and sends it to AWS STS.

use std::time::Duration;

use podidentity_cluster::http::connection::Connection;
use podidentity_cluster::sts::{Sts, Token, TokenError, token};
use podidentity_core::sts::{Answer, Claims, Code, Keys, Question as Asked, Request, Retry, SessionName, explain};
use tokio::time::sleep;

use super::outcome::Outcome;
use super::question::Question;
use super::region::Choice;

/// The session name that CloudTrail shows.
const SESSION: &str = "podidentity-probe";
/// The number of retries if the answer may change a moment later.
const RETRIES: u32 = 2;
/// The wait before the first retry. Later waits are longer.
const WAIT: Duration = Duration::from_secs(1);

/// The clients and settings for asking.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) connection: Connection,
    pub(super) sts: Sts,
    pub(super) choice: Choice,
}

/// Why AWS was not asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAsked {
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no region, or the region does not fit.
    #[error("{0}")]
    Endpoint(String),
}

impl Asker {
    /// Asks AWS, and asks again if the answer may change a moment later.
    pub(super) async fn ask(&self, question: Question) -> Result<Outcome, NotAsked> {
        let mut token = self.token(&question).await?;
        let (endpoint, source) =
            self.choice.endpoint(&token.claims().issuer, &question.role).map_err(NotAsked::Endpoint)?;
        let subject = format!("system:serviceaccount:{}:{}", question.namespace, question.account);
        let session: SessionName = SESSION.parse().map_err(|error| NotAsked::Endpoint(format!("{error}")))?;
        let request = Request { role: question.role.clone(), subject, session, endpoint };
        let mut tried = 0;
        let answer = loop {
            let answer = self.sts.assume_role_with_web_identity(&request, &token).await;
            tried += 1;
            match next(&answer) {
                Some(wait) if tried <= RETRIES => sleep(wait * tried).await,
                _ => break answer,
            }
            if answer.retry() == Some(Retry::NewToken) {
                token = self.token(&question).await?;
            }
        };
        let claims = token.claims().clone();
        drop(token);
        let keys = self.keys(&answer, &claims).await;
        let target = question.target.to_string();
        let asked = Asked {
            request: &request,
            claims: &claims,
            namespace: &question.namespace,
            object: &target,
            keys: keys.as_ref(),
        };
        let causes = explain(&answer, &asked);
        Ok(Outcome::new(question, &request, source, claims, &answer, keys, causes))
    }

    async fn token(&self, question: &Question) -> Result<Token, TokenError> {
        token(&self.connection.client, &question.namespace, &question.account, &question.audience).await
    }

    /// Looks for the token's key among the issuer's published keys, if the answer puts the key in
    /// doubt.
    async fn keys(&self, answer: &Answer, claims: &Claims) -> Option<Keys> {
        let Answer::Refused(refusal) = answer else { return None };
        match refusal.code {
            Code::InvalidIdentityToken | Code::IdpCommunication => Some(self.sts.published_keys(claims).await),
            _ => None,
        }
    }
}

/// How long to wait before asking the same question again. `None` means that no retry follows.
fn next(answer: &Answer) -> Option<Duration> {
    match (answer, answer.retry()?) {
        // The user at the terminal has already waited long enough.
        (Answer::Unavailable(_), _) | (_, Retry::Later) => None,
        (_, Retry::NewToken) => Some(Duration::ZERO),
        (_, Retry::Quick | Retry::Backoff) => Some(WAIT),
    }
}
