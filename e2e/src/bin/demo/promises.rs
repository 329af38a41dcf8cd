//! The demo's promises, and whether they were kept.

use std::process::ExitCode;

use anyhow::{Result, anyhow};

use crate::screen::Screen;

/// Promises in the order in which they were checked.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    kept: Vec<(String, Result<()>)>,
}

impl Promises {
    /// Records whether a promise was kept; the error says how it was broken.
    pub(crate) fn keep(&mut self, what: &str, kept: Result<()>) {
        self.kept.push((what.to_owned(), kept));
    }

    /// Records a promise by a boolean.
    pub(crate) fn check(&mut self, what: &str, kept: bool) {
        self.keep(what, if kept { Ok(()) } else { Err(anyhow!("it is not so")) });
    }

    /// Whether a promise was broken, or none was made.
    pub(crate) fn broken(&self) -> bool {
        self.kept.is_empty() || self.kept.iter().any(|(_, kept)| kept.is_err())
    }

    /// Shows all of them.
    pub(crate) fn list(&self, screen: &Screen) {
        screen.step("What was promised");
        for (what, kept) in &self.kept {
            match kept {
                Ok(()) => screen.block(&format!("ok      {what}")),
                Err(error) => screen.block(&format!("BROKEN  {what}: {error:#}")),
            }
        }
    }

    /// Shows all promises. Returns the exit code of the demo.
    pub(crate) fn report(&self, screen: &Screen) -> ExitCode {
        self.list(screen);
        let broken = self.kept.iter().filter(|(_, kept)| kept.is_err()).count();
        if self.broken() {
            println!("\nthe demo failed: {broken} of {} promises broken", self.kept.len());
            return ExitCode::FAILURE;
        }
        println!("\nall {} promises kept", self.kept.len());
        ExitCode::SUCCESS
    }
}
