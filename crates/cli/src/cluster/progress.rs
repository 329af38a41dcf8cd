//! The progress of a long read, on a terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use podidentity_cluster::read;

/// Reads that take less time than this show no progress.
const QUIET: Duration = Duration::from_millis(700);
const REDRAW: Duration = Duration::from_millis(100);

/// A line on standard error. Each update overwrites it, and the end of the read removes it.
pub(crate) struct Progress {
    began: Instant,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<&'static str, (usize, Option<usize>)>,
    drawn: Option<Instant>,
}

impl Progress {
    /// Progress of one read. Shows nothing if `quiet` is set or if standard error is not a
    /// terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        Self { began: Instant::now(), terminal, state: Mutex::default() }
    }

    /// Removes the line.
    pub(crate) fn end(&self) {
        if self.state().drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// Shows a line that contains only this program's own words and counts. The line is not
    /// escaped.
    pub(crate) fn say(&self, line: &str) {
        self.draw(&mut self.state(), line);
    }

    fn draw(&self, state: &mut State, line: &str) {
        let fresh = state.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW);
        if !self.terminal || self.began.elapsed() < QUIET || fresh {
            return;
        }
        state.drawn = Some(Instant::now());
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl read::Progress for Progress {
    fn read(&self, kind: &'static str, so_far: usize, total: Option<usize>) {
        let mut state = self.state();
        state.counts.insert(kind, (so_far, total));
        let line = line(&state.counts, kind);
        self.draw(&mut state, &line);
    }
}

/// The progress line: the kind that is being read, and the total so far.
fn line(counts: &BTreeMap<&'static str, (usize, Option<usize>)>, kind: &str) -> String {
    let (so_far, total) = counts.get(kind).copied().unwrap_or_default();
    let all: usize = counts.values().map(|(so_far, _)| so_far).sum();
    let of = total.filter(|total| *total > so_far).map(|total| format!(" of {total}")).unwrap_or_default();
    format!("reading {kind}: {so_far}{of} ({all} objects in all)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let counts = BTreeMap::from([("pods", (500, Some(1200))), ("deployments", (30, Some(30)))]);
        assert_eq!(line(&counts, "pods"), "reading pods: 500 of 1200 (530 objects in all)");
        assert_eq!(line(&counts, "deployments"), "reading deployments: 30 (530 objects in all)");
    }
}
