//! An explanation as text.

use super::{Explanation, Step};
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;

/// The cause first, then the steps, then what to do next.
pub(super) fn text(explanation: &Explanation, paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    out.line(format_args!("{}", paint.bold(&explanation.title)));
    let cause = &explanation.cause;
    out.line(format_args!("{} {}", paint.mark(cause.mark), paint.like(cause.mark, &cause.reason)));
    out.paragraph(paint, "  ", &cause.message);
    for step in &explanation.steps {
        out.blank();
        self::step(&mut out, step, paint);
    }
    out.blank();
    out.line(format_args!("{}", paint.bold("Next")));
    out.paragraph(paint, "  ", &explanation.next);
    out
}

fn step(out: &mut Sheet, step: &Step, paint: Paint) {
    out.line(format_args!("{} {}", paint.mark(step.mark), paint.bold(&step.heading)));
    out.paragraph(paint, "  ", &step.text);
    let width = step.details.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (index, (name, value)) in step.details.iter().enumerate() {
        if name.is_empty() {
            // A detail without a name is a document. Print it as it is, so that users can copy it.
            out.document(value);
            continue;
        }
        let mut lines = paint.wrap(value, width + 6).into_iter();
        let first = lines.next().unwrap_or_default();
        let first = if step.decisive == Some(index) { paint.like(Mark::Right, first) } else { first };
        out.line(format_args!("    {}  {first}", paint.dim(format!("{name:width$}"))));
        for line in lines {
            out.line(format_args!("    {:width$}  {line}", ""));
        }
    }
}
