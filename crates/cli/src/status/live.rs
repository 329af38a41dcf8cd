//! The tree, updated as the cluster changes.

use std::io::Write;

use jiff::Zoned;

use super::screen::Screen;
use super::signals::Signals;
use super::{Detail, left_out, named, tree};
use crate::cluster::{Failure, Picture, Session};
use crate::exit::Exit;
use crate::flags::Target;
use crate::paint::{Mark, Paint};
use crate::terminal_text::{Sheet, one_line};

/// Shows the tree until Ctrl-C. On a terminal, each change overwrites the screen. Elsewhere, each
/// change is printed below the last one.
pub(super) async fn show(
    session: &Session,
    targets: &[Target],
    detail: Detail,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let mut picture = tokio::select! {
        picture = Picture::open(session) => picture?,
        () = signals.end() => return Ok(Exit::Ok),
    };
    let note = tokio::select! {
        note = left_out(session, &picture.views) => note.map(|note| format!("\n{}\n", one_line(note))),
        () = signals.end() => return Ok(Exit::Ok),
    };
    let text = |picture: &Picture<'_>| {
        let tree = match named(picture.views.clone(), targets, &session.place()) {
            Ok(views) => tree(&views, detail, Paint::of_stdout()).finished(),
            // The requested objects may appear later, or come back.
            Err(failure) => one_line(failure) + "\n",
        };
        tree + note.as_deref().unwrap_or_default()
    };
    let mut screen = Screen::new(out);
    screen.draw(&text(&picture), &footer(&picture))?;
    loop {
        tokio::select! {
            () = picture.next() => {}
            end = signals.next() => if end { return Ok(Exit::Ok) },
        }
        screen.draw(&text(&picture), &footer(&picture))?;
    }
}

fn footer(picture: &Picture<'_>) -> String {
    let paint = Paint::of_stdout();
    if let Some(problem) = &picture.problem {
        let problem = problem.lines().next().unwrap_or_default();
        return line(paint, paint.like(Mark::Wrong, paint.cut(&format!("may be old: {problem}"))));
    }
    let how = if picture.is_live() { "live" } else { "no right to watch: looks every 2s" };
    line(paint, paint.dim(paint.cut(&format!("{}, {how}; Ctrl-C ends", Zoned::now().strftime("%H:%M:%S")))))
}

fn line(paint: Paint, text: String) -> String {
    let mut sheet = Sheet::of(paint);
    sheet.line(text);
    sheet.finished().trim_end_matches('\n').to_owned()
}
