//! An answer as text.

use podidentity_core::trust::{Finding, Judged, Judgement, Match, Verdict};

use super::Answer;
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;
use crate::yaml::encode_json;

/// The question first, then the verdict and its reasons, then what to do.
pub(super) fn text(answer: &Answer, paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    head(answer, paint, &mut out);
    match &answer.judgement {
        Some(judgement) => judged(answer, judgement, paint, &mut out),
        None => needed(answer, paint, &mut out),
    }
    out
}

fn head(answer: &Answer, paint: Paint, out: &mut Sheet) {
    let question = &answer.question;
    let role = question.role.as_ref().map_or("not known", |role| role.0.as_str());
    let title = question
        .object
        .as_ref()
        .map(|(namespace, target)| format!("{} {namespace}/{}", target.kind.kind(), target.name));
    out.line(paint.bold(title.unwrap_or_else(|| question.subject.clone())));
    let facts = [
        ("role", role),
        ("issuer", &question.issuer),
        ("subject", &question.subject),
        ("audience", &question.audience),
    ];
    for (name, value) in facts {
        out.line(format_args!("  {}  {value}", paint.dim(format!("{name:8}"))));
    }
}

fn judged(answer: &Answer, judgement: &Judgement, paint: Paint, out: &mut Sheet) {
    let file = answer.file.as_deref().unwrap_or_default();
    let (mark, said) = match judgement.verdict {
        Verdict::Allow => (Mark::Right, "the policy lets it in"),
        Verdict::Deny => (Mark::Wrong, "the policy does not let it in"),
        Verdict::NotSure => (Mark::Warning, "whether the policy lets it in cannot be told"),
    };
    out.blank();
    out.line(format_args!("{} {}: {said}", paint.mark(mark), paint.like(mark, judgement.verdict)));
    let all =
        [(Mark::Wrong, &judgement.faults), (Mark::Warning, &judgement.doubts), (Mark::Warning, &judgement.warnings)];
    for (mark, findings) in all {
        for finding in findings {
            self::finding(finding, mark, file, paint, out);
        }
    }
    out.blank();
    out.line(paint.bold("Statements"));
    for statement in &judgement.statements {
        self::statement(statement, paint, out);
    }
    correction(answer, judgement, paint, out);
}

fn finding(finding: &Finding, mark: Mark, file: &str, paint: Paint, out: &mut Sheet) {
    let place = format!("{file}:{}", finding.at);
    out.blank();
    out.line(format_args!("{} {} {}", paint.mark(mark), paint.like(mark, finding.reason), paint.dim(place)));
    out.paragraph(paint, "  ", &finding.message);
}

fn statement(statement: &Judged, paint: Paint, out: &mut Sheet) {
    let sid = statement.sid.as_ref().filter(|sid| !sid.is_empty()).map(|sid| format!(" {sid}"));
    let applies = match statement.applies {
        Match::Yes => "applies",
        Match::No => "does not apply",
        Match::NotSure(..) => "may apply",
    };
    let title = format!("{} {:?}{}", statement.number, statement.effect, sid.unwrap_or_default());
    out.line(format_args!("  {title}: {applies}"));
    for element in &statement.elements {
        let mark = match element.matches {
            Match::Yes => Mark::Right,
            Match::No => Mark::Wrong,
            Match::NotSure(..) => Mark::Warning,
        };
        out.line(format_args!("    {} {}", paint.mark(mark), element.name));
    }
}

fn correction(answer: &Answer, judgement: &Judgement, paint: Paint, out: &mut Sheet) {
    if let Some(correction) = &answer.correction {
        out.blank();
        out.line(paint.bold("Correction"));
        for change in &correction.changes {
            out.paragraph(paint, "  ", change);
        }
        document(answer, out);
        next(paint, out, &update(answer));
    } else if let Some(why) = &answer.no_correction {
        next(paint, out, &format!("Nothing is corrected: {why}."));
    } else if judgement.verdict != Verdict::Allow {
        next(paint, out, "The policy is right; do what stands above.");
    }
}

fn needed(answer: &Answer, paint: Paint, out: &mut Sheet) {
    out.blank();
    out.line(paint.bold("The trust policy of the role has to contain"));
    document(answer, out);
    let role = answer.role_name.as_deref().unwrap_or("ROLE");
    let object = answer.question.object();
    next(
        paint,
        out,
        &format!("See whether it does: aws iam get-role --role-name {role} | kubectl podidentity {object} -f -"),
    );
}

fn next(paint: Paint, out: &mut Sheet, text: &str) {
    out.blank();
    out.line(paint.bold("Next"));
    out.paragraph(paint, "  ", text);
}

fn update(answer: &Answer) -> String {
    let role = answer.role_name.as_deref().unwrap_or("ROLE");
    format!(
        "Compare, write the document to trust.json (-o policy prints it alone), and: aws iam update-assume-role-policy \
         --role-name {role} --policy-document file://trust.json"
    )
}

fn document(answer: &Answer, out: &mut Sheet) {
    // A document that was read as JSON can be written as JSON.
    out.document(&answer.policy.as_ref().map_or_else(String::new, |policy| encode_json(policy).unwrap_or_default()));
}
