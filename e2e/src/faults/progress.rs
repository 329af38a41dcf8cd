//! Reports and records the progress of a run of many plans.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::plan::Plan;
use super::report::Verdict;
use super::store::Store;
use crate::signals;

/// Progress of a run of many plans.
pub struct Progress<'a> {
    store: &'a Store,
    total: usize,
    done: usize,
    began: Instant,
    failed: usize,
}

impl<'a> Progress<'a> {
    /// Starts a run of this many plans.
    pub fn new(store: &'a Store, total: usize) -> Self {
        Self { store, total, done: 0, began: Instant::now(), failed: 0 }
    }

    /// How many plans have failed.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Records and prints the verdict of a plan.
    pub fn tell(&mut self, plan: &Plan, verdict: &Verdict, story: &str) -> Result<()> {
        if signals::are_ending() {
            return Ok(());
        }
        self.done += 1;
        self.store.note(verdict)?;
        let left =
            self.began.elapsed().div_f64(f64::from(u32::try_from(self.done)?)) * u32::try_from(self.total - self.done)?;
        let (left, took) = (left.as_secs(), Duration::from_millis(verdict.took_ms).as_secs_f64());
        let word = if verdict.failed() {
            "FAILED"
        } else if verdict.reached {
            "passed"
        } else {
            "not reached"
        };
        println!(
            "[{}/{}, {}:{:02} left] {word} {} ({took:.1} s)",
            self.done,
            self.total,
            left / 60,
            left % 60,
            plan.id
        );
        if verdict.failed() {
            self.failed += 1;
            let file = self.store.keep_failed(plan, story)?;
            for problem in verdict.problems.iter().take(6) {
                println!("    {}", problem.replace('\n', "\n    "));
            }
            println!("    evidence: {}", file.with_extension("txt").display());
            println!("    again:    make faults PLAN={}", file.display());
        }
        Ok(())
    }
}
