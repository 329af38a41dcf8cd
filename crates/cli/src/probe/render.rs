//! An outcome as text.

use podidentity_core::sts::{Cause, Claims};

use super::outcome::{Outcome, Verdict, Words};
use super::region::Source;
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;

/// The question first, then the answer of AWS, then its possible causes.
pub(super) fn text(outcome: &Outcome, paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    out.line(paint.bold(format_args!("{} {}/{}", outcome.target.kind.kind(), outcome.namespace, outcome.target.name)));
    let region = match (outcome.region.as_deref(), outcome.region_source) {
        (Some(region), Some(source)) => format!("{region} ({})", said(source)),
        _ => "not known".to_owned(),
    };
    facts(&[("role", &outcome.role_arn), ("endpoint", &outcome.endpoint), ("region", &region)], paint, &mut out);
    out.blank();
    out.line(paint.bold("Token"));
    token(&outcome.token, paint, &mut out);
    out.blank();
    answer(outcome, paint, &mut out);
    causes(&outcome.causes, paint, &mut out);
    out
}

fn said(source: Source) -> &'static str {
    match source {
        Source::Flag => "--region",
        Source::Issuer => "of the issuer",
        Source::Environment => "of the environment",
    }
}

fn facts(facts: &[(&str, &str)], paint: Paint, out: &mut Sheet) {
    for (name, value) in facts {
        out.line(format_args!("  {}  {value}", paint.dim(format!("{name:8}"))));
    }
}

fn token(claims: &Claims, paint: Paint, out: &mut Sheet) {
    let key = format!("{} ({})", claims.key_id.as_deref().unwrap_or("without an ID"), claims.algorithm);
    let time = |time: Option<jiff::Timestamp>| time.map_or("not said".to_owned(), |time| time.to_string());
    let life = format!("{} to {}", time(claims.issued_at), time(claims.expires_at));
    let audiences = claims.audiences.join(", ");
    let all = [
        ("issuer", claims.issuer.as_str()),
        ("subject", &claims.subject),
        ("audience", &audiences),
        ("key", &key),
        ("valid", &life),
    ];
    facts(&all, paint, out);
}

fn answer(outcome: &Outcome, paint: Paint, out: &mut Sheet) {
    let (mark, said) = match outcome.verdict {
        Verdict::Accepted => (Mark::Right, "AWS lets it assume the role"),
        Verdict::Refused => (Mark::Wrong, "AWS does not let it assume the role"),
        Verdict::CannotTell => (Mark::Warning, "it is not known whether AWS lets it assume the role"),
    };
    out.line(format_args!("{} {said}", paint.mark(mark)));
    match &outcome.answer {
        Words::Accepted { assumed_role_arn, provider, request_id, .. } => {
            facts(&[("session", assumed_role_arn), ("provider", provider), ("request", request_id)], paint, out);
            out.blank();
            let note = "The credentials are dropped. A pod may still have another region, proxy or SDK.";
            out.paragraph(paint, "  ", note);
        }
        Words::Refused { code, message, http, request_id } => {
            out.paragraph(paint, "  ", &format!("{code}: {message}"));
            facts(&[("HTTP", &http.to_string()), ("request", request_id)], paint, out);
        }
        Words::NotAws { message } => out.paragraph(paint, "  ", &format!("Not from AWS: {message}")),
        Words::Nobody { message } => out.paragraph(paint, "  ", &format!("No answer: {message}")),
    }
}

fn causes(causes: &[Cause], paint: Paint, out: &mut Sheet) {
    if causes.is_empty() {
        return;
    }
    out.blank();
    let title = if causes.len() == 1 { "What it means" } else { "What it can mean, the likeliest first" };
    out.line(paint.bold(title));
    for (number, cause) in causes.iter().enumerate() {
        out.line(format_args!("  {}. {}", number + 1, paint.bold(cause.reason)));
        for (name, text) in [("", &cause.what), ("It is this if: ", &cause.tells), ("Next: ", &cause.next)] {
            out.paragraph(paint, "     ", &format!("{name}{text}"));
        }
    }
}
