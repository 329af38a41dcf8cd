//! The tree again and again, as it changes.

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use super::{Detail, named, tree};
use crate::cluster::{Failure, Session, Target};
use crate::exit::Exit;
use crate::paint::Paint;

/// Between two looks; a large cluster takes long to read and is read the less often.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows it until Ctrl-C. On a terminal the screen is overwritten, elsewhere every change is printed below the last.
pub(super) async fn show(
    session: &Session,
    targets: &[Target],
    detail: Detail,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let mut last = String::new();
    loop {
        let began = Instant::now();
        let read = session.views().await;
        let took = began.elapsed();
        let text = match read {
            // What is asked for may come, or come back.
            Ok(mut read) => match named(&mut read.views, targets, &session.place()) {
                Ok(views) => tree(&views, detail, Paint::of_stdout()),
                Err(failure) => format!("{failure}\n"),
            },
            // A cluster that does not answer for a moment is no reason to end; one that never did is.
            Err(failure) if last.is_empty() => return Err(failure),
            Err(failure) => format!("{failure}\n"),
        };
        if text != last {
            draw(&text, terminal, last.is_empty(), out)?;
            last = text;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE.max(took * 4)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
        }
    }
}

fn draw(text: &str, terminal: bool, first: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if terminal {
        // Home, the lines with the rest of each cleared, and what is left of a longer text.
        write!(out, "\x1b[H")?;
        if first {
            write!(out, "\x1b[2J")?;
        }
        for line in text.lines() {
            write!(out, "{line}\x1b[K\r\n")?;
        }
        write!(out, "\x1b[J")?;
    } else {
        let gap = if first { "" } else { "\n" };
        write!(out, "{gap}{text}")?;
    }
    out.flush()
}
