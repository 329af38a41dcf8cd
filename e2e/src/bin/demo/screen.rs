//! Numbered steps with the time since the start.

use std::cell::Cell;
use std::time::Instant;

/// Prints to stdout.
#[derive(Debug)]
pub(crate) struct Screen {
    began: Instant,
    steps: Cell<usize>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), steps: Cell::new(0) }
    }

    /// `[  4.2 s] 3. What happens now`
    pub(crate) fn step(&self, what: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n[{}] {}. {what}", self.elapsed(), self.steps.get());
    }

    /// A line below the step.
    pub(crate) fn say(&self, what: &str) {
        println!("[{}]    {what}", self.elapsed());
    }

    /// A command that is run.
    pub(crate) fn command(&self, command: &str) {
        self.say(&format!("$ {command}"));
    }

    /// Output of several lines.
    #[allow(clippy::unused_self)] // reads better beside the others
    pub(crate) fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("              {line}");
        }
    }

    fn elapsed(&self) -> String {
        format!("{:6.1} s", self.began.elapsed().as_secs_f64())
    }
}
