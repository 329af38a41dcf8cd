//! Runs many plans concurrently: as many as the machine can take, and on another control plane if
//! theirs ends.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::Mutex;

use super::campaign::Campaign;
use super::plan::Plan;
use super::report::Verdict;
use super::run::side_by_side;
use crate::signals;

/// How many control planes may end by themselves before that counts as more than an accident.
const CONTROL_PLANES: usize = 4;

/// The least time between the starts of two plans: the load of a plan shows only a little later.
const BETWEEN_STARTS: Duration = Duration::from_millis(250);

/// While tasks wait for a processor for more than this percentage of the time, at most half of the
/// allowed plans run.
const BUSY: f64 = 80.0;

/// Runs the plans. Those that affect the whole control plane run one after the other on their own
/// control plane. Reports the verdict and the story of each plan.
pub async fn run(plans: Vec<Plan>, most: usize, first: Campaign, tell: impl Fn(&Plan, &Verdict, &str)) -> Result<()> {
    let (exclusive, mut shared): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(Plan::is_exclusive);
    // Plans that may take long start first, so that they do not run alone in the end.
    shared.sort_by_key(|plan| std::cmp::Reverse(plan.patience));
    let together = Box::pin(on_control_planes(shared, most, Some(first), &tell));
    let alone = Box::pin(on_control_planes(exclusive, 1, None, &tell));
    let (together, alone) = futures::join!(together, alone);
    together.and(alone)
}

async fn on_control_planes(
    mut plans: Vec<Plan>,
    most: usize,
    mut first: Option<Campaign>,
    tell: &impl Fn(&Plan, &Verdict, &str),
) -> Result<()> {
    for _ in 0..CONTROL_PLANES {
        if plans.is_empty() {
            return Ok(());
        }
        let campaign = match first.take() {
            Some(campaign) => campaign,
            None => Campaign::start().await?,
        };
        plans = on_one(plans, most, &campaign, tell).await;
        if let Err(gone) = campaign.lives().await
            && !signals::are_ending()
        {
            eprintln!("the control plane is gone: {gone:#}\nits logs: {}", campaign.keep_logs().display());
        }
    }
    if plans.is_empty() {
        return Ok(());
    }
    bail!("{CONTROL_PLANES} control planes have ended; {} plans are left: start it again to go on", plans.len())
}

/// Returns the plans that must run elsewhere because this control plane ended before or during
/// their run.
async fn on_one(
    plans: Vec<Plan>,
    most: usize,
    campaign: &Campaign,
    tell: &impl Fn(&Plan, &Verdict, &str),
) -> Vec<Plan> {
    let pace = Pace { always: most.div_ceil(2), running: Cell::new(0), last: Mutex::default() };
    let again = RefCell::new(Vec::new());
    let gone = Cell::new(false);
    let work = |plan: Plan| async {
        if gone.get() {
            return (plan, None);
        }
        pace.turn().await;
        let done = tokio::select! {
            done = Box::pin(campaign.run(&plan)) => Some(done),
            () = campaign.gone() => None,
        };
        // A failure is meaningless while the control plane is down.
        let done = match done {
            Some((verdict, _)) if verdict.failed() && campaign.lives().await.is_err() => None,
            done => done,
        };
        gone.set(gone.get() || done.is_none());
        pace.ended();
        (plan, done)
    };
    side_by_side(plans, most, work, |(plan, done)| match done {
        Some((verdict, story)) => tell(&plan, &verdict, &story),
        None => again.borrow_mut().push(plan),
    })
    .await;
    again.into_inner()
}

/// Starts plans one after the other, and fewer while the machine is overloaded.
struct Pace {
    /// This many plans may always run.
    always: usize,
    running: Cell<usize>,
    last: Mutex<Option<Instant>>,
}

impl Pace {
    async fn turn(&self) {
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep(BETWEEN_STARTS.saturating_sub(last.elapsed())).await;
        }
        while self.running.get() >= self.always && is_busy() {
            tokio::time::sleep(BETWEEN_STARTS).await;
        }
        self.running.set(self.running.get() + 1);
        *last = Some(Instant::now());
    }

    fn ended(&self) {
        self.running.set(self.running.get() - 1);
    }
}

/// Whether tasks on this machine wait for a processor most of the time. False if the kernel does
/// not report it.
fn is_busy() -> bool {
    let text = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    waiting(&text).is_some_and(|percent| percent > BUSY)
}

/// The share of the last ten seconds in which some task waited, in percent.
fn waiting(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_long_tasks_wait() {
        let text = "some avg10=56.59 avg60=53.56 avg300=33.55 total=9299083441\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(waiting(text), Some(56.59));
        assert_eq!(waiting(""), None);
    }
}
