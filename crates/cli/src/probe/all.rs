//! Probes every binding: several at a time, with a line for each and a summary.

use std::io::Write;
use std::sync::Arc;

use podidentity_core::foreign::shown;
use podidentity_core::message::counted;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Output;
use super::ask::{Asker, NotAsked};
use super::outcome::{Outcome, Verdict};
use super::question::Question;
use crate::cluster::{Failure, Progress};
use crate::exit::Exit;
use crate::messages::Messages;
use crate::output::document;
use crate::paint::{Mark, Paint};
use crate::table::Table;
use crate::terminal_text::Sheet;

/// The number of concurrent requests. STS allows an account some hundreds of requests a second, and
/// the account's pods need them.
const AT_A_TIME: usize = 4;

/// The result of a question, or why it was not asked.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    Asked(Box<Outcome>),
    #[serde(rename_all = "camelCase")]
    NotAsked {
        namespace: String,
        object: String,
        service_account_name: String,
        role_arn: String,
        verdict: Verdict,
        error: String,
    },
}

impl Line {
    fn of(question: Question, result: Result<Outcome, NotAsked>) -> Self {
        match result {
            Ok(outcome) => Self::Asked(Box::new(outcome)),
            Err(error) => Self::NotAsked {
                namespace: question.namespace,
                object: question.target.to_string(),
                service_account_name: question.account,
                role_arn: question.role.to_string(),
                verdict: Verdict::CannotTell,
                error: error.to_string(),
            },
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Asked(outcome) => outcome.verdict,
            Self::NotAsked { verdict, .. } => *verdict,
        }
    }

    /// Namespace, object and role.
    fn about(&self) -> (&str, &str, &str) {
        match self {
            Self::Asked(it) => (&it.namespace, &it.object, &it.role_arn),
            Self::NotAsked { namespace, object, role_arn, .. } => (namespace, object, role_arn),
        }
    }

    /// The answer in short, for the table.
    fn short(&self) -> &str {
        match self {
            Self::Asked(outcome) => outcome.answer.short(),
            Self::NotAsked { .. } => "not asked",
        }
    }

    /// The most likely cause, and what to do.
    fn cause(&self) -> Option<(String, String)> {
        match self {
            Self::Asked(outcome) => {
                outcome.causes.first().map(|cause| (cause.what.clone(), format!("Next: {}", cause.next)))
            }
            Self::NotAsked { error, .. } => {
                let (what, next) = error.split_once('\n').unwrap_or((error, ""));
                Some((what.to_owned(), next.to_owned()))
            }
        }
    }
}

/// Asks all questions. The lines have the order of the questions.
pub(super) async fn ask(asker: &Asker, questions: Vec<Question>) -> Vec<Line> {
    let total = questions.len();
    let progress = Progress::new(false);
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    for (number, question) in questions.into_iter().enumerate() {
        let (asker, slots) = (asker.clone(), Arc::clone(&slots));
        running.spawn(async move {
            let _slot = slots.acquire().await;
            let result = asker.ask(question.clone()).await;
            (number, Line::of(question, result))
        });
    }
    let mut lines = Vec::with_capacity(total);
    while let Some(done) = running.join_next().await {
        // `done` is always `Ok`, because no task is cancelled or panics.
        lines.extend(done);
        progress.say(&format!("asking AWS: {} of {total} bindings", lines.len()));
    }
    progress.end();
    lines.sort_by_key(|(number, _)| *number);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Prints the lines and returns the exit status.
pub(super) fn write(
    lines: &[Line],
    output: Output,
    paint: Paint,
    place: &str,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    if lines.is_empty() {
        Messages::new().note(&format!("no bindings {place}"));
    }
    match output {
        Output::Json => document::json(&lines, out)?,
        Output::Text => text(lines, paint).print(out)?,
    }
    let has = |verdict| lines.iter().any(|line| line.verdict() == verdict);
    let worst = [Verdict::Refused, Verdict::CannotTell].into_iter().find(|verdict| has(*verdict));
    Ok(worst.map_or(Exit::Ok, Verdict::exit))
}

fn text(lines: &[Line], paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    let mut table = Table::new(&["NAMESPACE", "NAME", "ROLE", "ANSWER"]);
    for line in lines {
        let (namespace, object, role) = line.about();
        let (mark, word) = match line.verdict() {
            Verdict::Accepted => (Mark::Right, "accepted"),
            Verdict::Refused | Verdict::CannotTell => (mark(line.verdict()), line.short()),
        };
        let answer = paint.like(mark, shown(word));
        table.row(vec![namespace.to_owned(), object.to_owned(), role.to_owned(), answer]);
    }
    out.append(&table.render(paint));
    for line in lines.iter().filter(|line| line.verdict() != Verdict::Accepted) {
        let Some((what, next)) = line.cause() else { continue };
        let ((namespace, object, _), mark) = (line.about(), mark(line.verdict()));
        out.blank();
        let title = format!("{namespace}/{object}: {}", paint.like(mark, shown(line.short())));
        out.line(format_args!("{} {title}", paint.mark(mark)));
        for text in [what, next].iter().filter(|text| !text.is_empty()) {
            out.paragraph(paint, "  ", text);
        }
    }
    summary(lines, paint, &mut out);
    out
}

fn mark(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Accepted => Mark::Right,
        Verdict::Refused => Mark::Wrong,
        Verdict::CannotTell => Mark::Warning,
    }
}

fn summary(lines: &[Line], paint: Paint, out: &mut Sheet) {
    if lines.is_empty() {
        return;
    }
    let count = |verdict| lines.iter().filter(|line| line.verdict() == verdict).count();
    let (accepted, refused, open) = (count(Verdict::Accepted), count(Verdict::Refused), count(Verdict::CannotTell));
    out.blank();
    out.line(paint.dim(format_args!(
        "{}: {accepted} accepted, {refused} refused, {open} not known",
        counted(lines.len(), "binding")
    )));
    if refused + open > 0 {
        out.line("Of one binding, with every cause: kubectl podidentity probe -n NAMESPACE pib/NAME");
    }
}
