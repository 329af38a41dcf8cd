//! Turns a request into its response.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::Result;

use super::jwt::Token;
use super::oracle::Question;
use super::world::{Fault, Messages, Seen, World, provider_arn};
use super::{Shared, lock};

/// The clock skew in seconds that AWS tolerates for an issuer.
const TOLERANCE: i64 = 300;
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The response.
pub(super) struct Reply {
    pub(super) http: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// An error of STS.
struct Refusal {
    http: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(http: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { http, code, message: message.into() }
    }
}

/// The fields of a request.
struct Form(HashMap<String, String>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Reply {
    pub(super) fn text(http: u16, body: &str) -> Self {
        Self { http, content_type: "text/plain", body: body.to_owned() }
    }

    fn page(http: u16) -> Self {
        let body = "<!DOCTYPE html>\n<html><head><title>Proxy: access denied</title></head><body>No.</body></html>";
        Self { http, content_type: "text/html", body: body.to_owned() }
    }

    fn xml(http: u16, body: String) -> Self {
        Self { http, content_type: "text/xml", body }
    }
}

impl Shared {
    /// Answers a request and records it.
    pub(super) async fn reply(&self, form: &[u8]) -> Reply {
        let form = Form(form_urlencoded::parse(form).into_owned().collect());
        let token = Token::read(form.get("WebIdentityToken")).ok();
        self.note_secrets(form.get("WebIdentityToken").rsplit('.').take(2).map(str::to_owned));
        let number = lock(&self.seen).len();
        let subject = token.as_ref().map(|token| token.text("sub").to_owned()).unwrap_or_default();
        let (role, session) = (form.get("RoleArn").to_owned(), form.get("RoleSessionName").to_owned());
        lock(&self.seen).push(Seen { role, subject, session, outcome: "under way".to_owned() });
        let fault = lock(&self.world).next_fault();
        let (outcome, reply) = self.judged(&form, token, fault, number).await;
        if let Some(seen) = lock(&self.seen).get_mut(number) {
            seen.outcome = outcome;
        }
        reply
    }

    async fn judged(&self, form: &Form, token: Option<Token>, fault: Option<Fault>, number: usize) -> (String, Reply) {
        let faulty = |outcome: &str, reply| (outcome.to_owned(), reply);
        let refused = |refusal: &Refusal| (refusal.code.to_owned(), Reply::xml(refusal.http, error(refusal, number)));
        match fault {
            Some(Fault::Hang(time)) => {
                tokio::time::sleep(time).await;
                faulty("hang", Reply::text(504, ""))
            }
            Some(Fault::Page(http)) => faulty("page", Reply::page(http)),
            Some(Fault::Empty(http)) => faulty("empty", Reply::text(http, "")),
            Some(Fault::Throttled) => refused(&Refusal::new(400, "Throttling", "Rate exceeded")),
            Some(Fault::Internal) => refused(&Refusal::new(500, "InternalFailure", "An internal error has occurred.")),
            Some(Fault::Issuer) => refused(&Refusal::new(
                400,
                "IDPCommunicationError",
                "The request could not be fulfilled because the identity provider could not be reached.",
            )),
            fault => {
                let (outcome, mut reply) = match self.judge(form, token).await {
                    Ok((subject, provider)) => {
                        let subject = match &fault {
                            Some(Fault::OtherSubject(other)) => other.clone(),
                            _ => subject,
                        };
                        ("Accepted".to_owned(), self.accepted(form, &subject, &provider, number))
                    }
                    Err(refusal) => refused(&refusal),
                };
                if fault == Some(Fault::Truncated) {
                    reply.body.truncate(reply.body.len() * 2 / 3);
                }
                (outcome, reply)
            }
        }
    }

    /// Subject and provider of the token, if the token may assume the role.
    async fn judge(&self, form: &Form, token: Option<Token>) -> Result<(String, String), Refusal> {
        let world = lock(&self.world).clone();
        let role = form.get("RoleArn");
        let account = parameters(form)?;
        let token = token.ok_or_else(|| Refusal::new(400, "InvalidIdentityToken", "The token is no JSON web token"))?;
        if world.disabled.contains(account) {
            let message = format!("STS is not activated in this region for account:{account}.");
            return Err(Refusal::new(403, "RegionDisabledException", message));
        }
        let provider_arn = self.authenticate(&world, account, &token)?;
        let denied = || Refusal::new(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
        let policy = world.roles.get(role).ok_or_else(denied)?;
        let question = Question {
            policy: policy.clone(),
            provider: token.text("iss").trim_start_matches("https://").to_owned(),
            provider_arn: provider_arn.clone(),
            subject: token.text("sub").to_owned(),
            audience: token.audiences().first().copied().unwrap_or_default().to_owned(),
        };
        match self.oracle.allows(question).await {
            Ok(true) => Ok((token.text("sub").to_owned(), provider_arn)),
            Ok(false) => Err(denied()),
            Err(error) => Err(Refusal::new(500, "InternalFailure", format!("the double has trouble: {error:#}"))),
        }
    }

    /// The ARN of the provider, if the account has a provider that accepts the token.
    fn authenticate(&self, world: &World, account: &str, token: &Token) -> Result<String, Refusal> {
        let invalid = |telling: &str| {
            let terse = "The token is not accepted: no identity provider with this audience";
            let message = if world.messages == Messages::Terse { terse } else { telling };
            Refusal::new(400, "InvalidIdentityToken", message)
        };
        let issuer = token.text("iss");
        let arn = provider_arn(account, issuer);
        let missing = || invalid(&format!("No OpenIDConnect provider found in your account for {issuer}"));
        let provider = world.providers.get(&arn).ok_or_else(missing)?;
        if provider.url != issuer {
            return Err(missing());
        }
        if !token.audiences().iter().any(|audience| provider.client_ids.iter().any(|known| known == audience)) {
            return Err(invalid("Incorrect token audience"));
        }
        // This text is the same in both generations.
        let key = |message: &str| Refusal::new(400, "InvalidIdentityToken", message);
        if !provider.has_keys {
            return Err(key("Couldn't retrieve verification key from your identity provider,  please reference \
                            AssumeRoleWithWebIdentity documentation for requirements"));
        }
        self.keys.verify(token).map_err(|error| key(&format!("The token is not signed by its issuer: {error}")))?;
        let now = world.now().as_second();
        if token.seconds("exp").is_none_or(|expires| expires + TOLERANCE < now) {
            let expires = token.seconds("exp").unwrap_or_default();
            let message =
                format!("Token expired: current date/time {now} must be before the expiration date/time {expires}");
            return Err(Refusal::new(400, "ExpiredTokenException", message));
        }
        if token.seconds("nbf").is_some_and(|begins| begins - TOLERANCE > now) {
            return Err(key("The token is of the future"));
        }
        Ok(arn)
    }

    fn accepted(&self, form: &Form, subject: &str, provider: &str, number: usize) -> Reply {
        let (key, token) = (format!("secret-key-of-request-{number}"), format!("session-token-of-request-{number}"));
        self.note_secrets([key.clone(), token.clone()].into_iter());
        let role = form.get("RoleArn");
        let account = role.split(':').nth(4).unwrap_or_default();
        let name = role.rsplit('/').next().unwrap_or_default();
        let session = form.get("RoleSessionName");
        let mut body =
            format!("<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\">\n  <AssumeRoleWithWebIdentityResult>\n");
        let fields = [
            ("Audience", "sts.amazonaws.com".to_owned()),
            ("Provider", provider.to_owned()),
            ("SubjectFromWebIdentityToken", subject.to_owned()),
        ];
        for (field, value) in fields {
            let _ = writeln!(body, "    <{field}>{}</{field}>", escaped(&value));
        }
        let _ = write!(
            body,
            "    <AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{name}/{}</Arn><AssumedRoleId>AROAEXAMPLE\
             </AssumedRoleId></AssumedRoleUser>\n    <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>\
             {key}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
             </Credentials>\n  </AssumeRoleWithWebIdentityResult>\n  <ResponseMetadata><RequestId>{}</RequestId>\
             </ResponseMetadata>\n</AssumeRoleWithWebIdentityResponse>\n",
            escaped(session),
            request_id(number)
        );
        Reply::xml(200, body)
    }

    fn note_secrets(&self, secrets: impl Iterator<Item = String>) {
        lock(&self.secrets).extend(secrets.filter(|secret| !secret.is_empty()));
    }
}

/// The account of the role, if STS accepts all parameters.
fn parameters(form: &Form) -> Result<&str, Refusal> {
    let invalid = |message: String| Err(Refusal::new(400, "ValidationError", message));
    let arn: Vec<&str> = form.get("RoleArn").splitn(6, ':').collect();
    let ["arn", "aws", "iam", "", account, resource] = arn[..] else {
        return invalid("Request ARN is invalid".to_owned());
    };
    if !resource.starts_with("role/") {
        return invalid("Request ARN is invalid".to_owned());
    }
    for (field, expected) in [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15")] {
        if form.get(field) != expected {
            return invalid(format!("1 validation error detected: {field}"));
        }
    }
    if form.get("RoleSessionName").len() < 2 || !form.get("ProviderId").is_empty() {
        return invalid("1 validation error detected: RoleSessionName".to_owned());
    }
    match form.get("DurationSeconds").parse::<u32>() {
        Ok(900..=43_200) => Ok(account),
        _ => invalid("1 validation error detected: DurationSeconds".to_owned()),
    }
}

fn error(refusal: &Refusal, number: usize) -> String {
    let kind = if refusal.http >= 500 { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>{kind}</Type>\n    <Code>{}</Code>\n    \
         <Message>{}</Message>\n  </Error>\n  <RequestId>{}</RequestId>\n</ErrorResponse>\n",
        refusal.code,
        escaped(&refusal.message),
        request_id(number)
    )
}

fn request_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
