//! The meaning of an answer of AWS STS: `a-sentence.txt` with three parts between lines of `---`.
//!
//! - Deviations from the defaults: `http`, `date` (AWS's clock), `issued` (of the token), `role`,
//!   `issuer`, `endpoint`, and `keys`, the result of the lookup of the token's key.
//! - The body of the answer.
//! - The interpretation, when to ask again, and the causes in order.

use std::fmt::Write as _;

use podidentity_core::sts::{Accepted, Answer, Cause, Claims, Endpoint, Keys, Question, Region, Request, explain};

const ROLE: &str = "arn:aws:iam::111122223333:role/shop";
const ISSUER: &str = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE";
const ISSUED: &str = "2026-01-01T00:00:00Z";

/// The text about the answer of the case.
pub fn case(usual: &str, body: &str) -> Result<String, String> {
    let said = |key: &str| usual.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let role = said("role").unwrap_or(ROLE).parse().map_err(|error| wrong(&error))?;
    let region: Region = "eu-central-1".parse().map_err(|error| wrong(&error))?;
    let endpoint = match said("endpoint") {
        Some(url) => Endpoint::custom(url, Some(&region)),
        None => Endpoint::regional(&region, &role, false),
    };
    let request = Request {
        role,
        subject: "system:serviceaccount:shop:web".to_owned(),
        session: "podidentity-probe".parse().map_err(|error| wrong(&error))?,
        endpoint: endpoint.map_err(|error| wrong(&error))?,
    };
    let http = said("http").unwrap_or("400").parse().map_err(|error| wrong(&error))?;
    let date = said("date").map(str::parse).transpose().map_err(|error| wrong(&error))?;
    let issued = said("issued").unwrap_or(ISSUED);
    let claims = Claims {
        key_id: Some("key-of-today".to_owned()),
        algorithm: "RS256".to_owned(),
        issuer: said("issuer").unwrap_or(ISSUER).to_owned(),
        subject: request.subject.clone(),
        audiences: vec!["sts.amazonaws.com".to_owned()],
        issued_at: Some(issued.parse().map_err(|error| wrong(&error))?),
        expires_at: None,
    };
    let keys = said("keys").map(keys).transpose()?;
    let question =
        Question { request: &request, claims: &claims, namespace: "shop", object: "sa/web", keys: keys.as_ref() };
    let answer = Answer::read(&request, http, date, body.as_bytes());
    let mut out = read(&answer);
    for Cause { reason, what, tells, next } in explain(&answer, &question) {
        let _ = writeln!(out, "\n{reason}: {what}\n  tells: {tells}\n  next: {next}");
    }
    Ok(out)
}

fn read(answer: &Answer) -> String {
    let words = match answer {
        Answer::Accepted(Accepted { assumed_role, audience, subject, provider, request_id }) => {
            format!("{subject} for {audience} by {provider} is {assumed_role} (request {request_id})")
        }
        Answer::Refused(refusal) => format!("{:?}: {refusal}", refusal.code),
        Answer::NotAws(found) => found.to_string(),
        Answer::Unavailable(unavailable) => unavailable.to_string(),
    };
    let kind = match answer {
        Answer::Accepted(_) => "Accepted",
        Answer::Refused(_) => "Refused",
        Answer::NotAws(_) => "NotAws",
        Answer::Unavailable(_) => "Unavailable",
    };
    format!("{kind}: {words}\nretry: {:?}\n", answer.retry())
}

fn keys(text: &str) -> Result<Keys, String> {
    let mut words = text.split(' ');
    let url = || "https://oidc.example.com/keys".to_owned();
    let (kind, rest): (_, Vec<String>) = (words.next().unwrap_or_default(), words.map(str::to_owned).collect());
    match kind {
        "Key" => Ok(Keys::Key),
        "OtherKeys" => Ok(Keys::OtherKeys { url: url(), key_ids: rest }),
        "OtherIssuer" => Ok(Keys::OtherIssuer { url: url(), issuer: rest.concat() }),
        "Nothing" => Ok(Keys::Nothing { url: url(), why: rest.join(" ") }),
        other => Err(format!("{other} is no kind of keys")),
    }
}
