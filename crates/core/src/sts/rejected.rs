//! Causes for which AWS rejects a token: its issuer, its audience, its key, its time.

use jiff::{SignedDuration, Timestamp};

use super::explain::{Cause, Question, Weight, ordered, word};
use super::keys::{Keys, discovery_url};
use super::refusal::Refusal;
use crate::foreign::{list, shown};

/// The difference that AWS tolerates between its clock and the times of a token.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The causes of `InvalidIdentityToken`.
pub(super) fn causes(refusal: &Refusal, question: &Question<'_>) -> Vec<Cause> {
    let keys_weight = match question.keys {
        Some(Keys::Key) => Weight::Unlikely,
        Some(Keys::OtherKeys { .. } | Keys::OtherIssuer { .. }) => Weight::Fact,
        // A document that is unreachable from here may be reachable for AWS.
        Some(Keys::Nothing { .. }) => Weight::Hint,
        None => Weight::hinted(refusal.hints("verification key") || refusal.hints("signature")),
    };
    let thumbprint = Weight::hinted(refusal.hints("thumbprint"));
    let audience = Weight::hinted(refusal.hints("incorrect token audience"));
    let mut causes = vec![
        (Weight::hinted(refusal.hints("no openidconnect provider")), no_provider(question)),
        (audience, unknown_audience(question)),
        (keys_weight, keys(question)),
        (thumbprint, private_authority(question)),
    ];
    if skew(refusal, question).is_some_and(|skew| skew < -TOLERANCE) {
        causes.insert(0, (Weight::Fact, clock(refusal, question)));
    }
    ordered(causes)
}

/// The causes of `ExpiredToken`.
pub(super) fn expired(refusal: &Refusal, question: &Question<'_>) -> Vec<Cause> {
    let agree = skew(refusal, question).is_some_and(|skew| skew.abs() <= TOLERANCE);
    let clock_weight = if agree { Weight::Unlikely } else { Weight::Usual };
    ordered(vec![(clock_weight, clock(refusal, question)), (Weight::Usual, slow(question))])
}

fn no_provider(question: &Question<'_>) -> Cause {
    Cause {
        reason: "NoIdentityProvider",
        what: format!(
            "account {} has no identity provider for the issuer {}: the provider is missing, of another cluster, or in \
             another account",
            question.account(),
            shown(&question.claims.issuer)
        ),
        tells: format!("aws iam list-open-id-connect-providers does not list {}", shown(&question.provider_arn())),
        next: format!(
            "aws iam create-open-id-connect-provider --url {} --client-id-list {}",
            word(&question.claims.issuer),
            word(question.audience())
        ),
    }
}

fn unknown_audience(question: &Question<'_>) -> Cause {
    let (provider, audience) = (word(&question.provider_arn()), word(question.audience()));
    Cause {
        reason: "AudienceUnknown",
        what: format!("the identity provider does not know the audience {}", shown(question.audience())),
        tells: format!(
            "aws iam get-open-id-connect-provider --open-id-connect-provider-arn {provider} --query ClientIDList does \
             not list it"
        ),
        next: format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider} --client-id \
             {audience}"
        ),
    }
}

/// AWS does not have the key of the token.
pub(super) fn keys(question: &Question<'_>) -> Cause {
    let key = question.claims.key_id.as_deref().map_or("of the token".to_owned(), shown);
    let discovery = shown(&discovery_url(&question.claims.issuer));
    let tells = match question.keys {
        None => format!(
            "{discovery}, or the key set that it names, cannot be fetched from elsewhere or lacks the key {key}"
        ),
        Some(Keys::Key) => format!(
            "not from here: the key {key} is published; AWS may have been slow to fetch it, or reach the issuer by \
             another way"
        ),
        Some(Keys::OtherKeys { url, key_ids }) if key_ids.is_empty() => format!("{} has no keys", shown(url)),
        Some(Keys::OtherKeys { url, key_ids }) => {
            format!("{} has the keys {}, and not {key}", shown(url), list(key_ids))
        }
        Some(Keys::OtherIssuer { url, issuer }) => format!("{} is of the issuer {}", shown(url), shown(issuer)),
        Some(Keys::Nothing { url, why }) => format!("{} cannot be used: {}", shown(url), shown(why)),
    };
    let next = match question.keys {
        Some(Keys::OtherKeys { url, .. }) => format!(
            "kubectl get --raw /openid/v1/jwks prints the keys of the API server: publish them at {}",
            shown(url)
        ),
        Some(Keys::OtherIssuer { .. }) => format!(
            "Publish the document of kubectl get --raw /.well-known/openid-configuration at {discovery}; its issuer has \
             to be the --service-account-issuer of the API server to the letter."
        ),
        _ => format!("curl -fsS {}", word(&discovery_url(&question.claims.issuer))),
    };
    Cause {
        reason: "KeyUnknown",
        what: format!(
            "AWS does not have the key {key} that signed the token: the issuer's documents are not public, answer slowly, or \
             are older than the key"
        ),
        tells,
        next,
    }
}

fn private_authority(question: &Question<'_>) -> Cause {
    let provider = word(&question.provider_arn());
    Cause {
        reason: "Thumbprint",
        what: "the issuer's server has a certificate of a private authority, which the identity provider does not list"
            .to_owned(),
        tells: "the message speaks of a thumbprint, and browsers do not trust the server either".to_owned(),
        next: format!(
            "aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn {provider} \
             --thumbprint-list SHA1-OF-THE-AUTHORITY"
        ),
    }
}

/// How far the clock of AWS is ahead of the clock that issued the token. The token was issued a
/// moment ago.
fn skew(refusal: &Refusal, question: &Question<'_>) -> Option<SignedDuration> {
    let (aws, issued): (Timestamp, Timestamp) = (refusal.date?, question.claims.issued_at?);
    Some(aws.duration_since(issued))
}

/// The clocks of cluster and AWS differ.
fn clock(refusal: &Refusal, question: &Question<'_>) -> Cause {
    let tells = match (refusal.date, question.claims.issued_at, skew(refusal, question)) {
        (Some(aws), Some(issued), Some(skew)) if skew.abs() > TOLERANCE => {
            let (minutes, direction) = (skew.abs().as_mins(), if skew.is_positive() { "behind" } else { "ahead of" });
            format!(
                "the token was issued a moment ago at {issued} by the API server's clock, and it was {aws} at AWS: the \
                 cluster is {minutes} minutes {direction} AWS"
            )
        }
        (Some(aws), Some(issued), _) => {
            format!("not from here: the token was issued at {issued}, and it was {aws} at AWS")
        }
        _ => "the clock of the control plane differs from the real time by more than 5 minutes".to_owned(),
    };
    Cause {
        reason: "Clock",
        what: "the clock of the cluster's control plane differs from that of AWS, which allows 5 minutes".to_owned(),
        tells,
        next: format!("Set the clocks of the control plane's machines by NTP, then: {}", question.plugin("probe")),
    }
}

/// The token expired before it was sent.
fn slow(question: &Question<'_>) -> Cause {
    Cause {
        reason: "Slow",
        what: "the token has expired before it was sent".to_owned(),
        tells: "the clocks agree, and a new token is accepted".to_owned(),
        next: question.plugin("probe"),
    }
}
