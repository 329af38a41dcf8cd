//! A story as text.

use std::fmt::Write as _;

use super::{Step, Story};
use crate::paint::{Mark, Paint};

/// First what it comes down to, last what to do; between these the story.
pub(super) fn text(story: &Story, paint: Paint) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", paint.bold(&story.title));
    let cause = &story.cause;
    let _ = writeln!(out, "{} {}", paint.mark(cause.mark), paint.like(cause.mark, &cause.reason));
    paint.paragraph(&mut out, "  ", &cause.message);
    for step in &story.steps {
        out.push('\n');
        self::step(&mut out, step, paint);
    }
    let _ = writeln!(out, "\n{}", paint.bold("Next"));
    paint.paragraph(&mut out, "  ", &story.next);
    out
}

fn step(out: &mut String, step: &Step, paint: Paint) {
    let _ = writeln!(out, "{} {}", paint.mark(step.mark), paint.bold(&step.heading));
    paint.paragraph(out, "  ", &step.text);
    let width = step.details.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in &step.details {
        if name.is_empty() {
            // A document, to be copied as it is.
            let _ = writeln!(out, "{value}");
            continue;
        }
        let used = value.starts_with("<- used");
        let mut lines = paint.wrap(value, width + 6).into_iter();
        let first = lines.next().unwrap_or_default();
        let first = if used { paint.like(Mark::Right, first) } else { first };
        let _ = writeln!(out, "    {}  {first}", paint.dim(format!("{name:width$}")));
        for line in lines {
            let _ = writeln!(out, "    {:width$}  {line}", "");
        }
    }
}
