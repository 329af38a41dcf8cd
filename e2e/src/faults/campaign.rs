//! Runs many plans, side by side, and keeps account.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{Mutex, OnceCell};

use super::case::Case;
use super::endstate::EndState;
use super::journal::Journal;
use super::plan::Plan;
use super::report::Verdict;
use super::run::{Outcome, Rig, Usage, side_by_side};
use super::store::Store;
use crate::{ControlPlane, Options};

/// Nodes of the control plane: each has room for 110 pods.
const NODES: usize = 12;

/// How often a plan whose fault did not come about is tried: runs differ a little.
const TRIES: usize = 3;

/// What a case looks like without faults.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Its end state.
    pub end: EndState,
    /// What the operator uses in the end.
    pub usage: Usage,
    /// What went through the proxy.
    pub journal: Journal,
}

/// A control plane and what was learned on it.
pub struct Campaign {
    rig: Rig,
    references: Mutex<HashMap<String, Arc<OnceCell<Arc<Reference>>>>>,
}

impl Campaign {
    /// Starts a control plane and installs everything but the operator.
    pub async fn start() -> Result<Self> {
        let control_plane =
            ControlPlane::start_with(&Options { nodes: NODES, audit: false, ..Options::default() }).await?;
        control_plane.install().await?;
        Ok(Self { rig: Rig::new(Arc::new(control_plane)).await?, references: Mutex::default() })
    }

    /// Keeps the logs of the control plane.
    pub fn keep_logs(&self) -> std::path::PathBuf {
        self.rig.control_plane.keep_logs();
        self.rig.control_plane.logs()
    }

    /// The case without faults; it is run once.
    pub async fn reference(&self, case: &Case) -> Result<Arc<Reference>> {
        let key = serde_json::to_string(case)?;
        let cell = Arc::clone(self.references.lock().await.entry(key).or_default());
        cell.get_or_try_init(|| self.without_faults(case)).await.cloned()
    }

    async fn without_faults(&self, case: &Case) -> Result<Arc<Reference>> {
        let outcome = self.rig.run(&Plan::new("reference", case, "", Vec::new()), None).await;
        if !outcome.problems.is_empty() {
            bail!("{} fails without any fault:\n  {}", case.name, outcome.problems.join("\n  "));
        }
        let evidence = outcome.evidence.context("no evidence")?;
        let usage = evidence.usage.context("the operator's process cannot be seen")?;
        Ok(Arc::new(Reference { end: evidence.end, usage, journal: evidence.journal }))
    }

    /// Runs one plan, again if its fault did not come about.
    pub async fn run(&self, plan: &Plan) -> (Verdict, String) {
        let mut last = None;
        for _ in 0..TRIES {
            let tried = self.attempt(plan).await;
            let done = tried.0.reached || tried.0.failed();
            last = Some(tried);
            if done {
                break;
            }
        }
        last.unwrap_or_else(|| (verdict(plan, &nothing("it was not tried")), String::new()))
    }

    async fn attempt(&self, plan: &Plan) -> (Verdict, String) {
        let outcome = match self.reference(plan.reference()).await {
            Ok(reference) => self.rig.run(plan, Some((&reference.end, reference.usage))).await,
            Err(error) => nothing(&format!("{error:#}")),
        };
        (verdict(plan, &outcome), story(plan, &outcome))
    }
}

fn nothing(problem: &str) -> Outcome {
    Outcome { problems: vec![problem.to_owned()], evidence: None, took: Duration::ZERO }
}

fn verdict(plan: &Plan, outcome: &Outcome) -> Verdict {
    let evidence = outcome.evidence.as_ref();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Verdict {
        id: plan.id.clone(),
        class: plan.class.clone(),
        problems: outcome.problems.clone(),
        reached: plan.rules.is_empty() || evidence.is_some_and(|evidence| !evidence.journal.faults.is_empty()),
        recovery_ms: evidence.map_or(0, |evidence| millis(evidence.recovery)),
        took_ms: millis(outcome.took),
    }
}

/// All that helps to understand a plan.
fn story(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = format!("{}\n", plan.id);
    for rule in &plan.rules {
        let _ = writeln!(text, "rule: {rule}");
    }
    for problem in &outcome.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    let Some(evidence) = &outcome.evidence else { return text };
    let journal = &evidence.journal;
    let began = journal.writes.first().map_or_else(Instant::now, |write| write.at);
    let after = |at: Instant| at.saturating_duration_since(began).as_secs_f64();
    let mut lines: Vec<(f64, String)> = Vec::new();
    for write in &journal.writes {
        let code = write.code.map_or("no answer".to_owned(), |code| code.to_string());
        lines.push((after(write.at), format!("{} #{} ({code}) {}", write.asked, write.nth, write.body)));
    }
    lines.extend(journal.faults.iter().map(|fault| (after(fault.at), format!("FAULT {}", fault.what))));
    lines.extend(journal.events.iter().map(|event| {
        (after(event.at), format!("  event {} {}/{} #{}", event.kind, event.resource, event.name, event.nth))
    }));
    lines.sort_by(|left, right| left.0.total_cmp(&right.0));
    for (at, line) in lines {
        let line: String = line.chars().take(600).collect();
        let _ = writeln!(text, "{at:8.3} {line}");
    }
    let _ = writeln!(text, "values: {:#?}\nusage: {:?}\nlog:\n{}", evidence.values, evidence.usage, evidence.log);
    text
}

/// How a run of many plans is told.
pub struct Progress<'a> {
    store: &'a Store,
    total: usize,
    done: usize,
    began: Instant,
    failed: usize,
}

impl<'a> Progress<'a> {
    /// Of so many plans.
    pub fn new(store: &'a Store, total: usize) -> Self {
        Self { store, total, done: 0, began: Instant::now(), failed: 0 }
    }

    /// How many have failed.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Notes and tells what became of a plan.
    pub fn tell(&mut self, plan: &Plan, verdict: &Verdict, story: &str) -> Result<()> {
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

/// Runs the plans, those that bear on the whole control plane one after the other on a control plane of their own.
pub async fn run(campaign: &Campaign, plans: Vec<Plan>, jobs: usize, progress: Progress<'_>) -> Result<usize> {
    let (exclusive, mut shared): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(Plan::is_exclusive);
    // Those that may take long first: in the end nothing else is left to do beside them.
    shared.sort_by_key(|plan| std::cmp::Reverse(plan.patience));
    let progress = std::cell::RefCell::new(progress);
    let tell = |(plan, (verdict, story)): (Plan, (Verdict, String))| {
        if let Err(error) = progress.borrow_mut().tell(&plan, &verdict, &story) {
            eprintln!("cannot note what became of {}: {error:#}", plan.id);
        }
    };
    let together = side_by_side(
        shared,
        jobs,
        |plan| async {
            let done = campaign.run(&plan).await;
            (plan, done)
        },
        tell,
    );
    let alone = async {
        if exclusive.is_empty() {
            return Ok(());
        }
        let own = Campaign::start().await?;
        for plan in exclusive {
            let done = own.run(&plan).await;
            tell((plan, done));
        }
        anyhow::Ok(())
    };
    let ((), alone) = futures::join!(together, alone);
    alone?;
    Ok(progress.into_inner().failed())
}

/// Checks that a file given on the command line is there.
pub fn plan_from(file: &Path) -> Result<Plan> {
    ensure!(file.is_file(), "{} is no file; failing plans are kept in target/faults/failed", file.display());
    Store::read_plan(file)
}
