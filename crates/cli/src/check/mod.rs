//! `kubectl podidentity check`: whether the cluster is ready for the operator, and whether the
//! operator works.
//!
//! ```text
//! cluster ──► facts (what exists, who may do what) ──► judge: a line for each check ──► text, JSON
//! ```

mod facts;
mod judge;
mod operators;
mod rights;
#[cfg(test)]
mod tests;

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::cluster::{Failure, Session, block_on};
use crate::exit::Exit;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::output::document::{self, Output};
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;

use facts::Facts;

/// Tell whether the cluster is ready for the operator, and whether the operator works
///
/// Looks at version, issuer, your rights, what injects (with a pod that is created as a dry run), custom resource, operator,
/// leader, the operator's rights, guard, grants, enforcement and bindings. What you may not look at is no error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Before the installation
  kubectl podidentity check --pre

  # After it
  kubectl podidentity check

Exit status: 0 nothing is wrong, 1 something is, 2 the cluster cannot be asked.")]
pub(crate) struct CheckArgs {
    /// Before the installation: without what an installation brings
    #[arg(long)]
    pre: bool,

    /// Look at service accounts and bindings of one namespace only
    #[arg(short, long, add = crate::flags::completion::namespaces())]
    namespace: Option<String>,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Whether `check` runs before or after the installation of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    #[serde(rename = "result", serialize_with = "result")]
    mark: Mark,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn result<S: serde::Serializer>(mark: &Mark, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match mark {
        Mark::Right => "Ok",
        Mark::Wrong => "Failed",
        _ => "Note",
    })
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    checks: &'a [Check],
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let checks = block_on(async {
        let all_namespaces = args.namespace.is_none();
        let scope = ScopeArgs { namespace: args.namespace.clone(), all_namespaces, selector: None };
        let session = Session::open(&args.connection, &scope).await?;
        let when = if args.pre { When::Before } else { When::After };
        let facts = Facts::read(&session, when).await?;
        session.is_among(&facts.namespace_names())?;
        Ok(judge::judge(&facts, when))
    })?;
    write(&checks, args.output, Paint::of_stdout(), out)?;
    Ok(if is_ok(&checks) { Exit::Ok } else { Exit::Findings })
}

fn is_ok(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.mark != Mark::Wrong)
}

fn write(checks: &[Check], output: Output, paint: Paint, out: &mut dyn Write) -> std::io::Result<()> {
    let report = Report { ok: is_ok(checks), checks };
    match output {
        Output::Text => text(checks, paint).print(out),
        Output::Json => document::json(&report, out),
        Output::Yaml => document::yaml(&report, out),
    }
}

fn text(checks: &[Check], paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for check in checks {
        let indent = " ".repeat(width + 4);
        let mut lines = paint.wrap(&check.message, width + 4).into_iter();
        let first = lines.next().unwrap_or_default();
        out.line(format_args!("{} {:width$}  {first}", paint.mark(check.mark), check.name));
        for line in lines {
            out.line(format_args!("{indent}{line}"));
        }
        if let Some(next) = &check.next {
            out.paragraph(paint, &indent, next);
        }
    }
    out.blank();
    let wrong = checks.iter().filter(|check| check.mark == Mark::Wrong).count();
    match wrong {
        0 => out.line("Nothing is wrong."),
        1 => out.line("1 thing is wrong."),
        _ => out.line(format_args!("{wrong} things are wrong.")),
    }
    out
}
