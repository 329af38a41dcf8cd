//! Asks AWS on behalf of the operator: token, STS, verdict. Limits both the concurrent questions
//! and the questions per second.
//!
//! ```text
//! Question ──► a free place? ──► token (API server) ──► STS ──► core: Verdict
//! ```
//!
//! The function that asks never logs, keeps or forwards a token. The token lives only as long as
//! the function.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use podidentity_core::arn::RoleArn;
use podidentity_core::preflight::{Answered, NoToken, Verdict};
use podidentity_core::step::Question;
use podidentity_core::sts::{self, Endpoint, EndpointError, Region, Request, SessionName};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::sts::{Sts, TokenError, token};

/// Name of the session in CloudTrail.
const SESSION: &str = "podidentity-preflight";

/// Most questions per second. STS answers a few hundred for each account and region.
const PER_SECOND: f64 = 20.0;

/// The STS endpoint to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The public endpoint of a region.
    Region(Region),
    /// A custom endpoint.
    Endpoint(Endpoint),
    /// Neither a region nor an endpoint is known.
    Unknown,
}

/// Asks AWS.
#[derive(Debug)]
pub struct Preflights {
    sts: Sts,
    place: Place,
    places: Semaphore,
    pace: Mutex<Pace>,
}

/// An answer, and how long it took to get it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Question and answer.
    pub answered: Answered,
    /// How long it took.
    pub took: Duration,
}

impl Preflights {
    /// Creates a client that asks at most `at_once` questions at the same time.
    pub fn new(sts: Sts, place: Place, at_once: usize) -> Self {
        Self { sts, place, places: Semaphore::new(at_once), pace: Mutex::new(Pace::full(Instant::now())) }
    }

    /// Asks AWS. `None` if too many questions are under way: the caller asks again later. The call
    /// never waits for a free place, so an STS that does not answer delays no other work.
    pub async fn ask(&self, client: &Client, namespace: &str, question: &Question) -> Option<Asked> {
        let _place = self.places.try_acquire().ok()?;
        let began = Instant::now();
        if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).takes(began) {
            return None;
        }
        let verdict = match self.request(namespace, question) {
            Ok(request) => self.verdict(client, namespace, question, &request).await,
            Err(why) => Verdict::no_endpoint(&why),
        };
        Some(Asked { answered: Answered { question: question.clone(), verdict }, took: began.elapsed() })
    }

    async fn verdict(&self, client: &Client, namespace: &str, question: &Question, request: &Request) -> Verdict {
        let account = &question.account.name;
        let token = match token(client, namespace, account, &question.audience).await {
            Ok(token) => token,
            Err(error) => return Verdict::no_token(&no_token(error), namespace, account),
        };
        let answer = self.sts.assume_role_with_web_identity(request, &token).await;
        let object = format!("pib/{}", question.declared.binding);
        let asked = sts::Question { request, claims: token.claims(), namespace, object: &object, keys: None };
        Verdict::of_answer(&answer, &asked)
    }

    fn request(&self, namespace: &str, question: &Question) -> Result<Request, String> {
        let role: RoleArn = question.role_arn.parse().map_err(|error| format!("spec.roleArn: {error}"))?;
        let endpoint = self.place.endpoint(&role)?;
        let session: SessionName = SESSION.parse().map_err(|error| format!("{error}"))?;
        let subject = format!("system:serviceaccount:{namespace}:{}", question.account.name);
        Ok(Request { role, subject, session, endpoint })
    }
}

impl Place {
    fn endpoint(&self, role: &RoleArn) -> Result<Endpoint, String> {
        match self {
            Self::Endpoint(endpoint) => Ok(endpoint.clone()),
            Self::Region(region) => {
                Endpoint::regional(region, role, false).map_err(|error: EndpointError| error.to_string())
            }
            Self::Unknown => Err("it is not known which region's STS to ask: start the operator with --sts-region \
                                  (PODIDENTITY_STS_REGION)"
                .to_owned()),
        }
    }
}

fn no_token(error: TokenError) -> NoToken {
    match error {
        TokenError::Forbidden { message, .. } => NoToken::Forbidden(message),
        TokenError::Refused { message, .. } => NoToken::Refused(message),
        TokenError::NoAccount { .. } | TokenError::NoToken(_) | TokenError::Other(_) => {
            NoToken::Trouble(error.to_string())
        }
    }
}

/// A token bucket that holds the questions of one second.
#[derive(Debug)]
struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    fn full(at: Instant) -> Self {
        Self { left: PER_SECOND, at }
    }

    fn takes(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND;
        (self.left, self.at) = ((self.left + gained).min(PER_SECOND), now);
        let takes = self.left >= 1.0;
        if takes {
            self.left -= 1.0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_bucket_holds_and_then_as_many_as_it_gains() {
        let began = Instant::now();
        let mut pace = Pace::full(began);
        let mut taken = |after: Duration| (0..100).filter(|_| pace.takes(began + after)).count();
        assert_eq!(taken(Duration::ZERO), 20);
        assert_eq!(taken(Duration::from_millis(500)), 10);
        assert_eq!(taken(Duration::from_mins(10)), 20);
    }

    #[test]
    fn of_another_partition_or_unknown_there_is_no_endpoint() {
        let role: RoleArn = "arn:aws-cn:iam::111122223333:role/a".parse().unwrap();
        let region = Place::Region("eu-central-1".parse().unwrap());
        assert!(region.endpoint(&role).unwrap_err().contains("choose a region of aws-cn"));
        assert!(Place::Unknown.endpoint(&role).unwrap_err().contains("--sts-region"));
        let own = Endpoint::custom("https://sts.example.com", None).unwrap();
        assert_eq!(Place::Endpoint(own.clone()).endpoint(&role).unwrap(), own);
    }
}
