//! An answer as text.

use std::fmt::Write as _;

use podidentity_core::trust::{Finding, Judged, Judgement, Match, Verdict};

use super::Answer;
use crate::messages::one_line;
use crate::paint::{Mark, Paint};

/// First who asks for what, then the verdict and its reasons, last what to do.
pub(super) fn text(answer: &Answer, paint: Paint) -> String {
    let mut out = String::new();
    head(answer, paint, &mut out);
    match &answer.judgement {
        Some(judgement) => judged(answer, judgement, paint, &mut out),
        None => needed(answer, paint, &mut out),
    }
    out
}

fn head(answer: &Answer, paint: Paint, out: &mut String) {
    let question = &answer.question;
    let role = question.role.as_ref().map_or("not known", |role| role.0.as_str());
    let title = question
        .object
        .as_ref()
        .map(|(namespace, target)| format!("{} {namespace}/{}", target.kind.kind(), target.name));
    let _ = writeln!(out, "{}", paint.bold(title.unwrap_or_else(|| one_line(&question.subject).into_owned())));
    let facts = [
        ("role", role),
        ("issuer", &question.issuer),
        ("subject", &question.subject),
        ("audience", &question.audience),
    ];
    for (name, value) in facts {
        let _ = writeln!(out, "  {}  {}", paint.dim(format!("{name:8}")), one_line(value));
    }
}

fn judged(answer: &Answer, judgement: &Judgement, paint: Paint, out: &mut String) {
    let file = answer.file.as_deref().unwrap_or_default();
    let (mark, said) = match judgement.verdict {
        Verdict::Allow => (Mark::Right, "the policy lets it in"),
        Verdict::Deny => (Mark::Wrong, "the policy does not let it in"),
        Verdict::NotSure => (Mark::Warning, "whether the policy lets it in cannot be told"),
    };
    let _ = writeln!(out, "\n{} {}: {said}", paint.mark(mark), paint.like(mark, judgement.verdict));
    let all =
        [(Mark::Wrong, &judgement.faults), (Mark::Warning, &judgement.doubts), (Mark::Warning, &judgement.warnings)];
    for (mark, findings) in all {
        for finding in findings {
            self::finding(finding, mark, file, paint, out);
        }
    }
    let _ = writeln!(out, "\n{}", paint.bold("Statements"));
    for statement in &judgement.statements {
        self::statement(statement, paint, out);
    }
    correction(answer, judgement, paint, out);
}

fn finding(finding: &Finding, mark: Mark, file: &str, paint: Paint, out: &mut String) {
    let place = format!("{}:{}", one_line(file), finding.at);
    let _ = writeln!(out, "\n{} {} {}", paint.mark(mark), paint.like(mark, finding.reason), paint.dim(place));
    paint.paragraph(out, "  ", &one_line(&finding.message));
}

fn statement(statement: &Judged, paint: Paint, out: &mut String) {
    let sid = statement.sid.as_ref().filter(|sid| !sid.is_empty()).map(|sid| format!(" {}", one_line(sid)));
    let applies = match statement.applies {
        Match::Yes => "applies",
        Match::No => "does not apply",
        Match::NotSure(..) => "may apply",
    };
    let title = format!("{} {:?}{}", statement.number, statement.effect, sid.unwrap_or_default());
    let _ = writeln!(out, "  {title}: {applies}");
    for element in &statement.elements {
        let mark = match element.matches {
            Match::Yes => Mark::Right,
            Match::No => Mark::Wrong,
            Match::NotSure(..) => Mark::Warning,
        };
        let _ = writeln!(out, "    {} {}", paint.mark(mark), one_line(&element.name));
    }
}

fn correction(answer: &Answer, judgement: &Judgement, paint: Paint, out: &mut String) {
    if let Some(correction) = &answer.correction {
        let _ = writeln!(out, "\n{}", paint.bold("Correction"));
        for change in &correction.changes {
            paint.paragraph(out, "  ", &one_line(change));
        }
        let _ = writeln!(out, "{}", answer.policy.as_ref().map_or("", |policy| policy.get()));
        next(paint, out, &update(answer));
    } else if let Some(why) = &answer.no_correction {
        next(paint, out, &format!("Nothing is corrected: {}.", one_line(why)));
    } else if judgement.verdict != Verdict::Allow {
        next(paint, out, "The policy is right; do what stands above.");
    }
}

fn needed(answer: &Answer, paint: Paint, out: &mut String) {
    let _ = writeln!(out, "\n{}", paint.bold("The trust policy of the role has to contain"));
    let _ = writeln!(out, "{}", answer.policy.as_ref().map_or("", |policy| policy.get()));
    let role = answer.role_name.as_deref().unwrap_or("ROLE");
    let object = answer.question.object();
    next(
        paint,
        out,
        &format!("See whether it does: aws iam get-role --role-name {role} | kubectl podidentity {object} -f -"),
    );
}

fn next(paint: Paint, out: &mut String, text: &str) {
    let _ = writeln!(out, "\n{}", paint.bold("Next"));
    paint.paragraph(out, "  ", text);
}

fn update(answer: &Answer) -> String {
    let role = answer.role_name.as_deref().unwrap_or("ROLE");
    format!(
        "Compare, write the document to trust.json (-o policy prints it alone), and: aws iam update-assume-role-policy \
         --role-name {role} --policy-document file://trust.json"
    )
}
